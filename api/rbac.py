"""Role-based access control as arithmetic of rules: what a rule allows, and whether some rules contain others.

A rule is a box: verbs × groups × resources (× names), or verbs × addresses. It allows a request that lies in it. That
one set of rules grants no more than another is decided cell by cell: the box is cut into pieces of one verb, one group
and one resource, and each piece must lie in one box of the others. https://kubernetes.io/docs/reference/access-authn-authz/rbac/

Everything here is pure; the server, the aggregation of roles and `helmling auth reconcile` share it.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

from proto.v1.rbac_pb2 import PolicyRule

GROUP = "rbac.authorization.k8s.io"
ALL = "*"
NOBODY: frozenset[str] = frozenset()


class Attributes(NamedTuple):
    """What authorization sees of a request. A tuple, because it is the key under which decisions are remembered."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""  # "": all of them, or a kind that lives in none
    name: str = ""  # "": the collection
    path: str = ""  # an address that is no resource; then all but the verb is empty
    node: str = ""  # of a list or watch: only objects whose spec.nodeName is this

    @property
    def part(self) -> str:
        """`pods`, `pods/log`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass(frozen=True, slots=True)
class Rule:
    """A PolicyRule, made to be asked many times."""

    verbs: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    resources: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()  # empty: all
    urls: frozenset[str] = frozenset()

    def allows(self, asked: Attributes) -> bool:
        if asked.verb not in self.verbs and ALL not in self.verbs:
            return False
        if asked.path:
            return any(_url_covers(url, asked.path) for url in self.urls)
        return (
            _has(self.groups, asked.group)
            and _resource_covers(self.resources, asked.part)
            and (not self.names or asked.name in self.names)
        )

    def covers(self, piece: "Rule") -> bool:
        """Of a piece: at most one of each."""
        return (
            all(_has(self.verbs, verb) for verb in piece.verbs)
            and all(_has(self.groups, group) for group in piece.groups)
            and all(_resource_covers(self.resources, each) for each in piece.resources)
            and (not self.names or (bool(piece.names) and piece.names <= self.names))
            and all(any(_url_covers(ours, url) for ours in self.urls) for url in piece.urls)
        )

    def pieces(self) -> Iterable["Rule"]:
        """The rule, cut up: one verb, one group and one resource (and one name), or one verb and one address, each."""
        for verb, url in product(sorted(self.verbs), sorted(self.urls)):
            yield Rule(verbs=frozenset((verb,)), urls=frozenset((url,)))
        cells = product(sorted(self.verbs), sorted(self.groups), sorted(self.resources))
        for verb, group, resource in cells:
            for names in [frozenset((name,)) for name in sorted(self.names)] or [NOBODY]:
                yield Rule(frozenset((verb,)), frozenset((group,)), frozenset((resource,)), names)


def _has(ours: frozenset[str], word: str) -> bool:
    return word in ours or ALL in ours


def _resource_covers(ours: frozenset[str], asked: str) -> bool:
    if asked in ours or ALL in ours:
        return True
    _, slash, part = asked.partition("/")
    return bool(slash) and f"*/{part}" in ours


def _url_covers(ours: str, url: str) -> bool:
    """`/healthz/*` is everything that begins with `/healthz/`."""
    return ours in (ALL, url) or (ours.endswith("*") and url.startswith(ours[:-1]))


def rule_of(message: PolicyRule) -> Rule:
    return Rule(
        frozenset(message.verbs),
        frozenset(message.apiGroups),
        frozenset(message.resources),
        frozenset(message.resourceNames),
        frozenset(message.nonResourceURLs),
    )


def message_of(rule: Rule) -> PolicyRule:
    return PolicyRule(
        verbs=sorted(rule.verbs),
        apiGroups=sorted(rule.groups),
        resources=sorted(rule.resources),
        resourceNames=sorted(rule.names),
        nonResourceURLs=sorted(rule.urls),
    )


def rules_of(messages: Iterable[PolicyRule]) -> list[Rule]:
    return [rule_of(message) for message in messages]


def missing(held: Sequence[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """The pieces of what is wanted that no single rule of what is held covers. Empty: no more is granted than held."""
    return [
        piece
        for rule in wanted
        for piece in rule.pieces()
        if not any(ours.covers(piece) for ours in held)
    ]


def compact(rules: Iterable[Rule]) -> list[Rule]:
    """Pieces that differ in their verbs alone, put together again."""
    verbs: dict[tuple[frozenset[str], ...], frozenset[str]] = {}
    for rule in rules:
        about = (rule.groups, rule.resources, rule.names, rule.urls)
        verbs[about] = verbs.get(about, frozenset()) | rule.verbs
    return [Rule(said, *about) for about, said in verbs.items()]


def shown(rule: Rule) -> str:
    """As Kubernetes prints it: `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}`."""
    parts = (
        ("APIGroups", rule.groups),
        ("Resources", rule.resources),
        ("ResourceNames", rule.names),
        ("NonResourceURLs", rule.urls),
        ("Verbs", rule.verbs),
    )
    told = (
        f"{name}:[{' '.join(json.dumps(word) for word in sorted(words))}]"
        for name, words in parts
        if words
    )
    return "{" + ", ".join(told) + "}"


# Making what is there into what should be there


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What to write, and what was lacking or too much."""

    object: Any
    changed: bool = False
    replaced: bool = False  # the binding gives another role: it must be deleted and made anew
    missing_rules: Sequence[Rule] = ()
    extra_rules: Sequence[Rule] = ()
    missing_subjects: Sequence[Any] = ()
    extra_subjects: Sequence[Any] = ()


