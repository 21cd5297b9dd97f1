"""Objects as JSON: what is written, what is read, and every way in which a document can be wrong."""

from typing import Any

import pytest
from google.protobuf.struct_pb2 import Value
from google.protobuf.timestamp_pb2 import Timestamp

from api.jsonform import from_json, message_for, to_json
from proto.v1.cluster_pb2 import Event, Lease, Node
from proto.v1.meta_pb2 import ListMeta, Status, TableRow
from proto.v1.pod_pb2 import ContainerStatus, Pod, Probe


def pod_with(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec}


def container_with(**fields: Any) -> dict[str, Any]:
    return pod_with(containers=[{"name": "a", "image": "i", **fields}])


def told(document: Any, message: type[Any] = Pod) -> list[str]:
    return [str(cause) for cause in from_json(message, document)[1]]


def test_only_what_is_set_is_written() -> None:
    pod = Pod(apiVersion="v1", kind="Pod")
    pod.metadata.name = "web"
    pod.spec.hostNetwork = False
    assert to_json(pod) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {},
        "status": {},
    }


def test_the_parts_of_an_object_stand_in_their_usual_order() -> None:
    pod = Pod(kind="Pod", apiVersion="v1")
    pod.status.phase = "Pending"
    pod.spec.nodeName = "n1"
    pod.metadata.name = "web"
    assert list(to_json(pod)) == ["apiVersion", "kind", "metadata", "spec", "status"]


def test_optional_fields_are_written_even_when_they_are_zero() -> None:
    pod = Pod()
    pod.spec.terminationGracePeriodSeconds = 0
    pod.spec.enableServiceLinks = False
    assert to_json(pod)["spec"] == {"terminationGracePeriodSeconds": 0, "enableServiceLinks": False}


def test_an_empty_message_that_is_there_is_written() -> None:
    pod = Pod()
    pod.spec.volumes.add(name="v").emptyDir.SetInParent()
    assert to_json(pod)["spec"] == {"volumes": [{"name": "v", "emptyDir": {}}]}


def test_what_kubernetes_always_writes_is_written() -> None:
    assert to_json(ContainerStatus(name="a")) == {
        "name": "a",
        "state": {},
        "lastState": {},
        "ready": False,
        "restartCount": 0,
        "image": "",
        "imageID": "",
    }


def test_long_integers_are_numbers() -> None:
    assert to_json(ListMeta(remainingItemCount=2**60)) == {"remainingItemCount": 2**60}


def test_names_in_json_may_differ_from_names_in_code() -> None:
    assert to_json(ListMeta(continueToken="x")) == {"continue": "x"}
    assert from_json(ListMeta, {"continue": "x"}) == (ListMeta(continueToken="x"), [])


def test_times_have_whole_seconds() -> None:
    pod = Pod()
    pod.metadata.creationTimestamp.CopyFrom(Timestamp(seconds=1767323045, nanos=5))
    assert to_json(pod)["metadata"] == {"creationTimestamp": "2026-01-02T03:04:05Z"}


def test_times_of_leases_have_microseconds() -> None:
    lease = Lease()
    lease.spec.renewTime.CopyFrom(Timestamp(seconds=1767323045, nanos=12_345_678))
    assert to_json(lease)["spec"] == {"renewTime": "2026-01-02T03:04:05.012345Z"}


def test_a_time_beyond_all_years_is_still_written() -> None:
    pod = Pod()
    pod.metadata.creationTimestamp.seconds = 10**15
    assert to_json(pod)["metadata"] == {"creationTimestamp": "9999-12-31T23:59:59Z"}


def test_maps_are_written_in_the_order_of_their_keys() -> None:
    pod = Pod()
    pod.metadata.labels.update({"b": "1", "a": "2", "c": "3"})
    assert list(to_json(pod)["metadata"]["labels"]) == ["a", "b", "c"]


@pytest.mark.parametrize("port", [8080, "http"])
def test_a_port_is_a_number_or_a_name(port: int | str) -> None:
    document = {"httpGet": {"port": port}}
    probe, causes = from_json(Probe, document)
    assert causes == []
    assert to_json(probe) == document


def test_a_status_is_written_with_its_causes() -> None:
    status = Status(status="Failure", code=404)
    status.details.causes.add(field="spec", message="no")
    assert to_json(status) == {
        "status": "Failure",
        "details": {"causes": [{"message": "no", "field": "spec"}]},
        "code": 404,
    }


@pytest.mark.parametrize(
    "document",
    [
        container_with(resources={"limits": {"cpu": "1"}}),
        container_with(
            env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            resources={},
        ),
        pod_with(
            volumes=[
                {"name": "v", "emptyDir": {}},
                {"name": "h", "hostPath": {"path": "/", "type": ""}},
            ]
        ),
        pod_with(securityContext={}, tolerations=[{"operator": "Exists", "tolerationSeconds": 0}]),
    ],
)
def test_what_is_read_is_written_again(document: dict[str, Any]) -> None:
    pod, causes = from_json(Pod, document)
    assert causes == []
    again = to_json(pod)
    for container in again["spec"].get("containers", []):
        container.setdefault("resources", {})
    assert again == {**document, "status": {}}


