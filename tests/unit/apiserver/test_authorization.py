"""Who may do what: bindings, nodes, impersonation, what a node may write; decisions without a server."""

from typing import Any

import pytest

from api import kinds
from api.errors import BadRequest, Forbidden
from api.identities import MASTERS, NODES
from api.rbac import Attributes
from control_plane.apiserver.authorization import defaults, gate, impersonation
from control_plane.apiserver.authorization.authorizer import Authorizer
from control_plane.apiserver.authorization.decision import refusal
from control_plane.apiserver.authorization.nodes import POD, Nodes
from control_plane.apiserver.authorization.references import references
from control_plane.apiserver.authorization.restriction import guarded, restrict
from control_plane.apiserver.authorization.roles import (
    BINDING,
    CLUSTER_BINDING,
    CLUSTER_ROLE,
    ROLE,
    Roles,
    decide,
    held_by,
    index,
)
from control_plane.apiserver.identity import CALLER, User
from control_plane.apiserver.kinds import STRATEGIES
from control_plane.apiserver.registry import Place
from control_plane.apiserver.stored import Stored
from control_plane.apiserver.watcher import Event
from proto.v1.cluster_pb2 import Lease, Node, Taint
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.pod_pb2 import Pod
from proto.v1.rbac_pb2 import (
    ClusterRole,
    ClusterRoleBinding,
    PolicyRule,
    Role,
    RoleBinding,
    RoleRef,
    Subject,
)
from proto.v1.service_pb2 import Target
from tests.manifests import created

JANE = User("jane", ("dev", "system:authenticated"))
ROBOT = User("system:serviceaccount:shop:robot", ("system:serviceaccounts",))
READ_PODS = PolicyRule(verbs=["get", "list"], apiGroups=[""], resources=["pods"])
READ_NODES = PolicyRule(verbs=["get"], apiGroups=[""], resources=["nodes"])


def to(kind: str, name: str, namespace: str = "") -> Subject:
    return Subject(kind=kind, name=name, namespace=namespace)


def bound(
    subject: Subject, role: str, namespace: str = "", kind: str = "ClusterRole"
) -> RoleBinding | ClusterRoleBinding:
    ref = RoleRef(apiGroup=kinds.RBAC, kind=kind, name=role)
    if namespace:
        meta = ObjectMeta(name="b", namespace=namespace)
        return RoleBinding(kind="RoleBinding", metadata=meta, subjects=[subject], roleRef=ref)
    meta = ObjectMeta(name="b")
    return ClusterRoleBinding(
        kind="ClusterRoleBinding", metadata=meta, subjects=[subject], roleRef=ref
    )


def cluster_role(name: str, *rules: PolicyRule) -> ClusterRole:
    return ClusterRole(kind="ClusterRole", metadata=ObjectMeta(name=name), rules=rules)


def allowed(user: User, asked: Attributes, *bindings: Any) -> bool:
    objects: dict[Any, list[Any]] = {
        CLUSTER_ROLE: [cluster_role("reader", READ_PODS, READ_NODES)],
        ROLE: [
            Role(
                kind="Role", metadata=ObjectMeta(name="local", namespace="shop"), rules=[READ_PODS]
            )
        ],
        BINDING: [each for each in bindings if isinstance(each, RoleBinding)],
        CLUSTER_BINDING: [each for each in bindings if isinstance(each, ClusterRoleBinding)],
    }
    return decide(held_by(user, index(objects)), asked).allowed


def pods(verb: str = "list", namespace: str = "shop") -> Attributes:
    return Attributes(verb, "", "pods", namespace=namespace)


