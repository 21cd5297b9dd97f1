"""Tables read as kubectl prints them (S#18)."""

from datetime import timedelta
from typing import Any

import pytest

from api import clock
from control_plane.apiserver.printers import table
from tests.manifests import MANIFESTS, NOW, created, read, strategy


def ago(seconds: int) -> str:
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def row(kind: str, change: dict[str, Any]) -> list[Any]:
    obj = read(kind, change)
    if not obj.metadata.HasField("creationTimestamp"):
        obj.metadata.creationTimestamp.CopyFrom(clock.timestamp(NOW - timedelta(minutes=5)))
    return list(strategy(kind).row(obj, NOW))


def waiting(reason: str, **fields: Any) -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason}}, **fields}


def running(*, ready: bool = True, **fields: Any) -> dict[str, Any]:
    return {"state": {"running": {}}, "ready": ready, **fields}


def ended(code: int = 0, reason: str = "", signal: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "state": {"terminated": {"exitCode": code, "reason": reason, "signal": signal}},
        **fields,
    }


def restarted(count: int, seconds: int) -> dict[str, Any]:
    return {
        "restartCount": count,
        "lastState": {"terminated": {"exitCode": 1, "finishedAt": ago(seconds)}},
    }


def pod(
    *containers: dict[str, Any],
    init: list[tuple[str, dict[str, Any]]] | None = None,
    phase: str = "Running",
    conditions: list[str] | None = None,
    **status: Any,
) -> dict[str, Any]:
    """A pod whose containers have these states. Init containers are ("" or "Always", state)."""
    inits = init or []
    return {
        "spec": {
            "containers": [
                {"name": f"c{at}", "image": "i"} for at in range(max(len(containers), 1))
            ],
            "initContainers": [
                {"name": f"i{at}", "image": "i", "restartPolicy": policy}
                for at, (policy, _) in enumerate(inits)
            ],
        },
        "status": {
            "phase": phase,
            "containerStatuses": [
                {"name": f"c{at}", **state} for at, state in enumerate(containers)
            ],
            "initContainerStatuses": [
                {"name": f"i{at}", **state} for at, (_, state) in enumerate(inits)
            ],
            "conditions": [{"type": each, "status": "True"} for each in conditions or []],
            **status,
        },
    }


SIDECAR, PLAIN = "Always", ""
STORIES: list[tuple[str, dict[str, Any], tuple[str, str, str]]] = [
    ("nothing known yet", pod(phase="Pending"), ("0/1", "Pending", "0")),
    (
        "being made",
        pod(waiting("ContainerCreating"), phase="Pending"),
        ("0/1", "ContainerCreating", "0"),
    ),
    ("running", pod(running()), ("1/1", "Running", "0")),
    ("running, not ready", pod(running(ready=False)), ("0/1", "Running", "0")),
    ("one of two", pod(running(), running(ready=False)), ("1/2", "Running", "0")),
    ("restarted", pod(running(**restarted(2, 300))), ("1/1", "Running", "2 (5m ago)")),
    ("restarted at an unknown time", pod(running(restartCount=3)), ("1/1", "Running", "3")),
    (
        "the latest of several restarts",
        pod(running(**restarted(1, 600)), running(**restarted(2, 60))),
        ("2/2", "Running", "3 (60s ago)"),
    ),
    (
        "crashing",
        pod(waiting("CrashLoopBackOff", **restarted(5, 30))),
        ("0/1", "CrashLoopBackOff", "5 (30s ago)"),
    ),
    (
        "no image",
        pod(waiting("ImagePullBackOff"), phase="Pending"),
        ("0/1", "ImagePullBackOff", "0"),
    ),
    (
        "the first container has the last word",
        pod(waiting("ErrImagePull"), ended(1, "Error")),
        ("0/2", "ErrImagePull", "0"),
    ),
    ("done", pod(ended(0, "Completed"), phase="Succeeded"), ("0/1", "Completed", "0")),
    ("failed", pod(ended(1, "Error"), phase="Failed"), ("0/1", "Error", "0")),
    ("out of memory", pod(ended(137, "OOMKilled")), ("0/1", "OOMKilled", "0")),
    ("failed without a word", pod(ended(3)), ("0/1", "ExitCode:3", "0")),
    ("ended by a signal", pod(ended(137, signal=9)), ("0/1", "Signal:9", "0")),
    (
        "one done, one ready",
        pod(ended(0, "Completed"), running(), conditions=["Ready"]),
        ("1/2", "Running", "0"),
    ),
    (
        "one done, one at work, not ready",
        pod(ended(0, "Completed"), running()),
        ("1/2", "NotReady", "0"),
    ),
    ("evicted", pod(phase="Failed", reason="Evicted"), ("0/1", "Evicted", "0")),
    (
        "gated",
        {
            "spec": {},
            "status": {
                "phase": "Pending",
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}
                ],
            },
        },
        ("0/1", "SchedulingGated", "0"),
    ),
    (
        "first init container at work",
        pod(
            waiting("PodInitializing"),
            init=[(PLAIN, running(ready=False)), (PLAIN, waiting("PodInitializing"))],
            phase="Pending",
        ),
        ("0/1", "Init:0/2", "0"),
    ),
    (
        "second init container at work",
        pod(
            waiting("PodInitializing"),
            init=[(PLAIN, ended()), (PLAIN, running(ready=False))],
            phase="Pending",
        ),
        ("0/1", "Init:1/2", "0"),
    ),
    (
        "init container crashing",
        pod(init=[(PLAIN, waiting("CrashLoopBackOff", **restarted(3, 120)))], phase="Pending"),
        ("0/1", "Init:CrashLoopBackOff", "3 (2m ago)"),
    ),
    (
        "init container failed",
        pod(init=[(PLAIN, ended(1, "Error"))], phase="Pending"),
        ("0/1", "Init:Error", "0"),
    ),
    (
        "init container failed without a word",
        pod(init=[(PLAIN, ended(2))], phase="Pending"),
        ("0/1", "Init:ExitCode:2", "0"),
    ),
    (
        "init container killed",
        pod(init=[(PLAIN, ended(143, signal=15))], phase="Pending"),
        ("0/1", "Init:Signal:15", "0"),
    ),
    (
        "init containers through",
        pod(waiting("PodInitializing"), init=[(PLAIN, ended())], phase="Pending"),
        ("0/1", "PodInitializing", "0"),
    ),
    (
        "restarts of init containers are forgotten",
        pod(running(), init=[(PLAIN, ended(**restarted(4, 60)))]),
        ("1/1", "Running", "0"),
    ),
    (
        "a sidecar counts",
        pod(running(), init=[(SIDECAR, running(started=True))]),
        ("2/2", "Running", "0"),
    ),
    (
        "a sidecar not ready",
        pod(running(), init=[(SIDECAR, running(ready=False, started=True))]),
        ("1/2", "Running", "0"),
    ),
    (
        "a sidecar starting",
        pod(
            waiting("PodInitializing"),
            init=[(SIDECAR, running(ready=False, started=False))],
            phase="Pending",
        ),
        ("0/2", "Init:0/1", "0"),
    ),
    (
        "restarts of sidecars count",
        pod(running(), init=[(SIDECAR, running(started=True, **restarted(2, 60)))]),
        ("2/2", "Running", "2 (60s ago)"),
    ),
    (
        "a sidecar failing later",
        pod(running(), init=[(SIDECAR, waiting("CrashLoopBackOff"))], conditions=["Initialized"]),
        ("1/2", "Init:CrashLoopBackOff", "0"),
    ),
]


