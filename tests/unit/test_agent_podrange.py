"""A node's range: told by a flag or given, remembered, changed; and what its pod network makes of it."""

import asyncio
from collections.abc import Callable, Collection, Coroutine
from pathlib import Path
from typing import Any

import pytest

from api.podranges import CLUSTER, WISH, PodRange
from node_agent.machine import Machine
from node_agent.network.rules import HostPort
from node_agent.nodestatus import NodeDescription, corrected, new_node
from node_agent.podnetwork import NetworkUnavailable, WiredNetwork
from node_agent.podrange import RangeKeeper
from proto.v1.cluster_pb2 import Node

FIRST, SECOND = PodRange("10.9.1.0/24", "10.9.0.0/16"), PodRange("10.9.2.0/24", "10.9.0.0/16")
MACHINE = Machine(cores=1, memory=1, disk=1, address="192.0.2.1")


def node(given: PodRange, name: str = "n1") -> Node:
    made = Node()
    made.metadata.name, made.spec.podCIDR = name, given.pods
    made.metadata.annotations[CLUSTER] = given.cluster
    return made


class Wires:
    """A network that notes what is done to it."""

    def __init__(self, given: PodRange, deeds: list[str]) -> None:
        self._given, self._deeds = given, deeds

    def _note(self, deed: str) -> None:
        self._deeds.append(f"{deed} {self._given.pods}")

    async def ensure(self) -> list[str]:
        self._note("ensure")
        return []

    async def set_host_ports(self, host_ports: Collection[HostPort]) -> None:
        self._note("ports")

    async def attach(self, netns: str, pod_uid: str, address: str) -> None:
        self._note(f"attach {pod_uid} {address}")

    async def detach(self, pod_uid: str) -> None:
        self._note(f"detach {pod_uid}")

    async def garbage_collect(self, keep: Collection[str]) -> list[str]:
        self._note(f"keep {','.join(sorted(keep))}")
        return []

    async def attached(self, pod_uids: Collection[str]) -> set[str]:
        return set(pod_uids)

    async def down(self) -> None:
        self._note("down")


class Bench:
    """A keeper, a network over it, and what was done."""

    def __init__(self, folder: Path, told: PodRange | None = None) -> None:
        self.deeds: list[str] = []
        self.ranges = RangeKeeper(folder, "n1", told)
        self.network = WiredNetwork(lambda given: Wires(given, self.deeds), self.ranges)

    def given(self, given: PodRange) -> None:
        self.ranges.notice(None, node(given))

    async def until(self, *deeds: str) -> None:
        while not all(deed in self.deeds for deed in deeds):  # noqa: ASYNC110 (nobody would set an event)
            await asyncio.sleep(0.005)

    async def attach(self, uid: str) -> None:
        async def netns() -> str:
            return "/proc/1/ns/net"

        await self.network.attach(uid, netns, [])


def play(bench: Bench, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(bench.network.run())
            await story()
            running.cancel()

    asyncio.run(main())


def test_without_a_range_no_pod_can_be_connected_and_the_node_says_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert "no addresses for pods yet" in bench.network.trouble
    with pytest.raises(NetworkUnavailable, match="no addresses for pods yet"):
        bench.network.reserve("a")
    bench.ranges.notice(None, node(FIRST, "another"))
    assert bench.network.trouble
    bench.given(FIRST)
    assert bench.network.trouble == ""


def test_the_network_is_made_when_the_range_is_known(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.network.adopt({"old": "10.9.1.7"}, [])

    async def story() -> None:
        bench.given(FIRST)
        await bench.until("ensure 10.9.1.0/24", "keep old 10.9.1.0/24")
        assert bench.network.reserve("old") == "10.9.1.7", "it had it before the range was known"
        await bench.attach("new")
        assert "attach new 10.9.1.8 10.9.1.0/24" in bench.deeds

    play(bench, story)


def test_a_range_is_remembered_and_asked_for_again(tmp_path: Path) -> None:
    Bench(tmp_path).given(FIRST)
    again = Bench(tmp_path)
    assert (again.ranges.current, again.network.trouble) == (FIRST, "")
    about = NodeDescription("n1", MACHINE, again.ranges.told, last_pod_cidr=again.ranges.last)
    fresh = new_node(about)
    assert (fresh.spec.podCIDR, fresh.metadata.annotations[WISH]) == ("", FIRST.pods)
    deleted = new_node(about, last_pod_cidr=SECOND.pods)
    assert deleted.metadata.annotations[WISH] == SECOND.pods, "what it had last counts"
    known = node(SECOND)
    better = corrected(known, about)
    assert better is None or better.spec.podCIDR == SECOND.pods, (
        "what it was given is not ours to change"
    )


def test_a_range_that_a_flag_names_stays(tmp_path: Path) -> None:
    bench = Bench(tmp_path, FIRST)
    bench.given(SECOND)
    assert (bench.ranges.current, bench.ranges.told, bench.ranges.last) == (FIRST, FIRST.pods, "")
    assert new_node(NodeDescription("n1", MACHINE, bench.ranges.told)).spec.podCIDR == FIRST.pods


def test_what_was_remembered_and_cannot_be_read_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "pod-range.json").write_text("{")
    assert RangeKeeper(tmp_path, "n1").current is None


def test_a_node_moves_to_another_range_when_its_last_pod_is_gone(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    async def story() -> None:
        bench.given(FIRST)
        await bench.attach("a")
        bench.given(SECOND)
        assert bench.network.reserve("b") == "10.9.1.3", (
            "as long as one has an address of the old range"
        )
        await bench.network.detach("a")
        assert not [deed for deed in bench.deeds if deed.startswith("down")]
        await bench.network.detach("b")
        await bench.until("down 10.9.1.0/24", "ensure 10.9.2.0/24")
        await bench.attach("c")
        assert "attach c 10.9.2.2 10.9.2.0/24" in bench.deeds

    play(bench, story)
