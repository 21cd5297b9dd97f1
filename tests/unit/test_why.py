"""`helmling why`: who can get at a secret, and why a pod does not run."""

from typing import Any

import pytest

from api.jsonform import from_json
from cli.why.exposure import Exposure, Grant, Use, World, exposure, lines
from cli.why.pod import missing, reasons
from proto.v1.apps_pb2 import Deployment
from proto.v1.cluster_pb2 import Event
from proto.v1.pod_pb2 import Pod
from proto.v1.rbac_pb2 import ClusterRole, ClusterRoleBinding, Role, RoleBinding

Plain = dict[str, Any]


def made(message: type[Any], plain: Plain) -> Any:
    obj, causes = from_json(message, plain)
    assert causes == []
    return obj


def rules(*rows: tuple[list[str], str, list[str]]) -> list[Plain]:
    return [{"verbs": v, "apiGroups": [g], "resources": r} for v, g, r in rows]


def role(name: str, *rows: tuple[list[str], str, list[str]], **more: Any) -> Any:
    [*found] = rules(*rows)
    for each in found:
        each.update(more)
    return made(Role, {"metadata": {"name": name, "namespace": "shop"}, "rules": found})


def cluster_role(name: str, *rows: tuple[list[str], str, list[str]]) -> Any:
    return made(ClusterRole, {"metadata": {"name": name}, "rules": rules(*rows)})


def bound(kind: str, ref: str, *subjects: Plain, namespace: str = "shop") -> Any:
    plain: Plain = {
        "metadata": {"name": "b", **({"namespace": namespace} if namespace else {})},
        "subjects": list(subjects),
        "roleRef": {"kind": kind, "name": ref},
    }
    return made(RoleBinding if namespace else ClusterRoleBinding, plain)


ANNA: Plain = {"kind": "User", "name": "anna"}
DEV: Plain = {"kind": "Group", "name": "dev"}
ROBOT: Plain = {"kind": "ServiceAccount", "name": "robot", "namespace": "ci"}
READ = (["get", "list"], "", ["secrets"])


def found(**world: Any) -> Exposure:
    return exposure(World(**world), "shop", "keys")


def test_readers_are_found_through_their_bindings() -> None:
    seen = found(
        roles=[role("reader", READ)],
        cluster_roles=[cluster_role("all", (["*"], "*", ["*"]))],
        bindings=[bound("Role", "reader", ANNA)],
        cluster_bindings=[bound("ClusterRole", "all", DEV, namespace="")],
    )
    assert seen.readers == [
        Grant("group dev", "get, list, watch secrets", "ClusterRoleBinding b → ClusterRole all"),
        Grant("user anna", "get, list secrets", "RoleBinding shop/b → Role reader"),
    ]


@pytest.mark.parametrize(
    "world",
    [
        {"roles": [role("reader", READ, resourceNames=["other"])],
         "bindings": [bound("Role", "reader", ANNA)]},
        {"roles": [role("reader", READ)],
         "bindings": [bound("Role", "reader", ANNA, namespace="elsewhere")]},
        {"roles": [role("reader", (["get"], "", ["configmaps"]))],
         "bindings": [bound("Role", "reader", ANNA)]},
        {"bindings": [bound("Role", "gone", ANNA)]},
    ],
)  # fmt: skip
def test_who_may_not_is_not_named(world: Plain) -> None:
    assert found(**world).readers == []


def test_a_cluster_role_bound_in_the_namespace_counts_there() -> None:
    roles = [cluster_role("view-secrets", READ)]
    [grant] = found(
        cluster_roles=roles, bindings=[bound("ClusterRole", "view-secrets", ANNA)]
    ).readers
    assert grant.by == "RoleBinding shop/b → ClusterRole view-secrets"


def test_who_makes_pods_makes_one_that_has_it() -> None:
    work = role("work", (["create", "patch"], "apps", ["deployments"]), (["create"], "", ["pods"]))
    [grant] = found(roles=[work], bindings=[bound("Role", "work", ANNA)]).makers
    assert grant.can == "create pods; create, patch deployments"


def pod(how: Plain, phase: str = "Running") -> Any:
    return made(Pod, {
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"nodeName": "n1", **how},
        "status": {"phase": phase},
    })  # fmt: skip


def box(**fields: Any) -> Plain:
    return {"containers": [{"name": "app", "image": "i:1", **fields}]}


@pytest.mark.parametrize(
    ("how", "told"),
    [
        (box(env=[{"name": "PW", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "pw"}}}]),
         "variable PW of container app"),
        (box(envFrom=[{"secretRef": {"name": "keys"}}]), "all keys as variables of container app"),
        ({**box(volumeMounts=[{"name": "v", "mountPath": "/v"}]),
          "volumes": [{"name": "v", "secret": {"secretName": "keys"}}]},
         "volume v, mounted in app"),
        ({**box(), "volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "keys"}}]}}]},
         "volume v, mounted in no container"),
        ({**box(), "imagePullSecrets": [{"name": "keys"}]},
         "login for pulling images (on the node, not in the containers)"),
    ],
)  # fmt: skip
def test_every_way_into_a_pod_is_seen(how: Plain, told: str) -> None:
    seen = found(pods=[pod(how)])
    assert seen.uses == [Use("web", told, "n1")]
    assert seen.nodes == ["n1"]
    assert found(pods=[pod(how, "Succeeded")]).uses == []


ENV = box(envFrom=[{"secretRef": {"name": "keys"}}])


