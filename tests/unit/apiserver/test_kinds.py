"""The hooks of the kinds: what a client has a say in, what can be selected by, how long a delete waits."""

from typing import Any

import pytest

from tests.manifests import MANIFESTS, created, read, strategy

WITH_STATUS = [kind for kind in sorted(MANIFESTS) if strategy(kind).kind.status]


def test_a_new_pod_is_pending_whatever_its_client_says() -> None:
    pod = created("Pod", {"status": {"phase": "Running", "podIP": "1.2.3.4"}})
    assert (pod.status.phase, pod.status.podIP, pod.status.qosClass) == (
        "Pending",
        "",
        "BestEffort",
    )


def test_a_gated_pod_says_that_it_is_not_scheduled() -> None:
    pod = created("Pod", {"spec": {"schedulingGates": [{"name": "example.com/wait"}]}})
    [condition] = pod.status.conditions
    assert (condition.type, condition.status, condition.reason) == (
        "PodScheduled",
        "False",
        "SchedulingGated",
    )


def test_a_node_is_created_with_its_status() -> None:
    assert created("Node", {"status": {"capacity": {"cpu": "1"}}}).status.capacity["cpu"] == "1"


def report(status: Any) -> None:
    """Puts something into a status of any kind."""
    if "conditions" in status.DESCRIPTOR.fields_by_name:
        status.conditions.add(type="Ready", status="True")
    elif "loadBalancer" in status.DESCRIPTOR.fields_by_name:
        status.loadBalancer.ingress.add(ip="192.0.2.1")
    elif "used" in status.DESCRIPTOR.fields_by_name:
        status.used["pods"] = "1"
    else:
        status.lastScheduleTime.seconds = 1


@pytest.mark.parametrize("kind", WITH_STATUS)
def test_an_update_does_not_touch_the_status(kind: str) -> None:
    old, new = created(kind), read(kind)
    report(new.status)
    strategy(kind).prepare_update(new, old)
    assert new.status == old.status
    assert new.HasField("status") == old.HasField("status")


@pytest.mark.parametrize("kind", WITH_STATUS)
def test_a_write_of_the_status_touches_nothing_else(kind: str) -> None:
    old, new = created(kind), created(kind)
    new.metadata.labels["a"] = "b"
    new.metadata.resourceVersion = "7"
    new.spec.Clear()
    report(new.status)
    reported = type(new.status).FromString(new.status.SerializeToString())
    strategy(kind).prepare_status(new, old)
    assert new.spec == old.spec
    assert new.metadata.labels == old.metadata.labels
    assert new.status == reported
    assert new.metadata.resourceVersion == "7", "the precondition must survive"


def test_a_status_without_a_class_of_service_keeps_it() -> None:
    old, new = created("Pod"), created("Pod")
    new.status.Clear()
    strategy("Pod").prepare_status(new, old)
    assert new.status.qosClass == "BestEffort"


@pytest.mark.parametrize("status", [{"podIP": "1.2.3.4"}, {"podIPs": [{"ip": "1.2.3.4"}]}])
def test_the_pod_s_address_is_the_first_of_its_addresses(status: dict[str, Any]) -> None:
    old, new = created("Pod"), read("Pod", {"status": status})
    strategy("Pod").prepare_status(new, old)
    assert (new.status.podIP, new.status.podIPs[0].ip) == ("1.2.3.4", "1.2.3.4")


def test_the_finalizers_of_a_namespace_are_changed_only_by_finalizing() -> None:
    old, new = created("Namespace"), created("Namespace", {"metadata": {"labels": {"a": "b"}}})
    new.spec.ClearField("finalizers")
    strategy("Namespace").prepare_update(new, old)
    assert list(new.spec.finalizers) == ["kubernetes"]
    new.spec.ClearField("finalizers")
    finalize = strategy("Namespace").prepare_finalize
    assert finalize is not None
    finalize(new, old)
    assert list(new.spec.finalizers) == []
    assert "a" not in new.metadata.labels


@pytest.mark.parametrize(
    ("spec", "phase", "grace"),
    [
        ({}, "Pending", None),
        ({"nodeName": "n1"}, "Pending", 30),
        ({"nodeName": "n1"}, "Running", 30),
        ({"nodeName": "n1", "terminationGracePeriodSeconds": 0}, "Running", 0),
        ({"nodeName": "n1"}, "Succeeded", None),
        ({"nodeName": "n1"}, "Failed", None),
    ],
)
def test_a_delete_waits_only_for_a_pod_that_may_run(
    spec: dict[str, Any], phase: str, grace: int | None
) -> None:
    pod = created("Pod", {"spec": spec})
    pod.status.phase = phase
    assert strategy("Pod").grace(pod) == grace


@pytest.mark.parametrize("kind", sorted(MANIFESTS.keys() - {"Pod"}))
def test_all_other_kinds_go_at_once(kind: str) -> None:
    assert strategy(kind).grace(created(kind)) is None


def test_pods_are_selected_by_these_fields() -> None:
    pod = created("Pod", {"spec": {"nodeName": "n1"}})
    assert strategy("Pod").selectable(pod) == {
        "metadata.name": "web",
        "metadata.namespace": "default",
        "spec.nodeName": "n1",
        "spec.restartPolicy": "Always",
        "spec.schedulerName": "default-scheduler",
        "spec.hostNetwork": "false",
        "status.phase": "Pending",
        "status.podIP": "",
        "status.nominatedNodeName": "",
    }


def test_events_are_selected_by_what_they_are_about() -> None:
    event = created("Event", {"reason": "Started", "source": {"component": "kubelet"}})
    values = strategy("Event").selectable(event)
    assert values["involvedObject.name"] == "web"
    assert (values["reason"], values["source"]) == ("Started", "kubelet")


@pytest.mark.parametrize(("cordoned", "text"), [(True, "true"), (False, "false")])
def test_nodes_are_selected_by_whether_they_take_pods(cordoned: bool, text: str) -> None:
    node = created("Node", {"spec": {"unschedulable": cordoned}})
    assert strategy("Node").selectable(node)["spec.unschedulable"] == text


@pytest.mark.parametrize("kind", sorted(MANIFESTS))
def test_the_selectable_fields_of_a_kind_are_always_the_same(kind: str) -> None:
    assert strategy(kind).fields() == frozenset(strategy(kind).selectable(created(kind)))


@pytest.mark.parametrize("kind", sorted(MANIFESTS))
def test_a_small_manifest_of_each_kind_is_valid(kind: str) -> None:
    assert list(strategy(kind).validate(created(kind))) == []