@pytest.mark.parametrize(
    ("change", "told"), [case[1:] for case in STORIES], ids=[case[0] for case in STORIES]
)
def test_a_pod(change: dict[str, Any], told: tuple[str, str, str]) -> None:
    assert tuple(row("Pod", change)[1:4]) == told


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ({"phase": "Running"}, "Terminating"),
        ({"phase": "Pending"}, "Terminating"),
        ({"phase": "Running", "reason": "NodeLost"}, "Unknown"),
        ({"phase": "Failed"}, "Failed"),
        ({"phase": "Succeeded"}, "Succeeded"),
    ],
)
def test_a_pod_that_is_being_deleted(status: dict[str, Any], told: str) -> None:
    assert row("Pod", {"metadata": {"deletionTimestamp": ago(5)}, "status": status})[2] == told


def test_a_wide_pod() -> None:
    change = {
        "spec": {
            "nodeName": "n1",
            "readinessGates": [{"conditionType": "x.y/a"}, {"conditionType": "x.y/b"}],
        },
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.5",
            "nominatedNodeName": "n2",
            "conditions": [
                {"type": "x.y/a", "status": "True"},
                {"type": "x.y/b", "status": "False"},
            ],
        },
    }
    assert row("Pod", change) == ["web", "0/1", "Running", "0", "5m", "10.0.0.5", "n1", "n2", "1/2"]


def test_a_wide_pod_that_is_nowhere() -> None:
    assert row("Pod", {})[5:] == ["<none>"] * 4


def condition(status: str) -> dict[str, Any]:
    return {"status": {"conditions": [{"type": "Ready", "status": status}]}}


@pytest.mark.parametrize(
    ("change", "status", "roles"),
    [
        ({}, "Unknown", "<none>"),
        (condition("True"), "Ready", "<none>"),
        (condition("False"), "NotReady", "<none>"),
        (condition("Unknown"), "NotReady", "<none>"),
        (
            {**condition("True"), "spec": {"unschedulable": True}},
            "Ready,SchedulingDisabled",
            "<none>",
        ),
        (
            {
                "metadata": {
                    "labels": {
                        "node-role.kubernetes.io/worker": "",
                        "node-role.kubernetes.io/control-plane": "",
                    }
                }
            },
            "Unknown",
            "control-plane,worker",
        ),
        ({"metadata": {"labels": {"kubernetes.io/role": "db"}}}, "Unknown", "db"),
    ],
)
def test_a_node(change: dict[str, Any], status: str, roles: str) -> None:
    assert row("Node", change)[:4] == ["n1", status, roles, "5m"]


