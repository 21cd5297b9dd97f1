"""What is reported of a pod, from what is wanted and what is found."""

from datetime import timedelta
from typing import Any

import pytest

from node_agent.pods.memory import Ending, Health, Memory, Problem
from node_agent.pods.status import Place, pod_status
from node_agent.pods.view import View
from proto.v1.pod_pb2 import ContainerState, PodCondition, PodStatus
from tests.unit.test_agent_plan import (
    APP,
    INIT,
    LATER,
    NEVER,
    NOW,
    SIDE,
    dead,
    pod,
    run,
    seen,
    shell,
    up,
    wired,
)


def reported(view: View, memory: Memory, before: PodStatus | None = None) -> PodStatus:
    return pod_status(view, memory, before or PodStatus(), NOW, Place("10.1.1.1"))


def word(state: ContainerState) -> str:
    """One word for a container's state."""
    if state.HasField("waiting"):
        return state.waiting.reason
    if state.HasField("terminated"):
        return f"{state.terminated.reason} {state.terminated.exitCode}"
    return "running"


def conditions(status: PodStatus) -> dict[str, tuple[str, str]]:
    return {c.type: (c.status, c.reason) for c in status.conditions}


PULL = Problem("ImagePullBackOff", 'Back-off pulling image "a:1"', NOW, LATER)
TWO = pod(init=(INIT, SIDE))
OVER = wired(ending=Ending(LATER, 30.0), deleted=True)

