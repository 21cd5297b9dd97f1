"""Events against a real server, in fake time."""

import asyncio
from collections.abc import Sequence
from typing import Any

from api.client import Write
from api.errors import ApiError, Forbidden, TooManyRequests, Unavailable
from api.recorder import Recorder, reference
from control_plane.controllers import events as expiry
from control_plane.store.memory import MemoryStore
from proto.v1.cluster_pb2 import Event
from proto.v1.pod_pb2 import Pod
from tests import fake_time
from tests.apiserver import World, pod, serving, until


def run(scenario: Any) -> None:
    async def main() -> None:
        async with asyncio.timeout(10_000), serving(MemoryStore(), grpc=False) as world:
            await scenario(world, await world.client.create(pod()))

    fake_time.run(main())


async def stored(world: World) -> list[Event]:
    return (await world.client.list(Event)).items


def test_an_event_says_what_happened_to_whom() -> None:
    async def scenario(world: World, web: Pod) -> None:
        recorder = Recorder(world.client, "kubelet", "n1")
        recorder.event(web, "Normal", "Pulled", "Image is here", field_path="spec.containers{app}")
        await recorder.flush()
        (event,) = await stored(world)
        assert event.metadata.name.startswith("web.")
        assert event.metadata.namespace == "default"
        assert event.involvedObject == reference(web, "spec.containers{app}")
        assert (event.type, event.reason, event.message) == ("Normal", "Pulled", "Image is here")
        assert (event.source.component, event.source.host) == ("kubelet", "n1")
        assert event.count == 1
        assert event.firstTimestamp.seconds == event.lastTimestamp.seconds > 0

    run(scenario)


def test_repetitions_are_counted_for_ten_minutes() -> None:
    async def scenario(world: World, web: Pod) -> None:
        recorder = Recorder(world.client, "kubelet")
        for _ in range(3):
            recorder.event(web, "Warning", "BackOff", "Back-off restarting")
            await recorder.flush()
            await asyncio.sleep(60)
        recorder.event(web, "Warning", "BackOff", "another message")
        await recorder.flush()
        first, other = sorted(await stored(world), key=lambda event: event.message)
        assert (first.count, other.count) == (3, 1)
        assert first.lastTimestamp.seconds - first.firstTimestamp.seconds == 120
        await asyncio.sleep(3000)
        recorder.event(web, "Warning", "BackOff", "Back-off restarting")
        await recorder.flush()
        assert sorted(event.count for event in await stored(world)) == [1, 1, 3]

    run(scenario)


def test_what_happens_without_end_is_cut_off() -> None:
    """25 at once about one object, then one every five minutes; other objects are not affected."""

    async def scenario(world: World, web: Pod) -> None:
        recorder = Recorder(world.client, "kubelet")
        for number in range(100):
            recorder.event(web, "Normal", "Spam", str(number))
        other = await world.client.create(pod("other"))
        recorder.event(other, "Normal", "Created", "fine")
        await recorder.flush()
        assert len(await stored(world)) == 26
        await asyncio.sleep(601)
        for number in range(100, 200):
            recorder.event(web, "Normal", "Spam", str(number))
        await recorder.flush()
        assert len(await stored(world)) == 28

    run(scenario)


class Away:
    """The server, which at first answers writes with failures: a whole call, or only its first item."""

    def __init__(self, client: Any, failures: list[ApiError], refused: list[ApiError]) -> None:
        self._client, self.failures, self._refused = client, failures, refused

    async def batch(self, writes: Sequence[Write[Any]]) -> Sequence[Any]:
        if self.failures:
            raise self.failures.pop()
        refused = [self._refused.pop()] if self._refused else []
        return [*refused, *await self._client.batch(writes[len(refused) :])]


def test_events_wait_while_the_server_is_away() -> None:
    async def scenario(world: World, web: Pod) -> None:
        client = Away(world.client, [Unavailable("no")] * 5, [TooManyRequests("slower")])
        recorder = Recorder(client, "kubelet")  # type: ignore[arg-type]
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(recorder.run())
            recorder.event(web, "Normal", "Started", "one")
            await asyncio.sleep(0.1)
            recorder.event(web, "Normal", "Started", "one")
            recorder.event(web, "Normal", "Killing", "two")
            await until(lambda: not client.failures)
            await asyncio.sleep(60)
            running.cancel()
        counts = {event.reason: event.count for event in await stored(world)}
        assert counts == {"Started": 2, "Killing": 1}

    run(scenario)


def test_a_refused_event_is_dropped_and_the_next_is_written() -> None:
    async def scenario(world: World, web: Pod) -> None:
        client = Away(world.client, [], [Forbidden("its namespace is going")])
        recorder = Recorder(client, "kubelet")  # type: ignore[arg-type]
        recorder.event(web, "Normal", "Lost", "one")
        recorder.event(web, "Normal", "Kept", "two")
        await recorder.flush()
        assert [event.reason for event in await stored(world)] == ["Kept"]

    run(scenario)


def test_the_last_events_are_written_when_the_program_ends() -> None:
    async def scenario(world: World, web: Pod) -> None:
        recorder = Recorder(world.client, "kubelet")
        running = asyncio.ensure_future(recorder.run())
        await asyncio.sleep(1)
        recorder.event(web, "Normal", "Stopping", "last words")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert [event.reason for event in await stored(world)] == ["Stopping"]

    run(scenario)


def test_recording_never_raises() -> None:
    async def scenario(world: World, web: Pod) -> None:
        recorder = Recorder(world.client, "kubelet")
        recorder.event(object(), "Normal", "Nonsense", "this is no object")
        await recorder.flush()
        assert await stored(world) == []

    run(scenario)


def test_an_event_that_the_server_has_forgotten_is_written_again() -> None:
    async def scenario(world: World, web: Pod) -> None:
        recorder = Recorder(world.client, "kubelet")
        recorder.event(web, "Normal", "Again", "x")
        await recorder.flush()
        (event,) = await stored(world)
        await world.client.delete(Event, event.metadata.name, "default")
        recorder.event(web, "Normal", "Again", "x")
        await recorder.flush()
        assert [event.count for event in await stored(world)] == [2]

    run(scenario)


def test_events_are_forgotten_an_hour_after_they_happened_last() -> None:
    """S#23"""

    async def scenario(world: World, web: Pod) -> None:
        recorder = Recorder(world.client, "kubelet")
        async with asyncio.TaskGroup() as tasks:
            sweeping = tasks.create_task(expiry.run(world.client))
            recorder.event(web, "Normal", "Old", "x")
            await recorder.flush()
            await asyncio.sleep(1800)
            recorder.event(web, "Normal", "Young", "x")
            await recorder.flush()
            await asyncio.sleep(1799)
            assert len(await stored(world)) == 2
            await asyncio.sleep(700)
            assert [event.reason for event in await stored(world)] == ["Young"]
            await asyncio.sleep(1800)
            assert await stored(world) == []
            sweeping.cancel()

    run(scenario)
