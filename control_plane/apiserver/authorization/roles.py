"""What the rules allow: an index from users and groups to the rules that bindings give them.

`index` is a pure function over all roles and bindings. It is made anew, all of it, when one of them has changed and
somebody asks: that is rare, and a few milliseconds. In between, what was decided once is looked up; a decision is
never older than the watch cache.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from api import kinds
from api.kinds import Kind
from api.rbac import Attributes, Rule, rules_of
from control_plane.apiserver.authorization.decision import Decision
from control_plane.apiserver.identity import User
from control_plane.apiserver.stored import Stored
from control_plane.apiserver.watcher import Event
from proto.v1.rbac_pb2 import ClusterRole, ClusterRoleBinding, Role, RoleBinding, RoleRef, Subject

ROLE, CLUSTER_ROLE = kinds.of(Role), kinds.of(ClusterRole)
BINDING, CLUSTER_BINDING = kinds.of(RoleBinding), kinds.of(ClusterRoleBinding)
KINDS = (ROLE, CLUSTER_ROLE, BINDING, CLUSTER_BINDING)
REMEMBERED = 20_000  # decisions about one user, and users
SERVICE_ACCOUNT = "system:serviceaccount:"  # namespace:name follows


@dataclass(frozen=True, slots=True)
class Grant:
    """The rules that one binding gives to one subject."""

    namespace: str  # where they hold; "": everywhere
    rules: tuple[Rule, ...]
    why: str  # for people
    broken: str = ""  # the role is not there


# Under ("User", name) and ("Group", name).
Index = Mapping[tuple[str, str], list[Grant]]


@dataclass(frozen=True, slots=True)
class Held:
    """All that one user is given, and what was decided about him."""

    grants: tuple[Grant, ...]
    named: bool  # some rule is about objects of certain names
    decisions: dict[Attributes, Decision] = field(default_factory=dict)

    def rules(self, namespace: str) -> list[Rule]:
        """What holds in a namespace; "": what holds everywhere."""
        return [rule for grant in self.in_force(namespace) for rule in grant.rules]

    def in_force(self, namespace: str) -> Iterator[Grant]:
        return (each for each in self.grants if each.namespace in ("", namespace))


def index(objects: Mapping[Kind, Iterable[Any]]) -> Index:
    """Of all roles and bindings there are."""
    known = {
        (role.kind, role.metadata.namespace, role.metadata.name): tuple(rules_of(role.rules))
        for kind in (ROLE, CLUSTER_ROLE)
        for role in objects.get(kind, ())
    }
    found: dict[tuple[str, str], list[Grant]] = {}
    for kind in (CLUSTER_BINDING, BINDING):
        for binding in objects.get(kind, ()):
            namespace = binding.metadata.namespace
            where = namespace if binding.roleRef.kind == "Role" else ""
            rules = known.get((binding.roleRef.kind, where, binding.roleRef.name))
            for subject in binding.subjects:
                who = _who(subject, namespace)
                if who is not None:
                    found.setdefault(who, []).append(_grant(binding, subject, rules))
    return found


def _grant(binding: Any, subject: Subject, rules: tuple[Rule, ...] | None) -> Grant:
    namespace, name = binding.metadata.namespace, binding.metadata.name
    called = f"{name}/{namespace}" if namespace else name
    ref = binding.roleRef
    why = f'{binding.kind} "{called}" of {ref.kind} "{ref.name}" to {_shown(subject, namespace)}'
    if rules is None:
        return Grant(namespace, (), why, _missing(ref))
    return Grant(namespace, rules, why)


def _missing(ref: RoleRef) -> str:
    return f'{ref.kind.lower()}.{ref.apiGroup} "{ref.name}" not found'


def _who(subject: Subject, namespace: str) -> tuple[str, str] | None:
    if subject.kind != "ServiceAccount":
        return subject.kind, subject.name
    home = subject.namespace or namespace
    return ("User", f"{SERVICE_ACCOUNT}{home}:{subject.name}") if home else None


def _shown(subject: Subject, namespace: str) -> str:
    if subject.kind == "ServiceAccount":
        return f'ServiceAccount "{subject.name}/{subject.namespace or namespace}"'
    return f'{subject.kind} "{subject.name}"'


def held_by(user: User, found: Index) -> Held:
    who = [("User", user.name), *(("Group", group) for group in user.groups)]
    grants = tuple(grant for each in who for grant in found.get(each, ()))
    named = any(rule.names for grant in grants for rule in grant.rules)
    return Held(grants, named)


def decide(held: Held, asked: Attributes) -> Decision:
    """What the rules say. Nothing ever forbids; the reason of a refusal is a role that is not there, or none."""
    broken = []
    for grant in held.in_force(asked.namespace):
        if any(rule.allows(asked) for rule in grant.rules):
            return Decision(True, f"RBAC: allowed by {grant.why}")
        if grant.broken:
            broken.append(grant.broken)
    return Decision(False, f"RBAC: {', '.join(dict.fromkeys(broken))}" if broken else "")


class Roles:
    """Owner of the index. A listener of the watch cache."""

    def __init__(self) -> None:
        # By the key in the store. Only read when the index is made.
        self._objects: dict[Kind, dict[str, Any]] = {kind: {} for kind in KINDS}
        self._index: Index | None = None  # None: something has changed since it was made
        self._held: dict[tuple[str, tuple[str, ...]], Held] = {}  # by name and groups

    def reset(self, kind: Kind, items: Iterable[Stored]) -> None:
        self._objects[kind] = {stored.key: stored.decode() for stored in items}
        self._index = None

    def apply(self, kind: Kind, event: Event) -> None:
        if event.new is not None:
            self._objects[kind][event.new.key] = event.new.decode()
        elif event.old is not None:
            self._objects[kind].pop(event.old.key, None)
        self._index = None

    def decide(self, user: User, asked: Attributes) -> Decision:
        held = self.held(user)
        key = asked if held.named else asked._replace(name="")
        decision = held.decisions.get(key)
        if decision is None:
            if len(held.decisions) >= REMEMBERED:
                held.decisions.clear()
            decision = held.decisions[key] = decide(held, asked)
        return decision

    def held(self, user: User) -> Held:
        """What a user is given, as of now."""
        found = self._current()
        key = (user.name, user.groups)
        held = self._held.get(key)
        if held is None:
            if len(self._held) >= REMEMBERED:
                self._held.clear()
            held = self._held[key] = held_by(user, found)
        return held

    def _current(self) -> Index:
        if self._index is None:
            self._index = index({kind: every.values() for kind, every in self._objects.items()})
            self._held.clear()
        return self._index

    def rules_of(self, ref: RoleRef, namespace: str) -> list[Rule] | None:
        """Of the role that a binding in this namespace would give; None: there is no such role."""
        kind = ROLE if ref.kind == "Role" else CLUSTER_ROLE
        key = kinds.key(kind, namespace, ref.name)
        role = self._objects[kind].get(key)
        return None if role is None else rules_of(role.rules)
