"""A runtime that runs nothing: a thousand of these make a big cluster on a laptop.

The agent above it is the real one; only the containers are imagined. A start succeeds, a container
"runs" until it is stopped, told to end (`become`), or its `lifetime` is over. All waiting is the
event loop's, so on a fake-time loop an hour of cluster life takes a moment, the same each time.
A pod costs a few small objects and no task, so a thousand nodes cost what their agents cost.
"""

import asyncio
import builtins
import signal as signals
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from api import clock
from node_agent.runtime import names
from node_agent.runtime.errors import ImageUnavailable, NotFound
from node_agent.runtime.interface import ALL_PODS, Runtime, Stream
from node_agent.runtime.model import (
    Channel,
    ContainerSpec,
    ContainerStatus,
    ExecResult,
    ImageInfo,
    LogLine,
    PodRecord,
    RegistryLogin,
    Sandbox,
    SandboxSpec,
    Usage,
)
from node_agent.runtime.records import group
from node_agent.runtime.references import explain, parse

Lifetime: TypeAlias = Callable[
    [ContainerSpec], float | None
]  # seconds until exit 0; None: for ever


@dataclass(frozen=True)
class Load:
    """What a container is to use."""

    cores: float = 0.0
    memory: int = 0  # bytes


SAID = b"(hollow)\n"  # the whole output of everything that never ran


def _idle(spec: ContainerSpec) -> Load:
    return Load()


def _for_ever(spec: ContainerSpec) -> float | None:
    return None


