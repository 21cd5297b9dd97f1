"""What can go wrong when one talks to the API server. One class per gRPC code and Kubernetes reason.

    ApiError                  gRPC code            HTTP  reason
    ├── BadRequest            INVALID_ARGUMENT     400   BadRequest
    │   ├── Invalid           INVALID_ARGUMENT     422   Invalid               (every cause, each with its field)
    │   └── UnsupportedMedia  INVALID_ARGUMENT     415   UnsupportedMediaType
    ├── Unauthorized          UNAUTHENTICATED      401   Unauthorized
    ├── Forbidden             PERMISSION_DENIED    403   Forbidden
    ├── NotFound              NOT_FOUND            404   NotFound
    ├── MethodNotAllowed      UNIMPLEMENTED        405   MethodNotAllowed
    ├── AlreadyExists         ALREADY_EXISTS       409   AlreadyExists
    ├── Conflict              ABORTED              409   Conflict              (read again, retry)
    ├── Expired               OUT_OF_RANGE         410   Expired               (that history is gone: list again)
    ├── TooManyRequests       RESOURCE_EXHAUSTED   429   TooManyRequests
    ├── Internal              INTERNAL             500   InternalError
    ├── Unavailable           UNAVAILABLE          503   ServiceUnavailable    (nobody answers: retry later)
    └── Timeout               DEADLINE_EXCEEDED    504   Timeout

Raise the class and put the facts into the message; nobody parses messages. Over the wire an error is a
gRPC status whose trailing metadata carry the `Status` message; `status_of` and `from_status` are the two directions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from proto.v1.meta_pb2 import Status, StatusCause, StatusDetails

STATUS_METADATA = "helmling-status-bin"


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is wrong with an object."""

    field: str  # `spec.containers[0].image`; empty: the object as a whole
    message: str  # for people, without the field's name
    reason: str = "FieldValueInvalid"  # Kubernetes' word: FieldValueRequired, UnknownField, …

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class ApiError(Exception):
    """The root. `message` says what, where, and what to do."""

    code: ClassVar[str] = "UNKNOWN"
    http: ClassVar[int] = 500
    reason: ClassVar[str] = "Unknown"

    def __init__(
        self,
        message: str,
        *,
        causes: Sequence[Cause] = (),
        kind: str = "",
        name: str = "",
        retry_after: int = 0,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.causes = tuple(causes)
        self.kind, self.name = kind, name
        self.retry_after = retry_after  # seconds; 0: no advice


class BadRequest(ApiError):
    code, http, reason = "INVALID_ARGUMENT", 400, "BadRequest"


class Invalid(BadRequest):
    http, reason = 422, "Invalid"

    @classmethod
    def because(cls, kind: str, name: str, causes: Sequence[Cause]) -> "Invalid":
        """Kubernetes' own wording: `Pod "web" is invalid: [spec.a: …, spec.b: …]`."""
        said = [str(cause) for cause in causes]
        told = said[0] if len(said) == 1 else f"[{', '.join(said)}]"
        return cls(f'{kind} "{name}" is invalid: {told}', causes=causes, kind=kind, name=name)


class UnsupportedMedia(BadRequest):
    http, reason = 415, "UnsupportedMediaType"


class Unauthorized(ApiError):
    code, http, reason = "UNAUTHENTICATED", 401, "Unauthorized"


class Forbidden(ApiError):
    code, http, reason = "PERMISSION_DENIED", 403, "Forbidden"


class NotFound(ApiError):
    code, http, reason = "NOT_FOUND", 404, "NotFound"


class MethodNotAllowed(ApiError):
    code, http, reason = "UNIMPLEMENTED", 405, "MethodNotAllowed"


class AlreadyExists(ApiError):
    code, http, reason = "ALREADY_EXISTS", 409, "AlreadyExists"


class Conflict(ApiError):
    code, http, reason = "ABORTED", 409, "Conflict"


class Expired(ApiError):
    code, http, reason = "OUT_OF_RANGE", 410, "Expired"


class TooManyRequests(ApiError):
    code, http, reason = "RESOURCE_EXHAUSTED", 429, "TooManyRequests"


class Internal(ApiError):
    code, http, reason = "INTERNAL", 500, "InternalError"


class Unavailable(ApiError):
    code, http, reason = "UNAVAILABLE", 503, "ServiceUnavailable"


class Timeout(ApiError):
    code, http, reason = "DEADLINE_EXCEEDED", 504, "Timeout"


CLASSES: tuple[type[ApiError], ...] = (
    BadRequest,
    Invalid,
    UnsupportedMedia,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    AlreadyExists,
    Conflict,
    Expired,
    TooManyRequests,
    Internal,
    Unavailable,
    Timeout,
)
_BY_REASON = {cls.reason: cls for cls in CLASSES}
_BY_CODE = {cls.code: cls for cls in reversed(CLASSES)}


def status_of(error: ApiError) -> Status:
    """The `Status` that tells a client everything about the error."""
    causes = [StatusCause(reason=c.reason, message=c.message, field=c.field) for c in error.causes]
    details = StatusDetails(
        name=error.name, kind=error.kind, causes=causes, retryAfterSeconds=error.retry_after
    )
    return Status(
        status="Failure",
        message=error.message,
        reason=error.reason,
        details=details,
        code=error.http,
    )


def from_status(status: Status) -> ApiError:
    """The error that the server raised."""
    details = status.details
    return _BY_REASON.get(status.reason, ApiError)(
        status.message,
        causes=[Cause(c.field, c.message, c.reason) for c in details.causes],
        kind=details.kind,
        name=details.name,
        retry_after=details.retryAfterSeconds,
    )


def from_code(code: str, message: str) -> ApiError:
    """An error that came without a `Status`: from gRPC itself (nobody answers, too late) or from a proxy."""
    return _BY_CODE.get(code, ApiError)(message)
