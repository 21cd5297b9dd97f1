"""How often a node says that it lives, whatever the period."""

import asyncio
from collections import Counter
from itertools import pairwise
from typing import Any, cast

import pytest

from api import clock
from api.client import Client, Write
from api.errors import Unavailable
from node_agent.heartbeat import Heartbeats
from proto.v1.cluster_pb2 import Lease, Node
from tests import fake_time

LONG = 60  # seconds


class Server:
    """Takes leases, and notes when; the first `failing` calls fail."""

    def __init__(self, failing: int = 0) -> None:
        self.failing = failing
        self.seen: list[tuple[float, Lease]] = []

    async def batch(self, writes: list[Write[Any]]) -> list[Any]:
        if self.failing:
            self.failing -= 1
            raise Unavailable("nobody there")
        now = asyncio.get_running_loop().time()
        self.seen += [(now, write.object) for write in writes]
        return [write.object for write in writes]


def beaten(server: Server, nodes: int, period: float) -> Server:
    async def main() -> None:
        them = {f"n{number}": Node for number in range(nodes)}
        beats = Heartbeats(cast(Client, server), them, period=period)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(LONG):
                await beats.run()

    fake_time.run(main())
    return server


@pytest.mark.parametrize("nodes", [1, 3])
@pytest.mark.parametrize("period", [0.5, 1, 7, 10])
def test_each_node_is_heard_once_in_a_period(nodes: int, period: float) -> None:
    seen = beaten(Server(), nodes, period).seen
    heard = Counter(lease.metadata.name for _, lease in seen)
    assert len(heard) == nodes
    assert all(LONG / period - 1 <= count <= LONG / period + 1 for count in heard.values())
    for name in heard:
        moments = [when for when, lease in seen if lease.metadata.name == name]
        gaps = [late - early for early, late in pairwise(moments)]
        assert gaps == pytest.approx([period] * len(gaps))


@pytest.mark.parametrize(("period", "duration"), [(0.5, 2), (0.2, 1), (1, 4), (10, 40)])
def test_the_lease_says_how_long_it_holds(period: float, duration: int) -> None:
    """Four periods, in whole seconds, as a lease has no others."""
    for _, lease in beaten(Server(), 1, period).seen:
        assert lease.spec.leaseDurationSeconds == duration
        assert clock.to_datetime(lease.spec.renewTime) >= fake_time.BEGINNING


def test_a_renewal_that_failed_is_tried_again_before_the_period_is_over() -> None:
    assert beaten(Server(failing=1), 1, 0.5).seen[0][0] == 0.5
    assert beaten(Server(failing=1), 1, 10).seen[0][0] == 1
