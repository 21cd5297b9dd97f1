"""What may be changed in an object that exists, and what its status may say."""

from typing import Any

import pytest

from api.jsonform import from_json
from control_plane.apiserver import metadata
from proto.v1.pod_pb2 import ContainerStatus
from tests.manifests import container, created, read, strategy, updated

FIRST = {"name": "a", "image": "i:1"}


def spec(**fields: Any) -> dict[str, Any]:
    return {"spec": fields}


def required(*expressions: dict[str, Any]) -> dict[str, Any]:
    terms = {"nodeSelectorTerms": [{"matchExpressions": list(expressions)}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


IN_A = {"key": "a", "operator": "In", "values": ["x"]}
HAS_B = {"key": "b", "operator": "Exists"}
GATED = {"schedulingGates": [{"name": "g"}]}
TOLERATES = {"key": "a", "operator": "Exists", "effect": "NoExecute"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {}),
        (
            {},
            {
                "metadata": {
                    "labels": {"a": "b"},
                    "annotations": {"c": "d"},
                    "finalizers": ["x.y/z"],
                }
            },
        ),
        ({}, container(image="i:2")),
        (
            spec(initContainers=[{"name": "i", "image": "1"}]),
            spec(initContainers=[{"name": "i", "image": "2"}]),
        ),
        ({}, spec(activeDeadlineSeconds=5)),
        (spec(activeDeadlineSeconds=9), spec(activeDeadlineSeconds=5)),
        ({}, spec(tolerations=[TOLERATES])),
        (
            spec(tolerations=[TOLERATES]),
            spec(tolerations=[{**TOLERATES, "tolerationSeconds": 5}, {"operator": "Exists"}]),
        ),
        (spec(**GATED), {}),
        (spec(**GATED), spec(**GATED, nodeSelector={"a": "b"})),
        (spec(**GATED, nodeSelector={"a": "b"}), spec(nodeSelector={"a": "b", "c": "d"})),
        (spec(**GATED), spec(**GATED, affinity=required(IN_A))),
        (spec(**GATED, affinity=required(IN_A)), spec(**GATED, affinity=required(IN_A, HAS_B))),
    ],
)
def test_this_may_be_changed_in_a_pod(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert updated("Pod", before, after) == []


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({}, container(command=["x"]), "changed: spec.containers[0].command"),
        ({}, container(env=[{"name": "A"}]), "changed: spec.containers[0].env"),
        ({}, spec(nodeName="n1"), "changed: spec.nodeName"),
        ({}, spec(hostNetwork=True, hostname="h"), "changed: spec.hostNetwork, spec.hostname"),
        ({}, spec(nodeSelector={"a": "b"}), "changed: spec.nodeSelector"),
        ({}, spec(terminationGracePeriodSeconds=5), "changed: spec.terminationGracePeriodSeconds"),
        ({}, container(securityContext={}), "changed: spec.containers[0].securityContext"),
        (
            {},
            container(resources={"limits": {"cpu": "1"}}),
            "changed: spec.containers[0].resources.limits, spec.containers[0].resources.requests",
        ),
        ({}, spec(volumes=[{"name": "v"}]), "changed: spec.volumes"),
        (
            {},
            spec(containers=[FIRST, {"name": "b", "image": "i"}]),
            "spec.containers: Forbidden: pod updates may not add or remove containers",
        ),
        (
            {},
            spec(initContainers=[{"name": "b", "image": "i"}]),
            "spec.initContainers: Forbidden: pod updates may not add or remove",
        ),
        (
            {},
            container(image=" i:1"),
            'spec.containers[0].image: Invalid value: " i:1": must not have leading or trailing',
        ),
        (
            {},
            container(image="", imagePullPolicy="IfNotPresent"),
            "spec.containers[0].image: Required value",
        ),
        (
            spec(activeDeadlineSeconds=5),
            {},
            "spec.activeDeadlineSeconds: Invalid value: must not update from a positive integer to nil",
        ),
        (
            spec(activeDeadlineSeconds=5),
            spec(activeDeadlineSeconds=6),
            "spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value",
        ),
        (
            spec(tolerations=[TOLERATES]),
            {},
            "spec.tolerations: Forbidden: existing toleration can not be modified",
        ),
        (
            spec(tolerations=[TOLERATES]),
            spec(tolerations=[{**TOLERATES, "key": "b"}]),
            "existing toleration can not be modified",
        ),
        (
            {},
            spec(**GATED),
            "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'g'",
        ),
        (
            spec(**GATED, nodeSelector={"a": "b"}),
            spec(**GATED, nodeSelector={"a": "c"}),
            "changed: spec.nodeSelector",
        ),
        (
            spec(**GATED, affinity=required(IN_A)),
            spec(**GATED, affinity=required(HAS_B)),
            "changed: spec.affinity.nodeAffinity",
        ),
        (
            spec(**GATED),
            spec(**GATED, nodeSelector={"a b": "c"}),
            'spec.nodeSelector: Invalid value: "a b"',
        ),
        (
            {},
            {"metadata": {"uid": "other"}},
            'metadata.uid: Invalid value: "other": field is immutable',
        ),
        (
            {},
            {"metadata": {"name": "other"}},
            'metadata.name: Invalid value: "other": field is immutable',
        ),
        (
            {},
            {"metadata": {"namespace": "other"}},
            'metadata.namespace: Invalid value: "other": field is immutable',
        ),
        (
            {},
            {"metadata": {"creationTimestamp": "2020-01-01T00:00:00Z"}},
            "metadata.creationTimestamp: Invalid value: field is immutable",
        ),
        (
            {},
            {"metadata": {"deletionTimestamp": "2020-01-01T00:00:00Z"}},
            "metadata.deletionTimestamp: Invalid value: field is immutable; may only be changed via deletion",
        ),
        ({}, {"metadata": {"labels": {"a": "-"}}}, 'metadata.labels: Invalid value: "-"'),
    ],
)
def test_this_may_not(before: dict[str, Any], after: dict[str, Any], told: str) -> None:
    said = updated("Pod", before, after)
    assert len(said) == 1
    assert told in said[0]