@pytest.mark.parametrize(
    ("user", "asked", "binding", "yes"),
    [
        (JANE, pods(), bound(to("User", "jane"), "reader"), True),
        (JANE, pods(namespace=""), bound(to("User", "jane"), "reader"), True),
        (JANE, pods("delete"), bound(to("User", "jane"), "reader"), False),
        (JANE, pods(), bound(to("Group", "dev"), "reader"), True),
        (JANE, pods(), bound(to("Group", "jane"), "reader"), False),
        (JANE, pods(), bound(to("User", "dev"), "reader"), False),
        (JANE, pods(), bound(to("User", "jane"), "reader", "shop"), True),
        (JANE, pods(namespace="other"), bound(to("User", "jane"), "reader", "shop"), False),
        (JANE, pods(namespace=""), bound(to("User", "jane"), "reader", "shop"), False),
        (JANE, Attributes("get", "", "nodes", name="n"), bound(to("User", "jane"), "reader", "shop"), False),
        (JANE, pods(), bound(to("User", "jane"), "local", "shop", "Role"), True),
        (JANE, pods(namespace="other"), bound(to("User", "jane"), "local", "other", "Role"), False),
        (JANE, pods(), bound(to("User", "jane"), "nobody"), False),
        (ROBOT, pods(), bound(to("ServiceAccount", "robot", "shop"), "reader", "shop"), True),
        (ROBOT, pods(), bound(to("ServiceAccount", "robot"), "reader", "shop"), True),
        (ROBOT, pods(), bound(to("ServiceAccount", "robot", "other"), "reader", "shop"), False),
        (ROBOT, pods(), bound(to("User", "system:serviceaccount:shop:robot"), "reader"), True),
        (ROBOT, pods(), bound(to("Group", "system:serviceaccounts"), "reader"), True),
        (ROBOT, pods(), bound(to("User", "robot"), "reader"), False),
    ],
)  # fmt: skip
def test_what_a_binding_gives_to_whom_and_where(
    user: User, asked: Attributes, binding: Any, yes: bool
) -> None:
    assert allowed(user, asked, binding) is yes


def test_a_decision_says_which_binding_it_is_from() -> None:
    found = index(
        {
            CLUSTER_ROLE: [cluster_role("reader", READ_PODS)],
            BINDING: [bound(to("ServiceAccount", "robot"), "reader", "shop")],
        }
    )
    assert decide(held_by(ROBOT, found), pods()).why == (
        'RBAC: allowed by RoleBinding "b/shop" of ClusterRole "reader" to ServiceAccount "robot/shop"'
    )


def test_a_refusal_names_the_role_that_is_not_there() -> None:
    found = index({CLUSTER_BINDING: [bound(to("User", "jane"), "nobody")]})
    assert decide(held_by(JANE, found), pods()).why == (
        'RBAC: clusterrole.rbac.authorization.k8s.io "nobody" not found'
    )


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (pods(namespace="default"), 'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"'),
        (Attributes("get", "", "nodes", name="n1"), 'nodes "n1" is forbidden: User "jane" cannot get resource "nodes" in API group "" at the cluster scope'),
        (Attributes("update", "apps", "deployments", "scale", "shop", "web"), 'deployments.apps "web" is forbidden: User "jane" cannot update resource "deployments/scale" in API group "apps" in the namespace "shop"'),
        (Attributes("get", path="/metrics"), 'forbidden: User "jane" cannot get path "/metrics"'),
    ],
)  # fmt: skip
def test_the_words_of_a_refusal(asked: Attributes, told: str) -> None:
    error = refusal(JANE, asked)
    assert (error.message, error.http) == (told, 403)
    assert refusal(JANE, asked, "because").message == f"{told}: because"


# The index follows the watch cache


def stored(obj: Any) -> Stored:
    kind = kinds.of(obj)
    key = kinds.key(kind, obj.metadata.namespace, obj.metadata.name)
    return Stored(STRATEGIES[kind], key, obj.SerializeToString(), 7)


