"""Metadata of any kind; nodes, namespaces, events and leases; the shapes of strings; the rules of fields."""

from typing import Any

import pytest

from control_plane.apiserver.validation import formats, schema
from proto.v1.meta_pb2 import DeleteOptions, ObjectMeta
from proto.v1.pod_pb2 import Pod
from tests.manifests import complaints, created, strategy

OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "1", "controller": True}


def meta(**fields: Any) -> dict[str, Any]:
    return {"metadata": fields}


@pytest.mark.parametrize(
    ("kind", "change", "told"),
    [
        (
            "Pod",
            meta(name="Web"),
            'metadata.name: Invalid value: "Web": a lowercase RFC 1123 subdomain must',
        ),
        ("Pod", meta(name=None), "metadata.name: Required value: name or generateName is required"),
        (
            "Pod",
            meta(name="a" * 254),
            f'metadata.name: Invalid value: "{"a" * 254}": must be no more than 253 bytes',
        ),
        (
            "Namespace",
            meta(name="a.b"),
            'metadata.name: Invalid value: "a.b": a lowercase RFC 1123 label must',
        ),
        (
            "Pod",
            meta(generateName="W-"),
            'metadata.generateName: Invalid value: "W-": a lowercase RFC 1123 subdomain',
        ),
        ("Pod", meta(namespace=None), "metadata.namespace: Required value"),
        (
            "Pod",
            meta(namespace="a.b"),
            'metadata.namespace: Invalid value: "a.b": a lowercase RFC 1123 label',
        ),
        (
            "Node",
            meta(namespace="default"),
            "metadata.namespace: Forbidden: not allowed on this type",
        ),
        (
            "Pod",
            meta(labels={"a b": "c"}),
            'metadata.labels: Invalid value: "a b": name part must consist',
        ),
        (
            "Pod",
            meta(labels={"a": "x" * 64}),
            f'metadata.labels: Invalid value: "{"x" * 64}": must be no more than 63 bytes',
        ),
        (
            "Pod",
            meta(annotations={"a/b/c": "d"}),
            'metadata.annotations: Invalid value: "a/b/c": a qualified name',
        ),
        (
            "Pod",
            meta(annotations={"a": "x" * 262144}),
            "metadata.annotations: Too long: may not be more than 262144 bytes",
        ),
        (
            "Pod",
            meta(ownerReferences=[{**OWNER, "uid": None}]),
            "metadata.ownerReferences[0].uid: Required value",
        ),
        (
            "Pod",
            meta(ownerReferences=[OWNER, {**OWNER, "name": "s"}]),
            "metadata.ownerReferences: Invalid value: Only one reference can have Controller set to true. "
            'Found "true" in references for ReplicaSet/r and ReplicaSet/s',
        ),
        (
            "Pod",
            meta(ownerReferences=[{**OWNER, "apiVersion": "v1", "kind": "Event"}]),
            "is disallowed from being an owner",
        ),
        (
            "Pod",
            meta(finalizers=["a b"]),
            'metadata.finalizers[0]: Invalid value: "a b": name part',
        ),
        (
            "Pod",
            meta(finalizers=["orphan", "foregroundDeletion"]),
            "finalizer orphan and foregroundDeletion cannot be both set",
        ),
        (
            "Node",
            {"spec": {"podCIDRs": ["10.0.0.0/8", "10.0.0.1"]}},
            'spec.podCIDRs[1]: Invalid value: "10.0.0.1": must be a valid CIDR value',
        ),
        (
            "Node",
            {"spec": {"podCIDR": "10.0.0.0/24", "podCIDRs": ["10.0.1.0/24"]}},
            'spec.podCIDR: Invalid value: "10.0.0.0/24": must be the first of podCIDRs',
        ),
        ("Node", {"spec": {"taints": [{"key": "a"}]}}, "spec.taints[0].effect: Required value"),
        (
            "Node",
            {"spec": {"taints": [{"key": "a", "effect": "noexecute"}]}},
            'did you mean "NoExecute"?',
        ),
        (
            "Node",
            {
                "spec": {
                    "taints": [
                        {"key": "a", "value": str(at), "effect": "NoExecute"} for at in (1, 2)
                    ]
                }
            },
            'spec.taints[1]: Duplicate value: "a:NoExecute": taints must be unique by key and effect pair',
        ),
        (
            "Node",
            {"status": {"addresses": [{"type": "Hostname", "address": "a"}] * 2}},
            'status.addresses[1]: Duplicate value: "Hostname a"',
        ),
        (
            "Node",
            {"status": {"capacity": {"cpu": "x"}, "allocatable": {"cpu": "1"}}},
            'status.capacity[cpu]: Invalid value: "x"',
        ),
        (
            "Namespace",
            {"spec": {"finalizers": ["mine"]}},
            "name is neither a standard finalizer name nor is it fully qualified",
        ),
        (
            "Event",
            {"involvedObject": {"namespace": "other"}},
            'involvedObject.namespace: Invalid value: "other": does not match event.namespace',
        ),
        (
            "Event",
            {"metadata": {"namespace": "shop"}, "involvedObject": {"namespace": None}},
            "does not match event.namespace",
        ),
        (
            "Event",
            {"type": "Bad"},
            'type: Unsupported value: "Bad": supported values: "Normal", "Warning"',
        ),
        (
            "Lease",
            {"spec": {"leaseDurationSeconds": 0}},
            "spec.leaseDurationSeconds: Invalid value: 0: must be greater than or equal to 1",
        ),
        (
            "Lease",
            {"spec": {"leaseTransitions": -1}},
            "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
        ),
    ],
)
def test_this_is_wrong(kind: str, change: dict[str, Any], told: str) -> None:
    said = complaints(kind, change)
    assert len(said) == 1, said
    assert told in said[0]


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("Pod", meta(name=None, generateName="web-")),
        ("Pod", meta(annotations={"Example.com/Key": "anything at all ✓"})),
        ("Pod", meta(ownerReferences=[OWNER, {**OWNER, "name": "s", "controller": False}])),
        ("Pod", meta(finalizers=["foregroundDeletion", "example.com/x"])),
        ("Node", {"status": {"capacity": {"hugepages-2Mi": "0", "pods": "110", "cpu": "2"}}}),
        ("Namespace", {"spec": {"finalizers": ["example.com/x"]}}),
        (
            "Event",
            {
                "metadata": {"namespace": "default"},
                "involvedObject": {"kind": "Node", "name": "n1", "namespace": None},
            },
        ),
        (
            "Event",
            {
                "eventTime": "2026-01-02T03:04:05.000001Z",
                "reportingComponent": "kubelet",
                "reportingInstance": "n1",
                "action": "Start",
                "reason": "Started",
            },
        ),
    ],
)
def test_this_is_fine(kind: str, change: dict[str, Any]) -> None:
    assert complaints(kind, change) == []