def test_null_means_not_set() -> None:
    pod, causes = from_json(Pod, pod_with(hostNetwork=None, containers=None, securityContext=None))
    assert causes == []
    assert pod.spec.ListFields() == []


def test_an_empty_object_is_set_only_where_that_says_something() -> None:
    document = container_with(resources={}, securityContext={})
    container = from_json(Pod, document)[0].spec.containers[0]
    assert container.HasField("securityContext")
    assert not container.HasField("resources")


@pytest.mark.parametrize(
    ("given", "stored"), [(2, "2"), (0.5, "0.5"), ("100m", "100m"), (1e21, "1e+21")]
)
def test_a_quantity_may_be_a_number(given: Any, stored: str) -> None:
    pod, causes = from_json(Pod, container_with(resources={"limits": {"cpu": given}}))
    assert causes == []
    assert pod.spec.containers[0].resources.limits["cpu"] == stored


def test_an_integer_may_be_written_with_a_point() -> None:
    pod, causes = from_json(Pod, pod_with(terminationGracePeriodSeconds=3.0))
    assert (pod.spec.terminationGracePeriodSeconds, causes) == (3, [])


@pytest.mark.parametrize(
    ("text", "seconds", "nanos"),
    [
        ("2026-01-02T03:04:05Z", 1767323045, 0),
        ("2026-01-02T04:04:05+01:00", 1767323045, 0),
        ("2026-01-02t03:04:05z", 1767323045, 0),
        ("2026-01-02T03:04:05.012345Z", 1767323045, 12_345_000),
        ("2026-01-02T03:04:05.1234567891Z", 1767323045, 123_456_789),
        ("1969-12-31T23:59:59Z", -1, 0),
    ],
)
def test_times_are_read(text: str, seconds: int, nanos: int) -> None:
    lease, causes = from_json(Lease, {"spec": {"renewTime": text}})
    assert causes == []
    assert lease.spec.renewTime == Timestamp(seconds=seconds, nanos=nanos)


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2026-01-02",
        "2026-13-01T00:00:00Z",
        "2026-01-02T03:04:05",
        "2026-02-30T00:00:00Z",
    ],
)
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    assert told({"metadata": {"creationTimestamp": text}}) == [
        f'metadata.creationTimestamp: Invalid value: "{text}": must be a time such as "2026-01-02T03:04:05Z"'
    ]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([], "must be a mapping, not a list"),
        ("pod", 'must be a mapping, not the string "pod"'),
        ({"spec": []}, "spec: must be a mapping, not a list"),
        (
            {"metadata": {"name": 1}},
            'metadata.name: must be a string, not the number 1: put it in quotes: "1"',
        ),
        (
            {"metadata": {"name": True}},
            'metadata.name: must be a string, not the boolean true: put it in quotes: "true"',
        ),
        (
            {"metadata": {"labels": {"a": 1.5}}},
            'metadata.labels[a]: must be a string, not the number 1.5: put it in quotes: "1.5"',
        ),
        (
            {"metadata": {"labels": {1: "a"}}},
            'metadata.labels (the key): must be a string, not the number 1: put it in quotes: "1"',
        ),
        ({"metadata": {"labels": ["a"]}}, "metadata.labels: must be a mapping, not a list"),
        (
            pod_with(containers={"name": "a"}),
            "spec.containers: must be a list, not a mapping: begin each element with '-'",
        ),
        (pod_with(containers=["a"]), 'spec.containers[0]: must be a mapping, not the string "a"'),
        (pod_with(containers=[None]), "spec.containers[0]: must be a mapping, not null"),
        (
            pod_with(hostNetwork="true"),
            'spec.hostNetwork: must be true or false, not the string "true": write it without quotes',
        ),
        (pod_with(hostNetwork=1), "spec.hostNetwork: must be true or false, not the number 1"),
        (
            pod_with(priority="5"),
            'spec.priority: must be an integer, not the string "5": write it without quotes',
        ),
        (pod_with(priority=1.5), "spec.priority: must be an integer, not the number 1.5"),
        (pod_with(priority=True), "spec.priority: must be an integer, not the boolean true"),
        (
            pod_with(priority=2**31),
            "spec.priority: Invalid value: must be between -2147483648 and 2147483647",
        ),
        (
            pod_with(activeDeadlineSeconds=2**63),
            "spec.activeDeadlineSeconds: Invalid value: must be between -9223372036854775808 and 9223372036854775807",
        ),
        (
            container_with(command="sh"),
            'spec.containers[0].command: must be a list, not the string "sh"',
        ),
        (
            container_with(command=["sleep", 5]),
            'spec.containers[0].command[1]: must be a string, not the number 5: put it in quotes: "5"',
        ),
        (
            container_with(resources={"limits": {"cpu": []}}),
            "spec.containers[0].resources.limits[cpu]: must be a string, not a list",
        ),
        (
            container_with(livenessProbe={"httpGet": {"port": 1.5}}),
            "spec.containers[0].livenessProbe.httpGet.port: must be an integer, not the number 1.5",
        ),
        ({"metadata": {"name": "\ud800"}}, "metadata.name: must be valid Unicode text"),
    ],
)
def test_a_wrong_type_is_told_with_its_place_and_the_way_out(document: Any, expected: str) -> None:
    assert told(document) == [expected]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"foo": 1}, "foo: unknown field"),
        ({"Spec": {}}, 'Spec: unknown field; did you mean "spec"?'),
        (
            container_with(imagee="x"),
            'spec.containers[0].imagee: unknown field; did you mean "image"?',
        ),
        (
            container_with(Image="x"),
            'spec.containers[0].Image: unknown field; did you mean "image"?',
        ),
        (
            pod_with(restartpolicy="Never"),
            'spec.restartpolicy: unknown field; did you mean "restartPolicy"?',
        ),
        (pod_with(replicas=3), "spec.replicas: unknown field"),
        (
            container_with(resizePolicy=[]),
            "spec.containers[0].resizePolicy: unknown field: Kubernetes has it, but it is not supported here",
        ),
        (
            pod_with(volumes=[{"name": "v", "persistentVolumeClaim": {}}]),
            "spec.volumes[0].persistentVolumeClaim: unknown field: Kubernetes has it, but it is not supported here",
        ),
        ({3: 4}, "3: unknown field"),
    ],
)
def test_an_unknown_field_is_told_with_the_one_that_was_meant(document: Any, expected: str) -> None:
    _, causes = from_json(Pod, document)
    assert [str(cause) for cause in causes] == [expected]
    assert causes[0].reason == "UnknownField"