def test_a_change_of_a_role_counts_at_once() -> None:
    roles, reader = Roles(), stored(cluster_role("reader", READ_PODS))
    binding = stored(bound(to("User", "jane"), "reader"))
    roles.reset(CLUSTER_ROLE, [reader])
    roles.reset(CLUSTER_BINDING, [binding])
    assert roles.decide(JANE, pods()).allowed
    roles.apply(CLUSTER_ROLE, Event(8, reader, stored(cluster_role("reader", READ_NODES))))
    assert not roles.decide(JANE, pods()).allowed
    roles.apply(CLUSTER_ROLE, Event(9, reader, reader))
    assert roles.decide(JANE, pods()).allowed
    roles.apply(CLUSTER_BINDING, Event(10, binding, None))
    assert not roles.decide(JANE, pods()).allowed


def test_names_count_where_a_rule_has_names() -> None:
    roles = Roles()
    one = PolicyRule(verbs=["get"], apiGroups=[""], resources=["pods"], resourceNames=["a"])
    roles.reset(CLUSTER_ROLE, [stored(cluster_role("one", one))])
    roles.reset(CLUSTER_BINDING, [stored(bound(to("User", "jane"), "one"))])
    answers = [roles.decide(JANE, pods("get")._replace(name=name)).allowed for name in "abab"]
    assert answers == [True, False, True, False]


def test_the_masters_need_no_rule() -> None:
    authorizer = Authorizer(Roles(), Nodes())
    assert authorizer.decide(User("root", (MASTERS,)), pods("anything")).allowed
    assert not authorizer.decide(JANE, pods()).allowed


# Nodes

AGENT = User("system:node:n1", (NODES, "system:authenticated"))


def pod_with(name: str = "web", node: str = "n1", **spec: Any) -> Pod:
    change = {"metadata": {"name": name, "namespace": "shop"}, "spec": {"nodeName": node, **spec}}
    pod: Pod = created("Pod", change)
    return pod


EVERYTHING: dict[str, Any] = {
    "serviceAccountName": "robot",
    "imagePullSecrets": [{"name": "pull"}],
    "containers": [
        {
            "name": "a",
            "image": "i:1",
            "env": [
                {"name": "A", "valueFrom": {"secretKeyRef": {"name": "env", "key": "k"}}},
                {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "cenv", "key": "k"}}},
            ],
            "envFrom": [{"secretRef": {"name": "all"}}, {"configMapRef": {"name": "call"}}],
        }
    ],
    "volumes": [
        {"name": "s", "secret": {"secretName": "file"}},
        {"name": "c", "configMap": {"name": "cfile"}},
        {
            "name": "p",
            "projected": {
                "sources": [{"secret": {"name": "part"}}, {"configMap": {"name": "cpart"}}]
            },
        },
    ],
}


def test_all_that_a_pod_refers_to() -> None:
    found = {(each.resource, each.name) for each in references(pod_with(**EVERYTHING))}
    assert found == {
        *(("secrets", name) for name in ("env", "all", "file", "part", "pull")),
        *(("configmaps", name) for name in ("cenv", "call", "cfile", "cpart")),
        ("serviceaccounts", "robot"),
    }


def authorizer_with(*pods_there: Pod) -> Authorizer:
    nodes = Nodes()
    nodes.reset(POD, [stored(pod) for pod in pods_there])
    return Authorizer(Roles(), nodes)


def of(
    verb: str, what: str, name: str = "", namespace: str = "shop", group: str = ""
) -> Attributes:
    resource, _, part = what.partition("/")
    return Attributes(verb, group, resource, part, namespace, name)


MINE, THEIRS = pod_with("mine", "n1", **EVERYTHING), pod_with("theirs", "n2")
LEASES = "coordination.k8s.io"
NODE_LEASES = "kube-node-lease"


