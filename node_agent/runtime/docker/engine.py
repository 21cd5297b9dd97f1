"""The way to the engine: short calls on a few threads, long ones on the event loop.

The `docker` package blocks, so its calls run on a pool of our own. The pool is bounded (a node
starting a hundred pods must not open a hundred connections), and each call is bounded in time, so
that an engine that hangs costs the callers an error and never the agent its life. Its errors are
turned into ours here, in one place.
"""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar
from urllib.parse import urlencode

import requests
from docker.api.client import APIClient
from docker.errors import APIError, DockerException, ImageNotFound

from node_agent.runtime.docker import http
from node_agent.runtime.errors import (
    ImageUnavailable,
    NotFound,
    RuntimeFailure,
    RuntimeUnavailable,
)

T = TypeVar("T")

THREADS = 16
CALL_TIMEOUT = 60  # seconds the engine has for one call; starting under load can take ten
QUEUE_TIMEOUT = 90.0  # seconds for a call including its wait for a thread


class Conflict(RuntimeFailure):
    """Already exists, or is in a state that forbids it. Does not leave this package."""


class Engine:
    """One Docker Engine. Nothing connects until the first call."""

    def __init__(self, path: str) -> None:
        self.socket = path  # of the engine
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="docker")
        self._connecting = threading.Lock()
        self._connected: APIClient | None = None  # guarded by _connecting

    async def call(self, do: Callable[[APIClient], T]) -> T:
        """Run a blocking call on a thread. Raises RuntimeFailure or a child of it."""
        running = asyncio.get_running_loop().run_in_executor(self._pool, self._guarded, do)
        try:
            async with asyncio.timeout(QUEUE_TIMEOUT):
                return await running
        except TimeoutError as error:
            raise RuntimeUnavailable(
                f"the container engine at {self.socket} does not answer: "
                f"{THREADS} calls wait for it already"
            ) from error

    @asynccontextmanager
    async def open(
        self,
        path: str,
        *,
        method: str = "GET",
        query: Mapping[str, str] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[http.Reply]:
        """A call of any length, ended when the block is left. Raises as `call` does."""
        reply = await self.converse(path, method=method, query=query, body=body, headers=headers)
        try:
            yield reply
        finally:
            await reply.close()

    async def converse(
        self,
        path: str,
        *,
        method: str = "POST",
        query: Mapping[str, str] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = http.UPGRADE,
    ) -> http.Reply:
        """Begin a two-way conversation; the caller closes it. Raises as `call` does."""
        version = await self.call(lambda client: client.api_version)
        target = f"/v{version}{path}" + (f"?{urlencode(query)}" if query else "")
        reply = await http.request(self.socket, target, method=method, body=body, headers=headers)
        if reply.status < 400:
            return reply
        try:
            raise failure(reply.status, await reply.error())
        finally:
            await reply.close()

    async def close(self) -> None:
        """Let go of the threads and connections. Calls under way come to their end first: whoever tidies up after us
        must find the container that the engine was just making."""
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)
        if self._connected is not None:
            self._connected.close()

    def _guarded(self, do: Callable[[APIClient], T]) -> T:
        try:
            self._knock()
            return do(self._client())
        except ImageNotFound as error:
            raise ImageUnavailable(error.explanation) from error
        except APIError as error:
            raise failure(error.status_code or 500, error.explanation or str(error)) from error
        except (DockerException, requests.RequestException, OSError) as error:
            raise RuntimeUnavailable(
                f"the container engine at {self.socket} does not answer; is it running? ({error})"
            ) from error

    def _knock(self) -> None:
        """Connect and hang up, 20 µs: the package forgets to close a socket it cannot connect."""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(CALL_TIMEOUT)
            probe.connect(self.socket)

    def _client(self) -> APIClient:
        with self._connecting:
            if self._connected is None:
                self._connected = APIClient(
                    base_url=f"unix://{self.socket}",
                    version="auto",
                    timeout=CALL_TIMEOUT,
                    max_pool_size=THREADS,
                )
            return self._connected


def failure(status: int, message: str) -> RuntimeFailure:
    """The error of ours for a status of the engine's."""
    if status == 404:
        return NotFound(message)
    if status in (304, 409):
        return Conflict(message)
    return RuntimeFailure(message)
