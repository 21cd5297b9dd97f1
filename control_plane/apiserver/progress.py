"""How far the nodes' kernels are with leading connections to services: reported by agents, kept in memory, waited for.

A pod that is to end is taken out of the EndpointSlices; it may go when no kernel leads new connections to it any more.
So each agent tells up to which version of the slices its kernel is current, as long as it can, and the agent of the pod
asks for the moment when all are that far. Nothing of it is stored: it is worth something for a second.
docs/adr/0012-leave-before-you-go.md has the choice.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from api.errors import BadRequest, Forbidden, Unavailable
from api.identities import NODE_PREFIX, NODES
from control_plane.apiserver.identity import CALLER, MASTERS
from proto.v1.service_pb2 import RulesReport

SILENCE = (
    12.0  # seconds without a word after which a node is not waited for; agents speak every five
)
LONGEST = 10.0  # seconds that anybody may wait


@dataclass(eq=False)
class _Stream:
    """One node's reports."""

    node: str
    task: asyncio.Task[Any]
    version: int = 0
    heard: float = 0.0  # loop time
    ended: bool = False  # by us


class Progress:
    """Owner of the streams that are open. A node that has come back may have two for a moment; each counts."""

    def __init__(self) -> None:
        self._streams: set[_Stream] = set()
        self._changed = asyncio.Event()

    async def follow(self, reports: AsyncIterator[RulesReport]) -> None:
        """Take a node's reports until they end. Raises BadRequest, Forbidden."""
        stream: _Stream | None = None
        try:
            async for report in reports:
                if stream is None:
                    _check(report.node)
                    stream = self._opened(report.node)
                elif report.node != stream.node:
                    raise BadRequest(f"the reports of node {stream.node} go on as {report.node}")
                stream.heard = asyncio.get_running_loop().time()
                if report.version != stream.version:
                    stream.version = report.version
                    self._tell()
        except asyncio.CancelledError:
            if stream is None or not stream.ended:
                raise
            raise Unavailable("the server is going down", retry_after=1) from None
        finally:
            if stream is not None:
                self._streams.discard(stream)
                self._tell()

    async def wait(self, version: int, timeout: float) -> list[str]:
        """Until all are that far, or for so many seconds; the nodes that are not. Raises Forbidden."""
        _check_node()
        try:
            async with asyncio.timeout(min(timeout, LONGEST)):
                while self._behind(version):
                    await self._changed.wait()
        except TimeoutError:
            pass
        return self._behind(version)

    def end(self) -> None:
        """The server goes: send everybody away, to the next one."""
        for stream in self._streams:
            stream.ended = True
            stream.task.cancel()

    def _opened(self, node: str) -> _Stream:
        _check(node)
        task = asyncio.current_task()
        assert task is not None
        stream = _Stream(node, task)
        self._streams.add(stream)
        return stream

    def _behind(self, version: int) -> list[str]:
        now = asyncio.get_running_loop().time()
        return sorted(
            {
                one.node
                for one in self._streams
                if one.version < version and now - one.heard < SILENCE
            }
        )

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _check(node: str) -> None:
    """A node speaks for itself."""
    caller = CALLER.get()
    if not node:
        raise BadRequest("a report of rules must name its node")
    if caller.name != NODE_PREFIX + node and MASTERS not in caller.groups:
        raise Forbidden(f'"{caller.name}" cannot report the rules of node {node}')


def _check_node() -> None:
    caller = CALLER.get()
    if NODES not in caller.groups and MASTERS not in caller.groups:
        raise Forbidden(f'"{caller.name}" cannot wait for the rules of nodes: only nodes can')