def test_what_the_server_writes_for_itself_is_dropped_silently() -> None:
    assert told({"metadata": {"managedFields": [{}], "selfLink": "/x"}}) == []


def test_everything_that_is_wrong_is_told_at_once_and_the_rest_is_read() -> None:
    document = container_with(
        imagee="x", stdin="yes", ports=[{"containerPort": "80"}, {"containerPort": 81}]
    )
    pod, causes = from_json(Pod, document)
    assert [cause.field for cause in causes] == [
        "spec.containers[0].imagee",
        "spec.containers[0].stdin",
        "spec.containers[0].ports[0].containerPort",
    ]
    assert pod.spec.containers[0].ports[1].containerPort == 81


def test_a_path_may_begin_elsewhere() -> None:
    causes = from_json(Pod, {"x": 1}, path="items[2]")[1]
    assert causes[0].field == "items[2].x"


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"apiVersion": "v1", "kind": "Pod"}, "Pod"),
        ({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}, "Lease"),
    ],
)
def test_the_kind_of_a_document_is_found(document: dict[str, Any], kind: str) -> None:
    found, causes = message_for(document)
    assert found is not None
    assert (found.name, causes) == (kind, [])


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            {"apiVersion": "v1", "kind": "Pood"},
            ['kind: no kind "Pood" in version "v1"; did you mean "Pod"?'],
        ),
        (
            {"apiVersion": "v1", "kind": "pod"},
            ['kind: no kind "pod" in version "v1"; did you mean "Pod"?'],
        ),
        (
            {"apiVersion": "v1", "kind": "POD"},
            ['kind: no kind "POD" in version "v1"; did you mean "Pod"?'],
        ),
        (
            {"apiVersion": "v1", "kind": "Lease"},
            [
                'apiVersion: no kind "Lease" in version "v1"; did you mean apiVersion "coordination.k8s.io/v1"?'
            ],
        ),
        ({}, ["apiVersion: Required value: must be set", "kind: Required value: must be set"]),
        ({"apiVersion": "v1", "kind": 5}, ["kind: must be a string"]),
        ([], ["an object must be a mapping with apiVersion, kind and metadata"]),
    ],
)
def test_a_document_of_no_kind_is_told_what_kinds_there_are(
    document: Any, expected: list[str]
) -> None:
    kind, causes = message_for(document)
    assert kind is None
    assert [str(cause) for cause in causes] == expected


def test_a_kind_that_resembles_nothing_gets_the_list_of_kinds() -> None:
    causes = message_for({"apiVersion": "v1", "kind": "Xylophone"})[1]
    assert "there are: Pod, Node, Namespace, Event, Lease" in causes[0].message


def test_a_node_writes_all_its_system_facts() -> None:
    node = Node()
    node.status.nodeInfo.kernelVersion = "6.1"
    written = to_json(node)["status"]["nodeInfo"]
    assert written["kernelVersion"] == "6.1"
    assert written["machineID"] == ""


def test_an_event_that_happened_never_says_null() -> None:
    written = to_json(Event())
    assert written["firstTimestamp"] is None
    assert from_json(Event, written) == (Event(), [])


def test_any_plain_value_is_written_as_it_is() -> None:
    plain = ["a", 1, 1.5, True, None, [1], {"x": "y"}]
    row, causes = from_json(TableRow, {"cells": plain})
    assert causes == []
    assert isinstance(row.cells[0], Value)
    assert to_json(row) == {"cells": plain}