def test_who_enters_the_pod_has_it() -> None:
    visit = role("visit", (["create"], "", ["pods/exec"]))
    binding = bound("Role", "visit", ANNA)
    [grant] = found(roles=[visit], bindings=[binding], pods=[pod(ENV)]).visitors
    assert grant.can == "create pods/exec"
    assert found(roles=[visit], bindings=[binding]).visitors == []


def test_who_makes_tokens_of_a_reader_is_one() -> None:
    token = cluster_role("tokens", (["create"], "", ["serviceaccounts/token"]))
    seen = found(
        roles=[role("reader", READ)],
        cluster_roles=[token],
        bindings=[
            bound("Role", "reader", ROBOT),
            bound("ClusterRole", "tokens", DEV, namespace="ci"),
            bound("ClusterRole", "tokens", ANNA, namespace="shop"),
        ],
    )
    [grant] = seen.tokens
    assert (grant.who, grant.can) == ("group dev", "create serviceaccounts/token of ci/robot")


def test_impersonation_is_a_right_of_the_whole_cluster() -> None:
    be = cluster_role("be", (["impersonate"], "", ["users"]))
    wide = bound("ClusterRole", "be", ANNA, namespace="")
    assert len(found(cluster_roles=[be], cluster_bindings=[wide]).impersonators) == 1
    narrow = bound("ClusterRole", "be", ANNA)
    assert found(cluster_roles=[be], bindings=[narrow]).impersonators == []


def test_templates_are_pods_to_come() -> None:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": ENV}
    plain = {"kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
             "spec": {"template": template}}  # fmt: skip
    assert found(workloads=[made(Deployment, plain)]).templates == ["deployment web"]


def test_the_report_names_every_path_and_warns_of_variables() -> None:
    told = "\n".join(lines(found(
        roles=[role("reader", READ)], bindings=[bound("Role", "reader", ANNA)], pods=[pod(ENV)],
    )))  # fmt: skip
    assert "user anna: get, list secrets  (RoleBinding shop/b → Role reader)" in told
    assert "group system:masters: everything" in told
    assert "pod web: all keys as variables of container app, on node n1" in told
    assert "  node n1" in told
    assert "Variables are kept by the container engine on the node's disk" in told


# Pods


def status(spec: Plain | None = None, **fields: Any) -> Any:
    spec = {**box(), "schedulerName": "default-scheduler", **(spec or {})}
    return made(Pod, {"metadata": {"name": "web"}, "spec": spec, "status": fields})


def container(**state: Any) -> Plain:
    last = {"terminated": {"exitCode": 3, "reason": "Error"}}
    return {"phase": "Running", "containerStatuses": [
        {"name": "app", "restartCount": 4, "state": state, "lastState": last}]}  # fmt: skip


HERE = {"nodeName": "n1"}


@pytest.mark.parametrize(
    ("pod", "told"),
    [
        (status(phase="Pending"), "No scheduler has looked at it yet."),
        (status(phase="Pending", conditions=[{"type": "PodScheduled", "status": "False",
                                              "message": "0/1 nodes are available: 1 short of cpu."}]),
         "No node takes it: 0/1 nodes are available: 1 short of cpu."),
        (status({"schedulingGates": [{"name": "wait"}]}),
         "It waits for its scheduling gates to be removed: wait."),
        (status({"schedulerName": "mine"}), "It waits for the scheduler mine: is it running?"),
        (status(HERE, phase="Pending"), "It is bound to node n1; its agent has not started it yet."),
        (status(HERE, **container(waiting={"reason": "ImagePullBackOff", "message": "no such image"})),
         "Container app has no image i:1 (ImagePullBackOff): no such image"),
        (status(HERE, **container(waiting={"reason": "CrashLoopBackOff"})),
         "Container app ends again and again, 4 times so far; it ended with exit code 3"),
        (status(HERE, **container(waiting={"reason": "CreateContainerConfigError",
                                           "message": 'secret "keys" not found'})),
         'Container app cannot be made (CreateContainerConfigError): secret "keys" not found'),
        (status(HERE, **container(terminated={"exitCode": 137, "reason": "OOMKilled"})),
         "it was killed because it used more memory than its limit"),
        (status(HERE, phase="Running", conditions=[{"type": "Ready", "status": "True"}]),
         "Nothing is wrong: it runs on node n1, and is ready."),
        (status(HERE, phase="Running", conditions=[{"type": "Ready", "status": "False",
                                                    "message": "containers with unready status: [app]"}]),
         "It runs on node n1, but is not ready: containers with unready status: [app]."),
        (status(phase="Succeeded"), "It has done its work"),
        (status(phase="Failed", reason="Evicted", message="the node was short of memory."),
         "It has failed: the node was short of memory."),
    ],
)  # fmt: skip
def test_what_stands_in_the_way_of_a_pod(pod: Any, told: str) -> None:
    assert told in reasons(pod)[0]


def event(reason: str, message: str, type: str = "Warning") -> Event:
    return Event(reason=reason, message=message, type=type)


def test_warnings_are_told_once_each() -> None:
    waiting = status(HERE, phase="Pending")
    events = [
        event("FailedMount", "first"),
        event("FailedMount", "last"),
        event("Pulled", "x", "Normal"),
    ]
    assert reasons(waiting, events) == ["FailedMount: last"]


def test_what_makes_pods_tells_what_it_met() -> None:
    owner = made(Deployment, {"status": {"conditions": [
        {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: q"}]}})  # fmt: skip
    events = [event("FailedCreate", "exceeded quota: q"), event("FailedCreate", "no room")]
    assert missing(owner, events) == ["exceeded quota: q", "no room"]