@pytest.mark.parametrize(
    ("asked", "yes"),
    [
        (of("get", "secrets", "file"), True),
        (of("watch", "secrets", "pull"), True),
        (of("list", "configmaps", "cenv"), True),
        (of("get", "secrets", "other"), False),
        (of("get", "configmaps", "file"), False),
        (of("get", "secrets", "file", "default"), False),
        (of("list", "secrets"), False),
        (of("list", "secrets", "file", ""), False),
        (of("update", "secrets", "file"), False),
        (of("delete", "configmaps", "cfile"), False),
        (of("create", "serviceaccounts/token", "robot"), True),
        (of("create", "serviceaccounts/token", "default"), False),
        (of("create", "serviceaccounts", "robot"), False),
        (of("update", "serviceaccounts", "robot"), False),
        (of("get", "pods", "mine"), True),
        (of("get", "pods", "theirs"), False),
        (of("get", "pods", "nobody"), False),
        (of("list", "pods"), False),
        (of("list", "pods", namespace="")._replace(node="n1"), True),
        (of("watch", "pods", namespace="")._replace(node="n1"), True),
        (of("watch", "pods", namespace="")._replace(node="n2"), False),
        (of("update", "pods/status", "mine"), True),
        (of("update", "pods/status", "theirs"), False),
        (of("update", "pods", "mine"), False),
        (of("delete", "pods", "mine"), True),
        (of("delete", "pods", "theirs"), False),
        (of("deletecollection", "pods"), False),
        (of("create", "pods"), False),
        (of("create", "pods/eviction", "mine"), True),
        (of("create", "pods/exec", "mine"), False),
        (of("create", "pods/binding", "mine"), False),
        (of("get", "pods/log", "mine"), False),
        (of("get", "nodes", "n1", ""), True),
        (of("get", "nodes", "n2", ""), True),  # where the others are: routes lead there
        (of("watch", "nodes", "", ""), True),
        (of("list", "nodes", "", ""), True),
        (of("get", "nodes/status", "n2", ""), False),
        (of("delete", "nodes", "n2", ""), False),
        (of("watch", "services", "", ""), True),
        (of("update", "services", "web"), False),
        (Attributes("watch", "discovery.k8s.io", "endpointslices"), True),
        (Attributes("update", "discovery.k8s.io", "endpointslices", name="web-1"), False),
        (Attributes("list", "networking.k8s.io", "ingresses"), True),
        (Attributes("list", "networking.k8s.io", "ingressclasses"), True),
        (Attributes("list", "networking.k8s.io", "networkpolicies"), True),
        (Attributes("create", "networking.k8s.io", "networkpolicies"), False),
        (Attributes("watch", "helmling.dev", "peerslices"), True),
        (Attributes("update", "helmling.dev", "peerslices", name="peers-1"), False),
        (of("update", "nodes/status", "n1", ""), True),
        (of("delete", "nodes", "n1", ""), False),
        (of("update", "leases", "n1", NODE_LEASES, LEASES), True),
        (of("create", "leases", "", NODE_LEASES, LEASES), True),
        (of("update", "leases", "n2", NODE_LEASES, LEASES), False),
        (of("update", "leases", "n1", "kube-system", LEASES), False),
        (of("list", "leases", "n1", NODE_LEASES, LEASES), False),
        (of("create", "events"), True),
        (of("list", "events"), False),
        (of("get", "namespaces", "shop", ""), False),
        (of("get", "clusterroles", "x", "", kinds.RBAC), False),
    ],
)  # fmt: skip
def test_what_a_node_may_do(asked: Attributes, yes: bool) -> None:
    assert authorizer_with(MINE, THEIRS).decide(AGENT, asked).allowed is yes


def test_a_node_is_known_by_its_name_and_its_group() -> None:
    authorizer = authorizer_with(MINE)
    for nearly in (User("system:node:n1"), User("n1", (NODES,)), User("system:node:n2", (NODES,))):
        assert not authorizer.decide(nearly, of("get", "secrets", "file")).allowed


