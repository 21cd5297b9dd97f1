"""Continue tokens: where the next page of a list begins, and of which moment (S#10)."""

import base64
import binascii
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
    try:
        padded = token + "=" * (-len(token) % 4)
        told = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        revision, after = told["rv"], told["after"]
        if told["v"] != 1 or type(revision) is not int or revision < 1 or type(after) is not str:
            raise ValueError(told)
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise BadRequest(
            "continue key is not valid: send the token back as the last page gave it, or list from the beginning"
        ) from None
    if not after.isascii():
        raise BadRequest("continue key is not valid: it names no object")
    return Place(revision, after)