def reconciled_role(found: Any, wanted: Any, *, remove_extra: bool = False) -> Reconciled:
    """A Role or ClusterRole that grants what is wanted; more is left alone unless it is to be removed."""
    new = _merged_metadata(found, wanted)
    lacks: list[Rule] = []
    extra: list[Rule] = []
    if not (wanted.DESCRIPTOR.name == "ClusterRole" and wanted.HasField("aggregationRule")):
        held, asked = rules_of(found.rules), rules_of(wanted.rules)
        lacks, extra = missing(held, asked), missing(asked, held)
        if lacks:
            new.rules.extend(message_of(rule) for rule in compact(lacks))
        if remove_extra and extra:
            del new.rules[:]
            new.rules.extend(wanted.rules)
    else:
        _merge_selectors(new, wanted, remove_extra)
    return Reconciled(new, new != found, False, compact(lacks), compact(extra))


def _merge_selectors(new: Any, wanted: Any, remove_extra: bool) -> None:
    theirs = wanted.aggregationRule.clusterRoleSelectors
    if remove_extra:
        new.aggregationRule.CopyFrom(wanted.aggregationRule)
        return
    for selector in theirs:
        if selector not in new.aggregationRule.clusterRoleSelectors:
            new.aggregationRule.clusterRoleSelectors.append(selector)


def reconciled_binding(found: Any, wanted: Any, *, remove_extra: bool = False) -> Reconciled:
    """A binding with all the subjects that are wanted; roleRef cannot be changed, so another one means a new object."""
    lacks = [each for each in wanted.subjects if each not in found.subjects]
    extra = [each for each in found.subjects if each not in wanted.subjects]
    new = _merged_metadata(found, wanted)
    if found.roleRef != wanted.roleRef:
        fresh = type(wanted)()
        fresh.CopyFrom(wanted)
        return Reconciled(fresh, True, True, (), (), lacks, extra)
    new.subjects.extend(lacks)
    if remove_extra and extra:
        del new.subjects[:]
        new.subjects.extend(wanted.subjects)
    return Reconciled(new, new != found, False, (), (), lacks, extra)


def _merged_metadata(found: Any, wanted: Any) -> Any:
    """What is wanted is added; what others have written stays."""
    new = type(found)()
    new.CopyFrom(found)
    new.metadata.labels.update(wanted.metadata.labels)
    new.metadata.annotations.update(wanted.metadata.annotations)
    return new


def aggregated(roles: Iterable[Any], selects: Sequence[Any], itself: str) -> list[PolicyRule]:
    """The rules of the roles that any of the selectors takes, in the order of their names, each once.

    `selects`: compiled label selectors; `itself`: the name of the role that is made, which is never a source.
    """
    found: list[PolicyRule] = []
    for role in sorted(roles, key=lambda each: each.metadata.name):
        if role.metadata.name == itself:
            continue
        if any(select.matches(role.metadata.labels) for select in selects):
            found += [rule for rule in role.rules if rule not in found]
    return found