def test_a_wide_node() -> None:
    change = {
        "status": {
            "addresses": [
                {"type": "Hostname", "address": "n1"},
                {"type": "InternalIP", "address": "10.0.0.1"},
            ],
            "nodeInfo": {
                "kubeletVersion": "v1",
                "osImage": "Debian",
                "kernelVersion": "6.1",
                "containerRuntimeVersion": "docker://20",
            },
        }
    }
    assert row("Node", change)[4:] == ["v1", "10.0.0.1", "<none>", "Debian", "6.1", "docker://20"]
    assert row("Node", {})[4:] == ["", "<none>", "<none>", "<unknown>", "<unknown>", "<unknown>"]


def test_a_namespace_and_a_lease() -> None:
    assert row("Namespace", {"status": {"phase": "Active"}}) == ["shop", "Active", "5m"]
    assert row("Lease", {"spec": {"holderIdentity": "me"}}) == ["n1", "me", "5m"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {
                "type": "Normal",
                "reason": "Started",
                "message": "it runs\n",
                "firstTimestamp": ago(300),
                "lastTimestamp": ago(60),
                "count": 4,
                "source": {"component": "kubelet", "host": "n1"},
                "involvedObject": {"fieldPath": "spec.containers{a}"},
            },
            [
                "60s",
                "Normal",
                "Started",
                "pod/web",
                "spec.containers{a}",
                "kubelet, n1",
                "it runs",
                "5m",
                4,
                "web.1",
            ],
        ),
        (
            {"eventTime": ago(90), "reportingComponent": "default-scheduler"},
            ["90s", "", "", "pod/web", "", "default-scheduler", "", "90s", 1, "web.1"],
        ),
        (
            {"eventTime": ago(90), "series": {"count": 7, "lastObservedTime": ago(10)}},
            ["10s", "", "", "pod/web", "", "", "", "90s", 7, "web.1"],
        ),
        ({"firstTimestamp": ago(30)}, ["30s", "", "", "pod/web", "", "", "", "30s", 1, "web.1"]),
        (
            {"involvedObject": {"name": None}},
            ["<unknown>", "", "", "pod", "", "", "", "<unknown>", 1, "web.1"],
        ),
    ],
)
def test_an_event(change: dict[str, Any], expected: list[Any]) -> None:
    assert row("Event", change) == expected


@pytest.mark.parametrize(
    ("kind", "narrow", "wide"),
    [
        ("Pod", "Name Ready Status Restarts Age", "IP Node Nominated-Node Readiness-Gates"),
        (
            "Node",
            "Name Status Roles Age Version",
            "Internal-IP External-IP OS-Image Kernel-Version Container-Runtime",
        ),
        ("Namespace", "Name Status Age", ""),
        ("Event", "Last-Seen Type Reason Object Message", "Subobject Source First-Seen Count Name"),
        ("Lease", "Name Holder Age", ""),
        ("ReplicaSet", "Name Desired Current Ready Age", "Containers Images Selector"),
        ("Job", "Name Status Completions Duration Age", "Containers Images Selector"),
        (
            "CronJob",
            "Name Schedule Timezone Suspend Active Last-Schedule Age",
            "Containers Images Selector",
        ),
        ("Deployment", "Name Ready Up-to-date Available Age", "Containers Images Selector"),
        (
            "PodDisruptionBudget",
            "Name Min-Available Max-Unavailable Allowed-Disruptions Age",
            "",
        ),
    ],
)
def test_the_columns_are_kubectl_s(kind: str, narrow: str, wide: str) -> None:
    columns = strategy(kind).columns
    assert [each.name.replace(" ", "-") for each in columns if not each.wide] == narrow.split()
    assert [each.name.replace(" ", "-") for each in columns if each.wide] == wide.split()


@pytest.mark.parametrize("kind", sorted(MANIFESTS))
def test_a_row_has_a_cell_for_every_column(kind: str) -> None:
    assert len(strategy(kind).row(created(kind), NOW)) == len(strategy(kind).columns)


def test_a_table_carries_columns_and_rows() -> None:
    made = table.table(strategy("Event"), [created("Event"), created("Event")], NOW)
    assert len(made.rows) == 2
    assert [column.name for column in made.columnDefinitions][:2] == ["Last Seen", "Type"]
    assert [column.priority for column in made.columnDefinitions] == [0, 0, 0, 0, 1, 1, 0, 1, 1, 1]
    assert made.rows[0].cells[0].string_value == "<unknown>"
    assert made.rows[0].cells[8].number_value == 1


def test_nothing_is_a_null_cell() -> None:
    assert table.value(None).WhichOneof("kind") == "null_value"
    assert table.value(True).bool_value is True