def test_an_event_of_the_newer_form_says_who_did_what() -> None:
    said = complaints("Event", {"eventTime": "2026-01-02T03:04:05Z", "message": "x" * 1025})
    assert sorted(each.partition(":")[0] for each in said) == [
        "action",
        "message",
        "reason",
        "reportingComponent",
        "reportingInstance",
    ]


@pytest.mark.parametrize(
    ("phase", "deleting", "fine"),
    [
        ("Active", False, True),
        ("Terminating", True, True),
        ("Terminating", False, False),
        ("Active", True, False),
    ],
)
def test_a_namespace_terminates_when_and_only_when_it_is_deleted(
    phase: str, deleting: bool, fine: bool
) -> None:
    old, new = created("Namespace"), created("Namespace")
    if deleting:
        old.metadata.deletionTimestamp.seconds = 1
    new.status.phase = phase
    assert (list(strategy("Namespace").validate_status(new, old)) == []) is fine


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("dns-label", "a-1", "a.b"),
        ("dns-subdomain", "a.b", "A"),
        ("dns-label-1035", "a1", "1a"),
        ("qualified-name", "a.b/C", "/c"),
        ("label-value", "A_b", "a b"),
        ("port-name", "http-2", "2"),
        ("port-name", "h", "h--2"),
        ("port-name", "h", "-h"),
        ("env-name", "A B", "A=B"),
        ("env-name", "a-b.c", "a\nb"),
        ("absolute-path", "/", "a/b"),
        ("ip", "::1", "1.2.3.4.5"),
        ("ip", "10.0.0.1", "fe80::1%eth0"),
        ("cidr", "10.0.0.0/8", "10.0.0.0"),
        ("cidr", "fd00::/64", "10.0.0.0/33"),
    ],
)
def test_shapes(name: str, good: str, bad: str) -> None:
    assert formats.FORMATS[name](good) == ()
    assert formats.FORMATS[name](bad) != ()


def test_the_rules_of_fields_hold_for_any_message() -> None:
    said = schema.check(DeleteOptions(gracePeriodSeconds=-1, propagationPolicy="Foregroun"))
    assert [str(cause) for cause in said] == [
        "gracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0",
        'propagationPolicy: Unsupported value: "Foregroun": supported values: "Background", "Foreground", "Orphan"; '
        'did you mean "Foreground"?',
    ]


def test_a_path_may_begin_elsewhere() -> None:
    [cause] = schema.check(ObjectMeta(namespace="A"), "items[0].metadata")
    assert cause.field == "items[0].metadata.namespace"


def test_a_time_that_no_calendar_has_is_refused() -> None:
    pod = Pod()
    pod.metadata.deletionTimestamp.seconds = 10**15
    pod.spec.containers.add(name="a", image="i")
    [cause] = schema.check(pod)
    assert (cause.field, cause.message) == (
        "metadata.deletionTimestamp",
        f"Invalid value: {10**15}: must be a time in the years 1 to 9999",
    )


def test_what_is_immutable_is_found_below() -> None:
    old, new = created("Pod"), created("Pod", {"metadata": {"name": "other"}})
    assert [cause.field for cause in schema.check_immutable(new, old)] == ["metadata.name"]