def test_a_node_loses_what_its_last_pod_needed() -> None:
    authorizer = authorizer_with(MINE, pod_with("twin", "n1", **EVERYTHING))
    nodes, ask = authorizer.nodes, of("get", "secrets", "file")
    nodes.apply(POD, Event(9, stored(MINE), None))
    assert authorizer.decide(AGENT, ask).allowed, "the twin needs it still"
    nodes.apply(POD, Event(10, stored(pod_with("twin", "n1", **EVERYTHING)), None))
    assert not authorizer.decide(AGENT, ask).allowed
    assert not nodes._needs


def test_a_node_gains_what_a_pod_needs_when_it_is_bound() -> None:
    authorizer, waiting = authorizer_with(), pod_with("new", "", **EVERYTHING)
    here = pod_with("new", "n1", **EVERYTHING)
    authorizer.nodes.apply(POD, Event(8, None, stored(waiting)))
    assert not authorizer.decide(AGENT, of("get", "secrets", "file")).allowed
    authorizer.nodes.apply(POD, Event(9, stored(waiting), stored(here)))
    assert authorizer.decide(AGENT, of("get", "secrets", "file")).allowed


def why_not(place: Place, new: Any = None, old: Any = None) -> str:
    """What a node is told when it writes this."""
    token = CALLER.set(AGENT)
    try:
        restrict(place, new, old)
    except Forbidden as error:
        return error.message
    finally:
        CALLER.reset(token)
    return ""


def node(name: str = "n1", taint: str = "", **labels: str) -> Node:
    found = Node(metadata=ObjectMeta(name=name))
    found.metadata.labels.update({key.replace("__", "/").replace("_", "."): value for key, value in labels.items()})  # fmt: skip
    if taint:
        found.spec.taints.append(Taint(key=taint, effect="NoSchedule"))
    return found


NODE_PLACE, POD_PLACE = Place(kinds.of(Node), "", "n1"), Place(POD, "shop", "mine")


@pytest.mark.parametrize(
    ("new", "old", "told"),
    [
        (node(kubernetes_io__hostname="n1", rack="7", node_kubernetes_io__any="x"), None, ""),
        (node(node_restriction_kubernetes_io__secret="x"), None, "is not allowed to set the following labels"),
        (node(rack="8"), node(rack="7"), ""),
        (node(), node(zone_k8s_io__a="b"), "is not allowed to modify labels: zone.k8s.io/a"),
        (node(), node(zone="b"), ""),
        (node(), node(taint="full"), "is not allowed to modify taints"),
        (node(taint="full"), node(taint="full"), ""),
        (None, node(), "is not allowed to delete itself"),
    ],
)  # fmt: skip
def test_what_a_node_may_write_about_itself(new: Any, old: Any, told: str) -> None:
    assert told in why_not(NODE_PLACE, new, old)
    assert bool(told) == bool(why_not(NODE_PLACE, new, old))


def test_a_node_does_not_write_about_others() -> None:
    other = Place(kinds.of(Node), "", "n2")
    assert 'is not allowed to modify node "n2"' in why_not(other, node("n2"), node("n2"))
    lease = Place(kinds.of(Lease), NODE_LEASES, "n2")
    assert "same name as the requesting node" in why_not(lease, Lease())
    assert why_not(Place(kinds.of(Lease), NODE_LEASES, "n1"), Lease()) == ""


def test_a_node_writes_the_status_of_its_own_pods() -> None:
    mine, theirs = pod_with("mine", "n1"), pod_with("mine", "n2")
    assert why_not(POD_PLACE, mine, mine) == ""
    assert "set to itself" in why_not(POD_PLACE, theirs, theirs)
    assert "can only delete pods with spec.nodeName set to itself" in why_not(
        POD_PLACE, None, theirs
    )
    labelled = pod_with("mine", "n1")
    labelled.metadata.labels["a"] = "b"
    assert "cannot update labels through pod status" in why_not(POD_PLACE, labelled, mine)
    assert "can only create mirror pods" in why_not(POD_PLACE, mine, None)


