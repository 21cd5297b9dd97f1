"""Nothing the runtime, the server or a crash does leaves a pod half done.

Fail the N-th runtime call, for every N; end the agent after the N-th runtime call and start another, for every N.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from api.client import Client
from api.errors import Unavailable
from node_agent.hollow import run_hollow
from node_agent.runtime.errors import RuntimeUnavailable
from node_agent.runtime.hollow import HollowRuntime
from proto.v1.pod_pb2 import Pod
from tests.agent_world import World, container, eventually, is_ready, pod, simulate

VERBS = (
    "list",
    "create_sandbox",
    "stop_sandbox",
    "remove_sandbox",
    "create_container",
    "start_container",
    "stop_container",
    "remove_container",
    "image_present",
    "pull",
)


class Counted(HollowRuntime):
    """Counts its calls, and before or after the N-th does something."""

    def __init__(self, at: int, deed: Callable[[], None], *, after: bool) -> None:
        super().__init__()
        self.calls = 0
        for verb in VERBS:
            setattr(self, verb, self._counted(getattr(super(), verb), at, deed, after))

    def _counted(self, do: Any, at: int, deed: Callable[[], None], after: bool) -> Any:
        async def call(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            mine = self.calls == at
            if mine and not after:
                deed()
            result = await do(*args, **kwargs)
            if mine and after:
                deed()
            return result

        return call


def fail() -> None:
    raise RuntimeUnavailable("injected")


def life() -> Pod:
    made = pod()
    made.spec.initContainers.append(container("side", restartPolicy="Always"))
    return made


async def one_life(world: World) -> None:
    """A pod comes, is restarted once, and goes; then nothing is left."""
    await world.create(life())
    await world.until(is_ready)
    run = await world.run_of("app")
    world.runtime.become(run.id, state="exited", exit_code=1)
    found = await world.until(lambda p: is_ready(p) and restarts(p) == 1)
    assert found.status.phase == "Running"
    await world.delete()
    await world.gone()
    await eventually(lambda: not world.agents[-1].pods.workers)
    assert not world.runtime._containers
    assert not world.runtime._sandboxes


def restarts(found: Pod) -> int:
    return sum(status.restartCount for status in found.status.containerStatuses)


@pytest.mark.parametrize("after", [False, True], ids=["call lost", "reply lost"])
def test_any_failing_runtime_call_is_healed(after: bool) -> None:
    """For every N: the N-th call fails, and the pod lives and dies as if it had not."""
    counted = Counted(0, fail, after=after)
    simulate(one_life, runtime=lambda name: counted)
    for n in range(1, counted.calls + 1):
        failing = Counted(n, fail, after=after)
        simulate(one_life, runtime=lambda name, failing=failing: failing)  # type: ignore[misc]


def test_an_agent_that_ends_at_any_moment_is_followed_by_one_that_goes_on() -> None:
    """For every N: the agent is cancelled at its N-th runtime call; a new one finishes the work."""
    counted = Counted(0, lambda: None, after=True)
    simulate(one_life, runtime=lambda name: counted)
    for n in range(1, counted.calls + 1):
        _crash_at(n)


def _crash_at(n: int) -> None:
    crashed = asyncio.Event()
    runtime = Counted(n, crashed.set, after=True)

    async def scenario(world: World) -> None:
        async with asyncio.TaskGroup() as tasks:
            replaced = tasks.create_task(_replace(world, crashed))
            await one_life(world)
            replaced.cancel()

    simulate(scenario, runtime=lambda name: runtime)


async def _replace(world: World, crashed: asyncio.Event) -> None:
    await crashed.wait()
    await world.stop_agents()
    await run_hollow(
        world.client,
        ["n0"],
        runtime=world.runtimes.__getitem__,
        started=world.agents.extend,
    )


class Flaky:
    """A client whose every third write is lost on the way there, every fifth on the way back."""

    def __init__(self, client: Client) -> None:
        self._client, self._writes = client, 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return method if name in ("watch", "get", "list") else self._flaky(method)

    def _flaky(self, method: Any) -> Any:
        async def call(*args: Any, **kwargs: Any) -> Any:
            self._writes += 1
            number = self._writes
            if number % 3 == 0:
                raise Unavailable("injected: the request was lost")
            result = await method(*args, **kwargs)
            if number % 5 == 0:
                raise Unavailable("injected: the reply was lost")
            return result

        return call


def test_a_server_that_often_does_not_answer_is_told_in_the_end() -> None:
    """Statuses, the node, its lease and the last deletion are all tried again."""
    simulate(one_life, wrap=lambda client: Flaky(client))


def test_a_hung_call_for_one_pod_does_not_stop_others() -> None:
    """One worker for each pod."""

    class Hanging(HollowRuntime):
        async def pull(self, reference: str, **login: object) -> Any:
            if "stuck" in reference:
                await asyncio.Event().wait()
            return await super().pull(reference)

    async def scenario(world: World) -> None:
        made = pod(name="stuck")
        made.spec.containers[0].image = "registry.test/stuck:1"
        await world.create(made)
        await world.create(pod())
        await world.until(is_ready)

    simulate(scenario, runtime=lambda name: Hanging())
