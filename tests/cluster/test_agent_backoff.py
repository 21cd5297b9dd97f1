"""A container that keeps crashing, on a real agent and fake time."""

import asyncio

from tests.agent_world import World, pod, simulate


def test_first_restart_is_immediate_then_the_waits_double_up_to_five_minutes() -> None:
    """The golden sequence: 0, 10, 20, 40, 80, 160, 300, 300 seconds after the end of each run."""
    waits: list[float] = []

    async def scenario(world: World) -> None:
        await world.create(pod())
        run = await world.run_of("app")
        for attempt in range(1, 9):
            world.runtime.become(run.id, state="exited", exit_code=1, reason="Error")
            ended = asyncio.get_running_loop().time()
            run = await world.run_of("app", attempt)
            waits.append(round(asyncio.get_running_loop().time() - ended))

    simulate(scenario)
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300]
