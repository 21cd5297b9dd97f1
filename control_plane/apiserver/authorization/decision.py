"""The answer of authorization, and the sentence in which it refuses."""

from contextvars import ContextVar
from dataclasses import dataclass

from api.errors import Forbidden
from api.rbac import Attributes
from control_plane.apiserver.identity import User


@dataclass(frozen=True, slots=True)
class Decision:
    allowed: bool
    why: str = ""  # for people: which binding allows it, or what stands in the way


NO_OPINION = Decision(False)
# What was decided about the request that is being answered: for the audit log.
DECIDED: ContextVar[Decision | None] = ContextVar("decided", default=None)


def refusal(user: User, asked: Attributes, why: str = "") -> Forbidden:
    """In Kubernetes' words, which people search the web for."""
    told = f'User "{user.name}" cannot {asked.verb} {_what(asked)}'
    if why:
        told += f": {why}"
    if asked.path:
        return Forbidden(f"forbidden: {told}")
    full = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
    named = f'{full} "{asked.name}"' if asked.name else full
    return Forbidden(f"{named} is forbidden: {told}", kind=asked.resource, name=asked.name)


def _what(asked: Attributes) -> str:
    if asked.path:
        return f'path "{asked.path}"'
    where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    return f'resource "{asked.part}" in API group "{asked.group}" {where}'