def test_a_refused_change_says_what_may_be_changed() -> None:
    [said] = updated("Pod", {}, spec(hostname="h"))
    assert said == (
        "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
        "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
        "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative); "
        "changed: spec.hostname"
    )


def test_a_pod_that_is_being_deleted_gets_no_new_finalizers() -> None:
    old, new = created("Pod"), read("Pod", {"metadata": {"finalizers": ["x.y/new"]}})
    old.metadata.deletionTimestamp.seconds = 1
    hooks = strategy("Pod")
    hooks.default(new)
    metadata.prepare_update(new, old)
    hooks.prepare_update(new, old)
    [cause] = hooks.validate_update(new, old)
    assert str(cause) == (
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, "
        'found new finalizers "x.y/new"'
    )


def reported(
    before: dict[str, Any], after: dict[str, Any], change: dict[str, Any] | None = None
) -> list[str]:
    """What is said about a node's report after another one."""
    old, hooks = created("Pod", change), strategy("Pod")
    old.status.MergeFrom(read("Pod", {"status": before}).status)
    new = read("Pod", {"status": after})
    hooks.prepare_status(new, old)
    return [str(cause) for cause in hooks.validate_status(new, old)]


def state(**kind: Any) -> dict[str, Any]:
    return {"containerStatuses": [{"name": "a", "state": kind}]}


ENDED_WELL, ENDED_BADLY = state(terminated={"exitCode": 0}), state(terminated={"exitCode": 1})
RUNS = state(running={})


@pytest.mark.parametrize(
    ("policy", "before", "after", "allowed"),
    [
        ("Always", ENDED_WELL, RUNS, True),
        ("OnFailure", ENDED_WELL, RUNS, True),
        ("Never", ENDED_WELL, RUNS, False),
        ("Never", ENDED_BADLY, RUNS, False),
        ("Never", ENDED_BADLY, ENDED_BADLY, True),
        ("Never", RUNS, ENDED_BADLY, True),
        ("Never", ENDED_BADLY, {}, True),
    ],
)
def test_what_has_ended_for_good_does_not_come_back(
    policy: str, before: Any, after: Any, allowed: bool
) -> None:
    told = "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"
    expected = [] if allowed else [told]
    if policy == "OnFailure":  # a container that succeeded is not run again
        expected = [told]
    assert reported(before, after, spec(restartPolicy=policy)) == expected


def test_with_on_failure_a_failed_container_runs_again() -> None:
    assert reported(ENDED_BADLY, RUNS, spec(restartPolicy="OnFailure")) == []


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ({"phase": "Asleep"}, 'status.phase: Unsupported value: "Asleep"'),
        (
            {"podIPs": [{"ip": "1.2.3"}]},
            'status.podIPs[0].ip: Invalid value: "1.2.3": must be a valid IP',
        ),
        (
            {"qosClass": "Guaranteed"},
            'status.qosClass: Invalid value: "Guaranteed": field is immutable',
        ),
        (
            {"conditions": [{"type": "Ready", "status": "Maybe"}]},
            'status.conditions[0].status: Unsupported value: "Maybe"',
        ),
    ],
)
def test_a_report_that_makes_no_sense_is_refused(status: dict[str, Any], told: str) -> None:
    assert any(each.startswith(told) for each in reported({}, status))


def test_container_statuses_need_names() -> None:
    assert from_json(ContainerStatus, {})[1] == []
    said = reported({}, {"containerStatuses": [{}]})
    assert said == ["status.containerStatuses[0].name: Required value"]


CIDR, OTHER = {"spec": {"podCIDR": "10.0.0.0/24"}}, {"spec": {"podCIDR": "10.0.1.0/24"}}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({}, CIDR, []),
        (CIDR, CIDR, []),
        (
            CIDR,
            OTHER,
            [
                'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'
            ],
        ),
        (
            CIDR,
            {},
            [
                'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'
            ],
        ),
        (
            spec(providerID="a"),
            spec(providerID="b"),
            [
                'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid'
            ],
        ),
        ({}, spec(unschedulable=True, taints=[{"key": "a", "effect": "NoSchedule"}]), []),
    ],
)
def test_changes_of_nodes(before: dict[str, Any], after: dict[str, Any], told: list[str]) -> None:
    assert updated("Node", before, after) == told


@pytest.mark.parametrize("kind", ["Namespace", "Event", "Lease"])
def test_other_kinds_are_judged_anew(kind: str) -> None:
    assert updated(kind, {}, {"metadata": {"labels": {"a": "b"}}}) == []
    [said] = updated(kind, {}, {"metadata": {"labels": {"a": "b c"}}})
    assert said.startswith('metadata.labels: Invalid value: "b c"')
