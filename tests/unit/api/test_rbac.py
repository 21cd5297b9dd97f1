"""Rules as arithmetic: what a rule allows, what rules contain others, and that rights only add up."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.rbac import (
    Attributes,
    Rule,
    aggregated,
    compact,
    message_of,
    missing,
    reconciled_binding,
    reconciled_role,
    rule_of,
    shown,
)
from api.selectors import labels_from
from proto.v1.meta_pb2 import LabelSelector, ObjectMeta
from proto.v1.rbac_pb2 import (
    ClusterRole,
    ClusterRoleBinding,
    PolicyRule,
    Role,
    RoleRef,
    Subject,
)


def rule(
    verbs: str = "get", groups: str = "-", resources: str = "", names: str = "", urls: str = ""
) -> Rule:
    """Words with blanks between; the core group is "-"."""
    words = ["" if word == "-" else word for word in groups.split()]
    return Rule(
        frozenset(verbs.split()),
        frozenset([] if urls else words),
        frozenset(resources.split()),
        frozenset(names.split()),
        frozenset(urls.split()),
    )


def asked(verb: str, resource: str, group: str = "", name: str = "") -> Attributes:
    base, _, part = resource.partition("/")
    return Attributes(verb, group, base, part, "default", name)


# Those with a group and without a name are from https://kubernetes.io/docs/reference/access-authn-authz/rbac/
@pytest.mark.parametrize(
    ("given_rule", "request_", "allowed"),
    [
        (rule("get watch list", resources="pods"), asked("list", "pods"), True),
        (rule("get watch list", resources="pods"), asked("delete", "pods"), False),
        (rule("get watch list", resources="pods"), asked("get", "pods/log"), False),
        (rule("get list", resources="pods pods/log"), asked("get", "pods/log", name="a"), True),
        (rule("get list", resources="pods pods/log"), asked("get", "pods/exec"), False),
        (rule("get", groups="apps", resources="deployments"), asked("get", "deployments", "apps"), True),
        (rule("get", groups="apps", resources="deployments"), asked("get", "deployments"), False),
        (rule("get", groups="apps extensions", resources="deployments"), asked("get", "deployments", "extensions"), True),
        (rule("get", groups="*", resources="deployments"), asked("get", "deployments", "apps"), True),
        (rule("update get", resources="configmaps", names="my-configmap"), asked("get", "configmaps", name="my-configmap"), True),
        (rule("update get", resources="configmaps", names="my-configmap"), asked("get", "configmaps", name="other"), False),
        (rule("list", resources="configmaps", names="my-configmap"), asked("list", "configmaps"), False),
        (rule("create", resources="configmaps", names="my-configmap"), asked("create", "configmaps"), False),
        (rule("*", groups="*", resources="*"), asked("anything", "unheard/of", "of.it"), True),
        (rule("get", groups="*", resources="*/scale"), asked("get", "deployments/scale", "apps"), True),
        (rule("get", groups="*", resources="*/scale"), asked("get", "deployments", "apps"), False),
        (rule("get", resources="*"), asked("get", "pods/log"), True),
        (rule("get", resources="pods/*"), asked("get", "pods/log"), False),
        (rule("get", resources="pods"), Attributes("get", path="/version"), False),
        (rule("get post", urls="/healthz /healthz/*"), Attributes("get", path="/healthz/ping"), True),
        (rule("get post", urls="/healthz /healthz/*"), Attributes("get", path="/healthzz"), False),
        (rule("get", urls="/healthz/*"), Attributes("get", path="/healthz"), False),
        (rule("get", urls="*"), Attributes("get", path="/metrics"), True),
        (rule("get", urls="*"), asked("get", "pods"), False),
    ],
)  # fmt: skip
def test_what_a_rule_allows(given_rule: Rule, request_: Attributes, allowed: bool) -> None:
    assert given_rule.allows(request_) is allowed


@pytest.mark.parametrize(
    ("held", "wanted", "lacks"),
    [
        ([rule("get list", resources="pods")], rule("get", resources="pods"), []),
        ([rule("get", resources="pods"), rule("list", resources="pods")], rule("get list", resources="pods"), []),
        ([rule("get", resources="pods")], rule("get list", resources="pods"), [rule("list", resources="pods")]),
        ([rule("*", groups="*", resources="*")], rule("get", groups="apps", resources="deployments/scale"), []),
        ([rule("*", groups="*", resources="*")], rule("*", groups="*", resources="*"), []),
        ([rule("get", groups="-", resources="pods")], rule("get", groups="*", resources="pods"), [rule("get", groups="*", resources="pods")]),
        ([rule("get", resources="pods", names="a b")], rule("get", resources="pods", names="a"), []),
        ([rule("get", resources="pods", names="a")], rule("get", resources="pods"), [rule("get", resources="pods")]),
        ([rule("get", resources="pods")], rule("get", resources="pods", names="a"), []),
        ([rule("get", resources="*/log")], rule("get", resources="pods/log"), []),
        ([rule("get", resources="*/log")], rule("get", resources="pods"), [rule("get", resources="pods")]),
        ([rule("get", urls="/a/*")], rule("get", urls="/a/b"), []),
        ([rule("get", urls="/a/*")], rule("get", urls="/*"), [rule("get", urls="/*")]),
        ([rule("*", groups="*", resources="*")], rule("get", urls="/a"), [rule("get", urls="/a")]),
        ([], rule("get", resources="pods"), [rule("get", resources="pods")]),
    ],
)  # fmt: skip
def test_what_is_missing_to_grant_it(held: list[Rule], wanted: Rule, lacks: list[Rule]) -> None:
    assert compact(missing(held, [wanted])) == lacks


WORDS = st.frozensets(st.sampled_from(["get", "list", "*"]), min_size=1)
GROUPS = st.frozensets(st.sampled_from(["", "apps", "*"]), min_size=1)
RESOURCES = st.frozensets(st.sampled_from(["pods", "pods/log", "*/log", "*"]), min_size=1)
NAMES = st.frozensets(st.sampled_from(["a", "b"]))
URLS = st.frozensets(st.sampled_from(["/a", "/a/*", "/a/b", "*"]), min_size=1)
OF_RESOURCES = st.builds(Rule, WORDS, GROUPS, RESOURCES, NAMES)
OF_URLS = st.builds(lambda verbs, urls: Rule(verbs, urls=urls), WORDS, URLS)
RULES = st.lists(OF_RESOURCES | OF_URLS, max_size=4)
REQUESTS = [
    *(
        Attributes(verb, group, resource, part, "x", name)
        for verb in ("get", "list")
        for group in ("", "apps")
        for resource in ("pods", "nodes")
        for part in ("", "log")
        for name in ("", "a", "b")
    ),
    *(Attributes("get", path=path) for path in ("/a", "/a/", "/a/b", "/b")),
]


def allowed_by(rules: list[Rule]) -> set[Attributes]:
    return {each for each in REQUESTS if any(rule.allows(each) for rule in rules)}


@given(RULES, RULES)
def test_a_rule_more_never_takes_a_right_away(some: list[Rule], more: list[Rule]) -> None:
    assert allowed_by(some) <= allowed_by([*some, *more])


@given(RULES, RULES)
def test_who_lacks_nothing_may_do_all_that_he_grants(held: list[Rule], wanted: list[Rule]) -> None:
    """The check against escalation is safe: what passes it hands on no right that was not held."""
    if not missing(held, wanted):
        assert allowed_by(wanted) <= allowed_by(held)


@given(RULES)
def test_everybody_may_grant_what_he_has(held: list[Rule]) -> None:
    assert missing(held, held) == []


@given(RULES, RULES)
def test_what_was_missing_is_all_it_takes(held: list[Rule], wanted: list[Rule]) -> None:
    assert missing([*held, *compact(missing(held, wanted))], wanted) == []


@given(OF_RESOURCES | OF_URLS)
def test_a_rule_survives_the_wire(one: Rule) -> None:
    assert rule_of(message_of(one)) == one


def test_rules_are_shown_as_kubernetes_shows_them() -> None:
    one = rule("list get", groups="- apps", resources="pods", names="a")
    assert shown(one) == (
        '{APIGroups:["" "apps"], Resources:["pods"], ResourceNames:["a"], Verbs:["get" "list"]}'
    )


# Reconciling


def role(*rules: Rule, **labels: str) -> Role:
    return Role(
        metadata=ObjectMeta(name="r", labels=labels), rules=[message_of(each) for each in rules]
    )


def test_reconciling_adds_what_lacks_and_leaves_what_others_wrote() -> None:
    found = role(rule("get", resources="pods"), rule("get", resources="nodes"), theirs="1")
    wanted = role(rule("get list", resources="pods"), ours="2")
    done = reconciled_role(found, wanted)
    assert done.changed
    assert done.missing_rules == [rule("list", resources="pods")]
    assert done.extra_rules == [rule("get", resources="nodes")]
    assert dict(done.object.metadata.labels) == {"theirs": "1", "ours": "2"}
    assert [rule_of(each) for each in done.object.rules] == [
        rule("get", resources="pods"),
        rule("get", resources="nodes"),
        rule("list", resources="pods"),
    ]
    assert not reconciled_role(done.object, wanted).changed


def test_reconciling_takes_away_only_when_told() -> None:
    found = role(rule("*", groups="*", resources="*"))
    wanted = role(rule("get", resources="pods"))
    assert not reconciled_role(found, wanted).changed
    assert reconciled_role(found, wanted, remove_extra=True).object == wanted


def binding(to: str, *users: str) -> ClusterRoleBinding:
    return ClusterRoleBinding(
        metadata=ObjectMeta(name="b"),
        subjects=[Subject(kind="User", name=user) for user in users],
        roleRef=RoleRef(kind="ClusterRole", name=to),
    )


def test_bindings_get_subjects_and_another_role_makes_another_binding() -> None:
    done = reconciled_binding(binding("view", "a"), binding("view", "b"))
    assert [each.name for each in done.object.subjects] == ["a", "b"]
    assert not done.replaced
    removed = reconciled_binding(binding("view", "a"), binding("view", "b"), remove_extra=True)
    assert [each.name for each in removed.object.subjects] == ["b"]
    other = reconciled_binding(binding("view", "a"), binding("edit", "b"))
    assert other.replaced
    assert other.object == binding("edit", "b")


def test_aggregation_takes_what_is_selected_once_and_never_itself() -> None:
    def cluster_role(name: str, verb: str, **labels: str) -> ClusterRole:
        rules = [PolicyRule(verbs=[verb], apiGroups=[""], resources=["pods"])]
        return ClusterRole(metadata=ObjectMeta(name=name, labels=labels), rules=rules)

    roles = [
        cluster_role("c", "watch", to="view"),
        cluster_role("a", "get", to="view"),
        cluster_role("b", "get", to="view"),
        cluster_role("view", "delete", to="view"),
        cluster_role("x", "delete"),
    ]
    selects: list[Any] = [labels_from(LabelSelector(matchLabels={"to": "view"}))]
    assert [list(each.verbs) for each in aggregated(roles, selects, "view")] == [["get"], ["watch"]]
