"""What went wrong, as a Status: the body of every answer that is no success."""

from typing import Any

from api.errors import ApiError
from api.kinds import KINDS, REVIEWS

_GROUPS = {kind.plural: kind.group for kind in reversed((*KINDS, *REVIEWS))}


def status(error: ApiError) -> dict[str, Any]:
    """In the form in which Kubernetes writes it."""
    details: dict[str, Any] = {}
    if error.name:
        details["name"] = error.name
    if group := _GROUPS.get(error.kind):
        details["group"] = group
    if error.kind:
        details["kind"] = error.kind
    if error.causes:
        details["causes"] = [
            {"reason": cause.reason, "message": cause.message, "field": cause.field}
            for cause in error.causes
        ]
    if error.retry_after:
        details["retryAfterSeconds"] = error.retry_after
    return {
        **_head("Failure"),
        "message": error.message,
        "reason": error.reason,
        **({"details": details} if details else {}),
        "code": error.http,
    }


def success(**details: str) -> dict[str, Any]:
    """Where there is nothing else to say: an object is gone, a pod is bound."""
    return {**_head("Success"), **({"details": details} if details else {})}


def _head(said: str) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": said}
