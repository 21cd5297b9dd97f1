"""From counters to use: what is measured, from when on, and what is left out."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api import measures
from node_agent.metrics.rates import Look, PodReading, Reading, report
from node_agent.runtime.docker import cgroups
from node_agent.runtime.model import Usage
from proto.v1.cluster_pb2 import Node
from proto.v1.pod_pb2 import Pod

START = datetime(2026, 1, 1, tzinfo=UTC)
SECOND, MIB = 1_000_000_000, 1024 * 1024


def reading(cpu: float, *, id: str = "c1", began: float = -100) -> Reading:
    """Seconds of cpu, and when it began, in seconds after START."""
    usage = Usage(round(cpu * SECOND), 3 * MIB, 5 * MIB)
    return Reading(id, usage, START + timedelta(seconds=began))


def look(after: float, containers: Mapping[str, Reading], machine: Usage | None = None) -> Look:
    pod = Pod()
    pod.metadata.name, pod.metadata.namespace = "web", "default"
    pod.metadata.labels["app"] = "web"
    pods = {"u": PodReading(pod, containers)} if containers else {}
    return Look(START + timedelta(seconds=after), machine, pods)


def node() -> Node:
    made = Node()
    made.metadata.name = "n1"
    return made


def test_a_quarter_of_a_core() -> None:
    made = report(node(), look(0, {"app": reading(10)}), look(15, {"app": reading(13.75)}))
    [pod] = made.pods
    assert (pod.metadata.name, pod.metadata.namespace, dict(pod.metadata.labels)) == (
        "web",
        "default",
        {"app": "web"},
    )
    assert dict(pod.containers[0].usage) == {"cpu": "250m", "memory": "3Mi"}
    assert (pod.window, pod.timestamp.seconds) == ("15s", int(START.timestamp()) + 15)
    assert dict(made.machine.usage) == {"cpu": "250m", "memory": "3Mi"}, (
        "nobody measures the machine"
    )


def test_the_machine_is_more_than_its_pods() -> None:
    before = look(0, {"app": reading(0)}, Usage(0, 0, 0))
    after = look(15, {"app": reading(15)}, Usage(30 * SECOND, 100 * MIB, 200 * MIB))
    assert dict(report(node(), before, after).machine.usage) == {"cpu": "2", "memory": "100Mi"}


NEW = [
    (reading(3, began=3), "250m", "12s", "it began in between: from its beginning"),
    (reading(3, began=6), None, "", "nine seconds are too short"),
    (reading(3, began=-1), None, "", "nobody has looked when it began: how much of it is recent?"),
    (replace(reading(3), started_at=None), None, "", "nobody knows when it began"),
]  # fmt: skip


@pytest.mark.parametrize(("now", "cpu", "window", "why"), NEW)
def test_a_container_that_is_seen_for_the_first_time(
    now: Reading, cpu: str | None, window: str, why: str
) -> None:
    made = report(node(), look(0, {}), look(15, {"app": now}))
    assert [pod.containers[0].usage["cpu"] for pod in made.pods] == ([cpu] if cpu else []), why
    assert [pod.window for pod in made.pods] == ([window] if cpu else [])


def test_a_restarted_container_is_another_one() -> None:
    made = report(
        node(), look(0, {"app": reading(50)}), look(15, {"app": reading(1, id="c2", began=5)})
    )
    assert made.pods[0].containers[0].usage["cpu"] == "100m"


def test_a_pod_is_told_as_a_whole_or_not_at_all() -> None:
    before = look(0, {"app": reading(0)})
    after = look(15, {"app": reading(1), "helper": reading(1, id="c2", began=14)})
    assert list(report(node(), before, after).pods) == []


def test_a_counter_that_was_put_back_says_nothing() -> None:
    assert not report(node(), look(0, {"app": reading(9)}), look(15, {"app": reading(1)})).pods


def test_a_clock_that_was_put_back_says_nothing() -> None:
    made = report(node(), look(15, {"app": reading(0)}), look(0, {"app": reading(1)}))
    assert not made.pods
    assert not made.HasField("machine")


@pytest.mark.parametrize(("seconds", "text"), [(15.0321, "15.032s"), (15.0, "15s"), (9.5, "9.5s")])
def test_windows(seconds: float, text: str) -> None:
    assert measures.window(seconds) == text
    assert measures.window_seconds(text) == pytest.approx(seconds, abs=0.001)


def test_the_forms_of_amounts() -> None:
    assert measures.usage(1234567, 2048 * 1024) == {"cpu": "1234567n", "memory": "2Mi"}
    assert measures.usage(0, 2050) == {"cpu": "0", "memory": "2050"}


def test_a_machine_with_version_1(tmp_path: Path) -> None:
    (tmp_path / "cpuacct").mkdir()
    (tmp_path / "cpuacct/cpuacct.usage").write_text("7000\n")
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory/memory.usage_in_bytes").write_text("5000\n")
    (tmp_path / "memory/memory.stat").write_text("cache 1\ntotal_inactive_file 2000\n")
    assert cgroups.of_machine(root=tmp_path) == Usage(7000, 3000, 5000)


def test_a_machine_with_version_2(tmp_path: Path) -> None:
    """Its root has no account of memory."""
    (tmp_path / "cpu.stat").write_text("usage_usec 7\nuser_usec 5\n")
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(
        "MemTotal: 100 kB\nMemFree: 40 kB\nInactive(file): 10 kB\nHugePages_Total: 0\n"
    )
    assert cgroups.of_machine(meminfo=meminfo, root=tmp_path) == Usage(7000, 50 * 1024, 60 * 1024)


def test_this_machine() -> None:
    first = cgroups.of_machine()
    assert 0 < first.memory_working_set_bytes <= first.memory_usage_bytes
    assert cgroups.of_machine().cpu_nanoseconds >= first.cpu_nanoseconds > 0
