"""Continue tokens: where the next page of a list begins, and of which moment (S#10)."""

import base64
import json
from dataclasses import dataclass

from api.errors import BadRequest


@dataclass(frozen=True, slots=True)
class Place:
    revision: int  # the moment that all pages show
    after: str  # the key of the last item sent, without the prefix of what was chosen


def write(place: Place) -> str:
    text = json.dumps({"v": 1, "rv": place.revision, "after": place.after})
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read(token: str) -> Place:
    """Raises BadRequest: this is not a token of ours."""
    place = _read(token)
    if place is None:
        raise BadRequest(
            "continue key is not valid: send the token back as the last page gave it, or list from the beginning"
        )
    return place


def _read(token: str) -> Place | None:
    padded = token + "=" * (-len(token) % 4)
    try:
        told = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except ValueError:
        return None
    match told:
        case {"v": 1, "rv": int(revision), "after": str(after)} if revision > 0 and after.isascii():
            return Place(revision, after)
    return None
