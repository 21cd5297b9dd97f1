"""What a manifest leaves out is filled in and stored (S#17)."""

from typing import Any

import pytest

from api.jsonform import to_json
from control_plane.apiserver import defaults
from control_plane.apiserver.defaults import default_pod, default_tolerations, pull_policy
from tests.manifests import MANIFESTS, container, created, read, strategy


def defaulted(change: dict[str, Any]) -> dict[str, Any]:
    pod = read("Pod", change)
    default_pod(pod)
    spec: dict[str, Any] = to_json(pod)["spec"]
    return spec


def first(**fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = defaulted(container(**fields))["containers"][0]
    return found


def test_the_smallest_pod() -> None:
    assert defaulted({}) == {
        "containers": [
            {
                "name": "a",
                "image": "i:1",
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "imagePullPolicy": "IfNotPresent",
                "resources": {},
            }
        ],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
        "enableServiceLinks": True,
    }


def test_what_is_said_stays() -> None:
    said = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "dnsPolicy": "Default",
        "schedulerName": "mine",
        "enableServiceLinks": False,
    }
    assert defaulted({"spec": said}).items() >= said.items()


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("web", "Always"),
        ("web:latest", "Always"),
        ("web:1", "IfNotPresent"),
        ("host:5000/web", "Always"),
        ("host:5000/web:1", "IfNotPresent"),
        ("host:5000/web:latest", "Always"),
        ("web@sha256:abc", "IfNotPresent"),
        ("web:latest@sha256:abc", "IfNotPresent"),
    ],
)
def test_a_moving_tag_is_pulled_always(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


def test_init_containers_get_the_same_defaults() -> None:
    spec = defaulted({"spec": {"initContainers": [{"name": "i", "image": "x"}]}})
    assert spec["initContainers"][0]["imagePullPolicy"] == "Always"


def test_a_limit_is_the_request_where_there_is_none() -> None:
    resources = {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m"}}
    assert first(resources=resources)["resources"]["requests"] == {"cpu": "100m", "memory": "1Gi"}


def test_a_request_is_no_limit() -> None:
    assert first(resources={"requests": {"cpu": "1"}})["resources"] == {"requests": {"cpu": "1"}}


def test_amounts_are_written_canonically() -> None:
    resources = {"limits": {"cpu": 0.5, "memory": "1024Mi"}}
    assert first(resources=resources)["resources"]["limits"] == {"cpu": "500m", "memory": "1Gi"}


def test_amounts_that_are_none_are_left_for_validation() -> None:
    assert first(resources={"limits": {"cpu": "lots"}})["resources"]["limits"] == {"cpu": "lots"}


@pytest.mark.parametrize("probe", ["livenessProbe", "readinessProbe", "startupProbe"])
def test_probes(probe: str) -> None:
    assert first(**{probe: {"httpGet": {"port": 80}}})[probe] == {
        "httpGet": {"path": "/", "port": 80, "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


def test_hooks_by_http_get_a_path_and_a_scheme() -> None:
    hook = first(lifecycle={"preStop": {"httpGet": {"port": "http"}}})["lifecycle"]["preStop"]
    assert hook == {"httpGet": {"path": "/", "port": "http", "scheme": "HTTP"}}


def test_ports_are_tcp() -> None:
    assert first(ports=[{"containerPort": 80}])["ports"] == [
        {"containerPort": 80, "protocol": "TCP"}
    ]


def test_on_the_node_s_network_a_port_is_open_on_the_node() -> None:
    change = container(ports=[{"containerPort": 80}])
    change["spec"]["hostNetwork"] = True
    assert defaulted(change)["containers"][0]["ports"][0]["hostPort"] == 80


def test_references_say_which_version_they_mean() -> None:
    env = [
        {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "B", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
    ]
    assert [each["valueFrom"] for each in first(env=env)["env"]] == [
        {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}},
        {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "0"}},
    ]


def test_a_volume_without_a_source_is_an_empty_directory() -> None:
    assert defaulted({"spec": {"volumes": [{"name": "v"}]}})["volumes"] == [
        {"name": "v", "emptyDir": {}}
    ]


def test_facts_about_the_pod_are_files_that_all_can_read() -> None:
    items = [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]
    spec = defaulted({"spec": {"volumes": [{"name": "v", "downwardAPI": {"items": items}}]}})
    assert spec["volumes"][0]["downwardAPI"] == {
        "items": [
            {"path": "labels", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels"}}
        ],
        "defaultMode": 420,
    }


@pytest.mark.parametrize("kind", sorted(MANIFESTS))
def test_defaulting_twice_changes_nothing(kind: str) -> None:
    obj = created(kind)
    before = type(obj).FromString(obj.SerializeToString())
    strategy(kind).default(obj)
    assert obj == before
    assert (obj.apiVersion, obj.kind) == (strategy(kind).kind.api_version, kind)


def test_a_pod_stays_five_minutes_on_a_node_that_has_failed() -> None:
    pod = read("Pod")
    default_tolerations(pod)
    default_tolerations(pod)
    assert [to_json(each) for each in pod.spec.tolerations] == [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
        for key in (defaults.NOT_READY, defaults.UNREACHABLE)
    ]


@pytest.mark.parametrize(
    ("toleration", "added"),
    [
        ({"operator": "Exists"}, 0),
        ({"key": defaults.NOT_READY, "operator": "Exists", "effect": "NoExecute"}, 1),
        ({"key": defaults.UNREACHABLE, "operator": "Exists"}, 1),
        ({"key": defaults.NOT_READY, "operator": "Exists", "effect": "NoSchedule"}, 2),
        ({"key": "other", "operator": "Exists"}, 2),
    ],
)
def test_a_pod_that_has_its_own_opinion_keeps_it(toleration: dict[str, str], added: int) -> None:
    pod = read("Pod", {"spec": {"tolerations": [toleration]}})
    default_tolerations(pod)
    assert len(pod.spec.tolerations) == 1 + added


def test_the_priority_is_0_unless_said() -> None:
    plain, chosen = read("Pod"), read("Pod", {"spec": {"priority": 7}})
    defaults.default_priority(plain)
    defaults.default_priority(chosen)
    assert plain.spec.HasField("priority")
    assert (plain.spec.priority, chosen.spec.priority) == (0, 7)


def test_a_node_may_give_all_it_has() -> None:
    node = created("Node", {"status": {"capacity": {"cpu": "2000m"}}})
    assert dict(node.status.allocatable) == {"cpu": "2"}


@pytest.mark.parametrize("spec", [{"podCIDR": "10.1.0.0/24"}, {"podCIDRs": ["10.1.0.0/24"]}])
def test_one_pod_cidr_is_also_the_first_of_several(spec: dict[str, Any]) -> None:
    node = created("Node", {"spec": spec})
    assert (node.spec.podCIDR, list(node.spec.podCIDRs)) == ("10.1.0.0/24", ["10.1.0.0/24"])


def test_a_namespace_is_active_and_can_be_selected_by_name() -> None:
    namespace = created("Namespace")
    assert namespace.status.phase == "Active"
    assert list(namespace.spec.finalizers) == ["kubernetes"]
    assert dict(namespace.metadata.labels) == {"kubernetes.io/metadata.name": "shop"}