CASES: dict[str, tuple[View, Memory, str, str]] = {
    "nothing yet": (seen(pod(), shells=()), Memory(), "Pending", "ContainerCreating"),
    "sandbox only": (seen(pod()), wired(), "Pending", "ContainerCreating"),
    "created, not started": (
        seen(pod(), run(state="created")),
        wired(),
        "Pending",
        "ContainerCreating",
    ),
    "initializing": (seen(TWO, run("init")), wired(), "Pending", "PodInitializing"),
    "no image": (seen(pod()), wired(problems={"app": PULL}), "Pending", "ImagePullBackOff"),
    "running": (seen(pod(), run()), wired(health=up("app0")), "Running", "running"),
    "its hook has not ended": (
        seen(pod(), run()),
        wired(hooked={"app0"}),
        "Pending",
        "ContainerCreating",
    ),
    "crashed, restart at once": (seen(pod(), dead(3)), wired(), "Running", "Error 3"),
    "crash loop": (seen(pod(), dead(3, backoff=10)), wired(), "Running", "CrashLoopBackOff"),
    "done": (seen(NEVER, dead(0)), wired(), "Succeeded", "Completed 0"),
    "failed": (seen(NEVER, dead(2)), wired(), "Failed", "Error 2"),
    "init failed": (
        seen(pod("Never", (INIT,)), dead(2, name="init")),
        wired(),
        "Failed",
        "PodInitializing",
    ),
    "deleted, still running": (seen(pod(), run()), OVER, "Running", "running"),
    "deleted, ended": (seen(pod(), dead(143)), OVER, "Failed", "Error 143"),
    "done, but its sidecar still runs": (
        seen(pod("Never", (SIDE,)), dead(0), run("side")),
        wired(health=up("side0")),
        "Running",
        "Completed 0",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_phase_and_state(name: str) -> None:
    """Each row: what is seen, what is remembered, the phase, the state of the main container."""
    view, memory, phase, state = CASES[name]
    status = reported(view, memory)
    assert (status.phase, word(status.containerStatuses[0].state)) == (phase, state)


def test_a_crash_loop_shows_the_last_end() -> None:
    """S#37: the message, the count, the last state."""
    status = reported(seen(pod(), dead(3, attempt=4, backoff=80)), wired())
    one = status.containerStatuses[0]
    assert one.state.waiting.message == (
        "back-off 1m20s restarting failed container=app pod=web_default(u)"
    )
    assert (one.restartCount, one.lastState.terminated.exitCode) == (4, 3)
    assert not one.ready


@pytest.mark.parametrize(
    ("oom", "reason", "shown"),
    [(True, "OOMKilled", "OOMKilled"), (False, "StartError", "ContainerCannotRun")],
)
def test_reasons_of_an_end(oom: bool, reason: str, shown: str) -> None:
    """S#46: in Kubernetes' words."""
    from dataclasses import replace

    ended = replace(dead(137), oom_killed=oom, reason=reason, termination_message="bye")
    status = reported(seen(NEVER, ended), wired())
    terminated = status.containerStatuses[0].state.terminated
    assert (terminated.reason, terminated.message) == (shown, "bye")


def test_conditions_on_the_way_up() -> None:
    """S#34: each condition says why it is not yet true."""
    waiting = conditions(reported(seen(TWO, run("init")), wired()))
    assert waiting["PodReadyToStartContainers"][0] == "True"
    assert waiting["Initialized"] == ("False", "ContainersNotInitialized")
    assert waiting["ContainersReady"] == ("False", "ContainersNotReady")
    unready = wired(health={"app0": Health(started=True, ready=False)})
    assert conditions(reported(seen(pod(), run()), unready))["Ready"] == (
        "False",
        "ContainersNotReady",
    )
    ready = conditions(reported(seen(pod(), run()), wired(health=up("app0"))))
    assert all(ready[kind] == ("True", "") for kind in ("Initialized", "ContainersReady", "Ready"))
    done = conditions(reported(seen(NEVER, dead(0)), wired()))
    assert done["Ready"] == ("False", "PodCompleted")
    assert done["Initialized"] == ("True", "PodCompleted")


def test_a_readiness_gate_is_somebody_elses_word() -> None:
    """S#34: ready only when the gate's condition is True."""
    gated = pod(readinessGates=[{"conditionType": "example.com/lb"}])
    view = seen(gated, run())
    assert conditions(reported(view, wired(health=up("app0"))))["Ready"] == (
        "False",
        "ReadinessGatesNotReady",
    )
    gated.status.conditions.add(type="example.com/lb", status="True")
    assert conditions(reported(view, wired(health=up("app0"))))["Ready"] == ("True", "")


def test_others_conditions_and_old_times_are_kept() -> None:
    """PodScheduled is the scheduler's; what did not change keeps its time."""
    memory, view = wired(health=up("app0")), seen(pod(), run())
    before = reported(view, memory)
    before.conditions.insert(0, PodCondition(type="PodScheduled", status="True"))
    later = pod_status(view, memory, before, NOW + timedelta(hours=1), Place("10.1.1.1"))
    assert later == before


def test_a_terminal_phase_is_never_left() -> None:
    """Not even when nothing is left to show for it."""
    before = PodStatus(phase="Failed", reason="DeadlineExceeded")
    status = reported(seen(pod(), shells=()), OVER, before)
    assert (status.phase, status.reason) == ("Failed", "DeadlineExceeded")


def test_the_end_of_a_removed_container_is_remembered() -> None:
    """The last report before the object goes still tells how it ended."""
    before = reported(seen(NEVER, dead(9)), wired())
    status = reported(seen(NEVER, shells=()), OVER, before)
    assert status.containerStatuses[0].state.terminated.exitCode == 9


def test_addresses() -> None:
    """The pod's own; with hostNetwork the node's."""
    assert reported(seen(pod(), shells=(shell(),)), wired()).podIP == "10.0.0.2"
    host = reported(seen(pod(hostNetwork=True)), wired())
    assert (host.podIP, host.hostIP) == ("10.1.1.1", "10.1.1.1")


def test_quality_of_service_is_told(**_: Any) -> None:
    """S#46."""
    made = pod()
    assert reported(seen(made), wired()).qosClass == "BestEffort"
    made.spec.containers[0].CopyFrom(APP)
    made.spec.containers[0].resources.requests["cpu"] = "1"
    assert reported(seen(made), wired()).qosClass == "Burstable"
    made.spec.containers[0].resources.limits.update({"cpu": "1", "memory": "1Gi"})
    assert reported(seen(made), wired()).qosClass == "Guaranteed"
