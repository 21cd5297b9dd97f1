"""Who asks: the user on whose behalf a request is worked on.

Whoever lets a request in (gRPC, HTTP) finds out who it is and sets CALLER for the task that answers it; whoever decides
(authorization, admission, audit) reads it. What runs inside of the control plane asks as SYSTEM, and nobody asks it.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

from api.identities import MASTERS as MASTERS
from api.identities import NODES as NODES

AUTHENTICATED = "system:authenticated"  # the group of everyone who has shown who he is
ACCOUNTS = "system:serviceaccounts"  # the group of all ServiceAccounts; with ":NAMESPACE", those of one namespace


@dataclass(frozen=True, slots=True)
class User:
    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


SYSTEM = User("system:apiserver", (MASTERS, AUTHENTICATED))
CALLER: ContextVar[User] = ContextVar("caller", default=SYSTEM)
# Who really asks, when CALLER is somebody he may ask as (`--as`); None: CALLER himself.
IMPERSONATOR: ContextVar[User | None] = ContextVar("impersonator", default=None)
