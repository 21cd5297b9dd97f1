"""The next step for a pod, for every kind of situation. No clock, no runtime: values in, values out."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from node_agent.pods.actions import (
    Announce,
    EndAll,
    Forget,
    Prepare,
    Refresh,
    Remove,
    Start,
    Stop,
    TakeDown,
)
from node_agent.pods.backoff import restart, spoken
from node_agent.pods.fingerprint import fingerprint
from node_agent.pods.memory import Ending, Failure, Health, Memory, Problem
from node_agent.pods.plan import plan
from node_agent.pods.view import BACKOFF_LABEL, SANDBOX_LABEL, View
from node_agent.runtime.model import ContainerStatus, PodRecord, Sandbox
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.pod_pb2 import Container, Pod, PodSpec

NOW = datetime(2026, 1, 1, tzinfo=UTC)
APP, INIT, SIDE = (
    Container(name="app", image="a:1"),
    Container(name="init", image="i:1"),
    Container(name="side", image="s:1", restartPolicy="Always"),
)
MAKERS = {c.name: c for c in (APP, INIT, SIDE)}


def pod(policy: str = "Always", init: tuple[Container, ...] = (), **spec: Any) -> Pod:
    made = PodSpec(containers=[APP], initContainers=init, restartPolicy=policy, **spec)
    return Pod(metadata=ObjectMeta(name="web", namespace="default", uid="u"), spec=made)


def shell(attempt: int = 0, state: Any = "ready") -> Sandbox:
    return Sandbox("u", "web", "default", attempt, f"s{attempt}", state, NOW, "10.0.0.2")


def run(
    name: str = "app",
    state: Any = "running",
    attempt: int = 0,
    *,
    code: int | None = None,
    ago: float = 0,
    lasted: float = 1,
    backoff: float = 0,
    sandbox: int = 0,
    image: str = "",
) -> ContainerStatus:
    """A run that ended `ago` seconds before NOW, after it had lasted so long."""
    ended = NOW - timedelta(seconds=ago)
    asked = Container(name=name, image=image or MAKERS[name].image)
    return ContainerStatus(
        pod_uid="u",
        name=name,
        attempt=attempt,
        id=f"{name}{attempt}",
        image=asked.image,
        image_id="",
        state=state,
        created_at=ended - timedelta(seconds=lasted),
        started_at=ended - timedelta(seconds=lasted),
        finished_at=ended if state == "exited" else None,
        exit_code=code if state == "exited" else None,
        spec_hash=fingerprint(asked),
        labels={SANDBOX_LABEL: str(sandbox), BACKOFF_LABEL: f"{backoff:g}"},
    )


def dead(code: int = 1, **how: Any) -> ContainerStatus:
    return run(how.pop("name", "app"), "exited", how.pop("attempt", 0), code=code, **how)


def seen(wanted: Pod, *runs: ContainerStatus, shells: tuple[Sandbox, ...] = (shell(),)) -> View:
    return View(wanted, PodRecord("u", shells, runs))


def wired(**fields: Any) -> Memory:
    return Memory(network_ready=True, **fields)


def up(*ids: str) -> dict[str, Health]:
    return {id: Health(started=True, ready=True) for id in ids}


NEVER, FAILURE = pod("Never"), pod("OnFailure")
TWO_STEPS = pod(init=(INIT, SIDE))
LATER = NOW + timedelta(seconds=30)
ENDING = Ending(LATER, 30.0)
SICK = {"app0": Health(started=True, ready=False, failure=Failure("liveness", 7))}
PULL = Problem("ErrImagePull", "no", NOW, NOW + timedelta(seconds=10), 10)

CASES: dict[str, tuple[View, Memory, list[object]]] = {
    "a new pod gets a sandbox": (seen(pod(), shells=()), Memory(), [Prepare(0)]),
    "a sandbox that was not wired is prepared again": (seen(pod()), Memory(), [Prepare(0)]),
    "a dead sandbox is replaced": (
        seen(pod(), shells=(shell(state="notready"),)),
        wired(),
        [Prepare(1, changed=True)],
    ),
    "what a dead sandbox left running is ended first": (
        seen(pod(), run(), shells=(shell(state="notready"),)),
        wired(),
        [EndAll(30.0)],
    ),
    "the container is started": (seen(pod()), wired(), [Start(APP, 0)]),
    "a container that was created only is started": (
        seen(pod(), run(state="created", backoff=20)),
        wired(),
        [Start(APP, 0, 20.0)],
    ),
    "one that was created for a dead sandbox is made anew": (
        seen(pod(), run(state="created"), shells=(shell(1),)),
        wired(),
        [Start(APP, 1)],
    ),
    "nothing to do while it runs": (seen(pod(), run()), wired(health=up("app0")), []),
    "first restart at once": (seen(pod(), dead()), wired(), [Start(APP, 1, 10.0)]),
    "second restart waits": (
        seen(pod(), dead(attempt=1, ago=9, backoff=10)),
        wired(announced={"app1"}),
        [],
    ),
    "and tells so first": (
        seen(pod(), dead(attempt=1, ago=9, backoff=10)),
        wired(),
        [Announce("app")],
    ),
    "after the wait it is started, with twice the next": (
        seen(pod(), dead(attempt=1, ago=10, backoff=10)),
        wired(),
        [Start(APP, 2, 20.0)],
    ),
    "ten good minutes forgive": (
        seen(pod(), dead(attempt=5, ago=0, lasted=601, backoff=160)),
        wired(),
        [Start(APP, 6, 10.0)],
    ),
    "Always restarts a success too": (seen(pod(), dead(0)), wired(), [Start(APP, 1, 10.0)]),
    "OnFailure leaves a success, and the pod is over": (
        seen(FAILURE, dead(0)),
        wired(),
        [TakeDown()],
    ),
    "Never leaves a failure": (seen(NEVER, dead(1)), wired(), [TakeDown()]),
    "a finished pod rests": (seen(NEVER, dead(1)), wired(taken_down=True), []),
    "a pod that is terminal on the server is not begun again": (
        seen(Pod(metadata=NEVER.metadata, spec=NEVER.spec, status={"phase": "Failed"})),
        wired(),
        [TakeDown()],
    ),
    "an init container first": (seen(TWO_STEPS), wired(), [Start(INIT, 0)]),
    "nothing else while it runs": (seen(TWO_STEPS, run("init")), wired(), []),
    "then the sidecar": (seen(TWO_STEPS, dead(0, name="init")), wired(), [Start(SIDE, 0)]),
    "mains wait until the sidecar is up": (
        seen(TWO_STEPS, dead(0, name="init"), run("side")),
        wired(health={"side0": Health(started=False, ready=True)}),
        [],
    ),
    "then the mains": (
        seen(TWO_STEPS, dead(0, name="init"), run("side")),
        wired(health=up("side0")),
        [Start(APP, 0)],
    ),
    "a failed init container is tried again": (
        seen(TWO_STEPS, dead(1, name="init")),
        wired(),
        [Start(INIT, 1, 10.0)],
    ),
    "a failed init container ends a pod that never restarts": (
        seen(pod("Never", (INIT,)), dead(1, name="init")),
        wired(),
        [TakeDown()],
    ),
    "a sidecar is restarted whatever the policy": (
        seen(pod("Never", (SIDE,)), dead(0, name="side"), run()),
        wired(health=up("app0")),
        [Start(SIDE, 1, 10.0)],
    ),
    "in a new sandbox the init containers run again": (
        seen(pod(init=(INIT,)), dead(0, name="init"), dead(137), shells=(shell(1),)),
        wired(),
        [Start(INIT, 1, 10.0)],
    ),
    "a condemned container is stopped with the probe's grace": (
        seen(pod(), run()),
        wired(health=SICK),
        [Stop("app", "app0", "Container app failed liveness probe, will be restarted", 7)],
    ),
    "also when it will not come back": (
        seen(NEVER, run()),
        wired(health=SICK),
        [Stop("app", "app0", "Container app failed liveness probe", 7)],
    ),
    "a new image stops the old container": (
        seen(pod(), run(image="a:0")),
        wired(health=up("app0")),
        [Stop("app", "app0", "Container app definition changed, will be restarted")],
    ),
    "and starts it again even if it never restarts": (
        seen(NEVER, dead(143, image="a:0")),
        wired(),
        [Start(APP, 1, 10.0)],
    ),
    "a problem is waited out": (
        seen(pod()),
        wired(problems={"app": PULL}),
        [],
    ),
    "ending: everything that runs": (seen(pod(), run()), wired(ending=ENDING), [EndAll(30.0)]),
    "ending: then the sandbox": (seen(pod(), dead()), wired(ending=ENDING), [TakeDown()]),
    "ending and deleted: then all": (
        seen(pod(), dead()),
        wired(ending=ENDING, deleted=True, taken_down=True),
        [Forget()],
    ),
    "ending but not deleted: the dead stay": (
        seen(pod(), dead()),
        wired(ending=ENDING, taken_down=True),
        [],
    ),
    "old runs are removed": (
        seen(pod(), dead(), dead(attempt=1), run(attempt=2)),
        wired(health=up("app2")),
        [Remove("app0")],
    ),
    "volumes follow the pod": (
        seen(pod(), run()),
        wired(health=up("app0"), volumes_stale=True),
        [Refresh()],
    ),
    "after a failed step nothing is done for a while": (
        seen(pod()),
        wired(retry_at=LATER),
        [],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_next_step(name: str) -> None:
    """Each row: what is seen, what is remembered, what is to be done."""
    view, memory, actions = CASES[name]
    assert list(plan(view, memory, NOW).actions) == actions


@pytest.mark.parametrize(
    ("view", "memory", "seconds"),
    [
        (seen(pod(), dead(attempt=1, ago=4, backoff=10)), wired(announced={"app1"}), 6),
        (seen(pod()), wired(problems={"app": PULL}), 1),
        (seen(pod(), shells=()), wired(retry_at=LATER), 30),
    ],
)
def test_when_to_look_again(view: View, memory: Memory, seconds: float) -> None:
    """A plan that waits says until when."""
    assert plan(view, memory, NOW).wake == NOW + timedelta(seconds=seconds)


def test_the_golden_back_off_sequence() -> None:
    """4h: 0, 10, 20, 40, 80, 160, 300, 300."""
    waits, label = [], 0.0
    for _ in range(8):
        rule = restart(dead(backoff=label))
        waits.append(rule.delay)
        label = rule.next_delay
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300]


@pytest.mark.parametrize(
    ("seconds", "words"), [(10, "10s"), (60, "1m0s"), (80, "1m20s"), (300, "5m0s")]
)
def test_durations_are_spoken_as_kubernetes_does(seconds: float, words: str) -> None:
    """For `back-off 1m20s restarting failed container`."""
    assert spoken(seconds) == words