def test_others_are_not_restricted() -> None:
    restrict(NODE_PLACE, node(taint="x"), node())  # SYSTEM


def test_labels_that_are_the_administrators() -> None:
    assert guarded(["a", "example.com/a", "topology.kubernetes.io/zone"]) == []
    ours = ["node-role.kubernetes.io/master", "x.k8s.io/y", "kubernetes.io/role"]
    assert guarded(ours) == sorted(ours)


# Requests as attributes


def test_what_requests_are_to_authorization() -> None:
    web = Target(resource="pods", namespace="shop", name="web")
    assert gate.of_create(web).name == "", "a name that is only to be is no name to be allowed"
    web.subresource = "eviction"
    assert gate.of_create(web) == of("create", "pods/eviction", "web")
    everything = Target(resource="pods", namespace="shop")
    assert gate.of_collection("list", everything, "metadata.name=a").name == "a"
    assert gate.of_collection("list", everything, "metadata.name!=a").name == ""
    assert gate.of_collection("watch", everything, "spec.nodeName=n1").node == "n1"


# Impersonation


@pytest.mark.parametrize(
    ("said", "rights"),
    [
        ([("impersonate-user", "bob")], [("users", "", "", "bob")]),
        ([("impersonate-user", "bob"), ("impersonate-group", "a"), ("impersonate-group", "b")],
         [("users", "", "", "bob"), ("groups", "", "", "a"), ("groups", "", "", "b")]),
        ([("impersonate-user", "system:serviceaccount:shop:robot")], [("serviceaccounts", "", "shop", "robot")]),
        ([("impersonate-user", "bob"), ("impersonate-uid", "7")], [("users", "", "", "bob"), ("uids", "", "", "7")]),
        ([("impersonate-user", "bob"), ("impersonate-extra-scopes", "x")], [("users", "", "", "bob"), ("userextras", "scopes", "", "x")]),
    ],
)  # fmt: skip
def test_what_it_takes_to_be_somebody(said: Any, rights: Any) -> None:
    who = impersonation.wanted(said)
    assert who is not None
    found = [
        (each.resource, each.subresource, each.namespace, each.name)
        for each in impersonation.rights(who)
    ]
    assert found == rights


def test_a_service_account_brings_its_groups() -> None:
    who = impersonation.wanted([("impersonate-user", "system:serviceaccount:shop:robot")])
    assert who is not None
    assert impersonation.user_of(who).groups == (
        "system:serviceaccounts",
        "system:serviceaccounts:shop",
        "system:authenticated",
    )


def test_groups_without_a_user_are_nobodys() -> None:
    with pytest.raises(BadRequest, match="without impersonating a user"):
        impersonation.wanted([("impersonate-group", "system:masters")])
    with pytest.raises(BadRequest, match="unknown impersonation header"):
        impersonation.wanted([("impersonate-user", "a"), ("impersonate-grop", "b")])
    assert impersonation.wanted([("authorization", "Bearer x")]) is None


# The default roles


@pytest.mark.parametrize("role", defaults.ROLES, ids=lambda role: str(role.metadata.name))
def test_the_default_roles_are_valid(role: ClusterRole) -> None:
    hooks = STRATEGIES[CLUSTER_ROLE]
    copy = ClusterRole.FromString(role.SerializeToString())
    hooks.default(copy)
    assert hooks.validate(copy) == []


def test_a_default_that_somebody_keeps_for_himself_stays() -> None:
    view = next(role for role in defaults.ROLES if role.metadata.name == "system:basic-user")
    theirs = ClusterRole.FromString(view.SerializeToString())
    del theirs.rules[:]
    assert defaults.to_write(theirs, view) is not None
    theirs.metadata.annotations[defaults.AUTOUPDATE] = "false"
    assert defaults.to_write(theirs, view) is None
    assert defaults.to_write(view, view) is None
