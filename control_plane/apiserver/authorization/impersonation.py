"""To ask as somebody else: `--as`, for whoever may impersonate him (S#31).

The metadata of the call name a user, groups, a uid, extras; each of them is a right of its own. From then on the call
is that user's, and nothing of the one who really asks is left but a line in the log.
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from api.errors import BadRequest
from api.kinds import AUTHENTICATION
from api.rbac import Attributes
from control_plane.apiserver.authentication import authenticated
from control_plane.apiserver.authorization.gate import Gate
from control_plane.apiserver.authorization.roles import SERVICE_ACCOUNT
from control_plane.apiserver.identity import ACCOUNTS, CALLER, User

log = logging.getLogger(__name__)

PREFIX = "impersonate-"
USER, GROUP, UID, EXTRA = (PREFIX + word for word in ("user", "group", "uid", "extra-"))


@dataclass(slots=True)
class Wanted:
    """Who somebody wants to be."""

    name: str = ""
    groups: list[str] = field(default_factory=list)
    uid: str = ""
    extra: dict[str, list[str]] = field(default_factory=dict)


def wanted(metadata: Any) -> Wanted | None:
    """None: himself. Raises BadRequest: groups and the rest belong to a user, who must be named."""
    found = Wanted()
    asked = False
    for key, value in metadata or ():
        if not key.startswith(PREFIX):
            continue
        asked = True
        if key == USER:
            found.name = value
        elif key == GROUP:
            found.groups.append(value)
        elif key == UID:
            found.uid = value
        elif key.startswith(EXTRA):
            found.extra.setdefault(unquote(key.removeprefix(EXTRA)), []).append(value)
        else:
            raise BadRequest(f"unknown impersonation header {key!r}")
    if asked and not found.name:
        raise BadRequest("requested groups, a uid or extras without impersonating a user")
    return found if asked else None


def rights(who: Wanted) -> Iterator[Attributes]:
    """All that it takes to be somebody."""
    namespace, name = account_of(who.name)
    if name:
        yield Attributes("impersonate", "", "serviceaccounts", namespace=namespace, name=name)
    else:
        yield Attributes("impersonate", "", "users", name=who.name)
    for group in who.groups:
        yield Attributes("impersonate", "", "groups", name=group)
    if who.uid:
        yield Attributes("impersonate", AUTHENTICATION, "uids", name=who.uid)
    for key, values in who.extra.items():
        for value in values:
            yield Attributes("impersonate", AUTHENTICATION, "userextras", key, name=value)


def account_of(user: str) -> tuple[str, str]:
    """Namespace and name of the ServiceAccount that this user is; empty: none."""
    if not user.startswith(SERVICE_ACCOUNT):
        return "", ""
    namespace, _, name = user.removeprefix(SERVICE_ACCOUNT).partition(":")
    return (namespace, name) if namespace and name and ":" not in name else ("", "")


def user_of(who: Wanted) -> User:
    namespace, name = account_of(who.name)
    groups = tuple(who.groups)
    if name and not groups:
        groups = (ACCOUNTS, f"{ACCOUNTS}:{namespace}")
    extra = {key: tuple(values) for key, values in who.extra.items()}
    return authenticated(User(who.name, groups, who.uid, extra))


def impersonate(gate: Gate, context: Any) -> None:
    """After the caller is known: he becomes who he wants to be. Raises Forbidden, BadRequest."""
    who = wanted(context.invocation_metadata())
    if who is None:
        return
    for right in rights(who):
        gate.check(right)
    caller, user = CALLER.get(), user_of(who)
    log.info("impersonation by=%r as=%r groups=%r", caller.name, user.name, user.groups)
    CALLER.set(user)
