"""The server's refusals, in Kubernetes' words: people search the web for these sentences."""

from api.errors import (
    AlreadyExists,
    BadRequest,
    Cause,
    Conflict,
    Expired,
    Forbidden,
    MethodNotAllowed,
    NotFound,
    Timeout,
)
from api.kinds import Kind
from control_plane.store.contract import MAX_BYTES

MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def not_found(kind: Kind, name: str) -> NotFound:
    return NotFound(f'{kind.full_name} "{name}" not found', kind=kind.plural, name=name)


def already_exists(
    kind: Kind, name: str, *, deleting: bool = False, generated: bool = False
) -> AlreadyExists:
    told = f'{kind.full_name} "{name}" already exists'
    if generated:
        told += ", the server was not able to generate a unique name for the object"
    if deleting:
        told = f"object is being deleted: {told}"
    return AlreadyExists(told, kind=kind.plural, name=name)


def conflict(kind: Kind, name: str, why: str = MODIFIED, subresource: str = "") -> Conflict:
    resource = f"{kind.full_name}/{subresource}" if subresource else kind.full_name
    told = f'Operation cannot be fulfilled on {resource} "{name}": {why}'
    return Conflict(told, kind=kind.plural, name=name)


def precondition(kind: Kind, name: str, what: str, wanted: str, found: str) -> Conflict:
    """`what` is UID or ResourceVersion."""
    why = f"Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {found or 0}"
    return conflict(kind, name, why)


def forbidden(kind: Kind, name: str, why: str, *causes: Cause) -> Forbidden:
    told = f'{kind.full_name} "{name}" is forbidden: {why}'
    return Forbidden(told, kind=kind.plural, name=name, causes=causes)


def namespace_terminating(kind: Kind, name: str, namespace: str) -> Forbidden:
    cause = Cause(
        "metadata.namespace", f"namespace {namespace} is being terminated", "NamespaceTerminating"
    )
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    return forbidden(kind, name, why, cause)


def not_allowed(kind: Kind, verb: str, subresource: str = "") -> MethodNotAllowed:
    what = f"{kind.full_name}/{subresource}" if subresource else kind.full_name
    return MethodNotAllowed(f"{verb} is not supported on {what}", kind=kind.plural)


def too_old(asked: int, oldest: int) -> Expired:
    return Expired(f"too old resource version: {asked} ({oldest})")


def too_large(asked: int, current: int) -> Timeout:
    told = f"Too large resource version: {asked}, current: {current}"
    return Timeout(told, retry_after=1)


def too_big() -> BadRequest:
    return BadRequest(f"Request entity too large: limit is {MAX_BYTES} bytes")


def unreadable_version(text: str) -> BadRequest:
    return BadRequest(
        f"resourceVersion {text!r} is not a version: send one that this server has given you"
    )