class HollowRuntime:
    """Implements `Runtime`.

    `images` are on the node at first; `registry` is what a pull finds, None being everything.
    `start_delay` and `stop_delay` are seconds; a stop that takes longer than its grace is a kill.
    `address` gives pods an address when their spec has none. `execute` answers exec. `load` is asked
    whenever somebody measures: a container has used that much since it was measured last.
    """

    def __init__(
        self,
        *,
        images: Collection[str] = (),
        registry: Collection[str] | None = None,
        start_delay: float = 0.0,
        stop_delay: float = 0.0,
        lifetime: Lifetime = _for_ever,
        address: Callable[[str], str] = lambda pod_uid: "",
        execute: Callable[[Sequence[str]], ExecResult] = lambda command: ExecResult(0, SAID),
        load: Callable[[ContainerSpec], Load] = _idle,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self._images = set(images)
        self._registry = registry
        self._delays = (start_delay, stop_delay)
        self._lifetime = lifetime
        self._address = address
        self._execute = execute
        self._load = load
        self._now = now
        self._sandboxes: dict[str, Sandbox] = {}  # by id, which is also the name
        self._containers: dict[str, ContainerStatus] = {}  # by id, which is also the name
        self._specs: dict[str, ContainerSpec] = {}  # the same keys as _containers
        self._spent: dict[str, tuple[int, datetime]] = {}  # nanoseconds of cpu, until when
        self._timers: dict[str, asyncio.TimerHandle] = {}  # running containers with a lifetime
        self._ends: dict[str, asyncio.Event] = {}  # only of containers somebody waits for
        self._listeners: set[asyncio.Queue[str]] = set()

    # For tests and simulations

    def become(self, container_id: str, **changes: Any) -> None:
        """Whatever happens to containers, make it happen to this one: fields of its status."""
        status = replace(self._containers[container_id], **changes)
        if status.state == "exited" and status.finished_at is None:
            status = replace(status, finished_at=self._now())
        self._containers[container_id] = status
        if status.state != "running" and (timer := self._timers.pop(container_id, None)):
            timer.cancel()
        if status.state == "exited" and (end := self._ends.pop(container_id, None)):
            end.set()
        self._hint(status.pod_uid)

    def lose_sandbox(self, sandbox_id: str) -> None:
        """As if somebody had killed it."""
        self._sandboxes[sandbox_id] = replace(self._sandboxes[sandbox_id], state="notready")
        self._hint(self._sandboxes[sandbox_id].pod_uid)

    # Pods

    async def list(self) -> builtins.list[PodRecord]:
        return group([*self._sandboxes.values(), *self._containers.values()])

    async def changes(self) -> AsyncIterator[str]:
        queue: asyncio.Queue[str] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            yield ALL_PODS
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(queue)

    async def create_sandbox(self, spec: SandboxSpec) -> Sandbox:
        name = names.sandbox_name("hollow", spec.pod_uid, spec.attempt)
        if name not in self._sandboxes:
            ip = "" if spec.namespaces.host_network else spec.ip or self._address(spec.pod_uid)
            self._sandboxes[name] = Sandbox(
                pod_uid=spec.pod_uid,
                pod_name=spec.pod_name,
                pod_namespace=spec.pod_namespace,
                attempt=spec.attempt,
                id=name,
                state="ready",
                created_at=self._now(),
                ip=ip or spec.ip,
                namespaces=spec.namespaces,
                cgroup_parent=spec.cgroup_parent,
                labels=spec.labels,
                annotations=spec.annotations,
            )
            self._hint(spec.pod_uid)
        return self._sandboxes[name]

    async def stop_sandbox(self, sandbox_id: str) -> None:
        if sandbox_id in self._sandboxes:
            self.lose_sandbox(sandbox_id)

    async def remove_sandbox(self, sandbox_id: str) -> None:
        if gone := self._sandboxes.pop(sandbox_id, None):
            self._hint(gone.pod_uid)

    async def netns_path(self, sandbox_id: str) -> str:
        shell = self._sandboxes.get(sandbox_id)
        if shell is None or shell.state != "ready":
            raise NotFound(f"sandbox {sandbox_id} is not running")
        return f"hollow:{sandbox_id}"  # a path that opens nothing: nobody is to wire it

    # Containers

    async def create_container(self, spec: ContainerSpec) -> str:
        if spec.image not in self._images:
            raise ImageUnavailable(f'image "{spec.image}" is not on this node')
        shell = self._sandboxes.get(spec.sandbox.id)
        if shell is None:
            raise NotFound(f"the sandbox of container {spec.name} is gone")
        name = names.container_name("hollow", shell.pod_uid, spec.name, spec.attempt)
        if name not in self._containers:
            self._specs[name] = spec
            self._containers[name] = ContainerStatus(
                pod_uid=shell.pod_uid,
                name=spec.name,
                attempt=spec.attempt,
                id=name,
                image=spec.image,
                image_id=f"hollow:{spec.image}",
                state="created",
                created_at=self._now(),
                spec_hash=spec.spec_hash,
                labels=spec.labels,
            )
        return name

    async def start_container(self, container_id: str) -> None:
        self._get(container_id)
        if self._delays[0]:
            await asyncio.sleep(self._delays[0])
        if self._get(container_id).state != "created":
            return
        self.become(container_id, state="running", started_at=self._now())
        seconds = self._lifetime(self._specs[container_id])
        if seconds is not None:
            loop = asyncio.get_running_loop()
            self._timers[container_id] = loop.call_later(seconds, self._exit, container_id, 0)

    async def stop_container(
        self, container_id: str, *, grace: float, signal: str | None = None
    ) -> None:
        if self._delays[1] and self._runs(container_id):
            await asyncio.sleep(min(self._delays[1], grace))
        patient = grace > 0 and self._delays[1] <= grace
        if container_id in self._specs:
            polite = signal or self._specs[container_id].stop_signal or "SIGTERM"
            await self.kill(container_id, polite if patient else "SIGKILL")

    async def kill(self, container_id: str, signal: str = "SIGKILL") -> None:
        if self._runs(container_id):
            self._exit(container_id, 128 + signals.Signals[signal])

    def asked_for(self, container_id: str) -> ContainerSpec:
        """What the container would run as, if it ran."""
        return self._specs[container_id]

    async def remove_container(self, container_id: str) -> None:
        await self.kill(container_id)
        self._specs.pop(container_id, None)
        self._spent.pop(container_id, None)
        if gone := self._containers.pop(container_id, None):
            self._hint(gone.pod_uid)

    async def stats(self, container_id: str) -> Usage:
        self._running(container_id)
        load, now = self._load(self._specs[container_id]), self._now()
        began = self._get(container_id).started_at or now
        spent, since = self._spent.get(container_id, (0, began))
        spent += round(load.cores * (now - since).total_seconds() * 1e9)
        self._spent[container_id] = (spent, now)
        return Usage(spent, load.memory, load.memory)

    # Images

    async def image_present(self, reference: str) -> ImageInfo | None:
        parse(reference)
        return _image(reference) if reference in self._images else None

    async def pull(self, reference: str, *, login: RegistryLogin | None = None) -> ImageInfo:
        parse(reference)
        if self._registry is not None and reference not in self._registry:
            raise ImageUnavailable(explain(reference, "manifest unknown"))
        self._images.add(reference)
        return _image(reference)

    async def list_images(self) -> builtins.list[ImageInfo]:
        return [_image(reference) for reference in sorted(self._images)]

    async def remove_image(self, reference: str) -> None:
        parse(reference)
        self._images.discard(reference)

    # Streams

    async def exec_capture(
        self, container_id: str, command: Sequence[str], *, timeout: float
    ) -> ExecResult:
        self._running(container_id)
        return self._execute(command)

    async def exec_stream(
        self, container_id: str, command: Sequence[str], *, tty: bool = False, stdin: bool = False
    ) -> Stream:
        self._running(container_id)
        result = self._execute(command)
        return HollowStream(result.output, _done(result.exit_code))

    async def attach(self, container_id: str) -> Stream:
        self._running(container_id)
        return HollowStream(b"", lambda: self._exit_code(container_id))

    async def logs(
        self,
        container_id: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: datetime | None = None,
        limit_bytes: int | None = None,
    ) -> AsyncIterator[LogLine]:
        began = self._get(container_id).started_at
        if began is not None and tail != 0 and (since is None or began >= since):
            stamp = began.isoformat(timespec="microseconds").replace("+00:00", "Z")
            yield LogLine("stdout", stamp, SAID if limit_bytes is None else SAID[:limit_bytes])
        if follow:
            await self._end(container_id)

    async def version(self) -> str:
        return "hollow://1"

    async def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    # Within

    def _hint(self, pod_uid: str) -> None:
        for queue in self._listeners:
            queue.put_nowait(pod_uid)

    def _get(self, container_id: str) -> ContainerStatus:
        if container_id not in self._containers:
            raise NotFound(f"no container {container_id}")
        return self._containers[container_id]

    def _runs(self, container_id: str) -> bool:
        status = self._containers.get(container_id)
        return status is not None and status.state == "running"

    def _running(self, container_id: str) -> None:
        if not self._runs(container_id):
            raise NotFound(f"container {container_id} is not running")

    def _exit(self, container_id: str, code: int) -> None:
        reason = "Completed" if code == 0 else "Error"
        self.become(container_id, state="exited", exit_code=code, reason=reason)

    async def _end(self, container_id: str) -> None:
        """Wait until it has ended or is gone."""
        if self._runs(container_id):
            await self._ends.setdefault(container_id, asyncio.Event()).wait()

    async def _exit_code(self, container_id: str) -> int:
        await self._end(container_id)
        return self._get(container_id).exit_code or 0


class HollowStream:
    """A conversation with nobody: it says its output, then waits for the end."""

    def __init__(self, output: bytes, exit_code: Callable[[], Any]) -> None:
        self._output = output
        self._exit_code = exit_code

    async def read(self) -> tuple[Channel, bytes] | None:
        if self._output:
            said, self._output = self._output, b""
            return "stdout", said
        await self._exit_code()
        return None

    async def write(self, data: bytes) -> None:
        """Nobody listens."""

    async def close_stdin(self) -> None:
        """Nobody listens."""

    async def resize(self, width: int, height: int) -> None:
        """Nobody looks."""

    async def exit_code(self) -> int:
        return int(await self._exit_code())

    async def close(self) -> None:
        """Nobody minds."""


def _image(reference: str) -> ImageInfo:
    return ImageInfo(f"hollow:{reference}", (reference,), 0)


def _done(code: int) -> Callable[[], Any]:
    async def exit_code() -> int:
        return code

    return exit_code


if TYPE_CHECKING:
    _keeps_the_contract: type[Runtime] = HollowRuntime
