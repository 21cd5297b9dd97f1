"""The life of one container: create, start, stop, remove, and what it used.

Start is the path a user waits for: exactly two calls, create and start. Stop does not use the
engine's own stop, which would hold a thread for the whole grace period (twenty pods ending at once
would fill the pool and stop everything else); it waits on a socket of the event loop.
"""

import asyncio
from contextlib import aclosing
from pathlib import Path

from docker.api.client import APIClient
from docker.errors import APIError, ImageNotFound
from docker.errors import NotFound as EngineNotFound

from node_agent.runtime import names
from node_agent.runtime.docker import cgroups, specs
from node_agent.runtime.docker.http import Reply
from node_agent.runtime.docker.part import Part, create
from node_agent.runtime.errors import (
    ContainerCreateError,
    ContainerStartError,
    ImageUnavailable,
    NotFound,
    RuntimeUnavailable,
)
from node_agent.runtime.model import ContainerSpec, Usage

KILL_TIMEOUT = 60.0  # seconds the engine has to report the end of a killed process
_CANNOT_BEGIN = "unable to start container process: "


class DockerContainers(Part):
    """The `Containers` part of the runtime."""

    async def create_container(self, spec: ContainerSpec) -> str:
        uid = spec.sandbox.pod_uid
        name = names.container_name(self._owner.instance, uid, spec.name, spec.attempt)

        def make(client: APIClient) -> str:
            message = self._files.termination_file(spec) if spec.termination_message_path else ""
            config = specs.container(
                spec,
                self._owner,
                extra_mounts=self._files.mounts(spec),
                termination_file=str(message),
            )
            try:
                created = create(client, config, name)
            except APIError as error:
                if error.status_code == 409:
                    return str(client.inspect_container(name)["Id"])
                raise _refusal(client, error, spec) from error
            self._fresh.add(created)
            return created

        return await self._engine.call(make)

    async def start_container(self, container_id: str) -> None:
        def start(client: APIClient) -> None:
            if container_id not in self._fresh:
                state = client.inspect_container(container_id)["State"]
                if state["Status"] != "created" or state["Error"]:
                    return  # runs, ran, or was found unable to
            self._fresh.discard(container_id)
            try:
                client.start(container_id)
            except APIError as error:
                raise _start_error(client, container_id, error) from error

        await self._engine.call(start)

    async def stop_container(
        self, container_id: str, *, grace: float, signal: str | None = None
    ) -> None:
        try:
            async with self._engine.open(
                f"/containers/{container_id}/wait", method="POST"
            ) as waiting:
                # The engine has answered: from here on it tells us of the end.
                self._suspects.add(container_id)
                if grace > 0:
                    await self.kill(container_id, signal or await self._stop_signal(container_id))
                    if await _ended(waiting, grace):
                        return
                await self.kill(container_id)
                if not await _ended(waiting, KILL_TIMEOUT):
                    raise RuntimeUnavailable(
                        f"container {container_id[:12]} was killed, but the engine does not "
                        f"report its end after {KILL_TIMEOUT:.0f} s"
                    )
        except NotFound:
            pass

    async def kill(self, container_id: str, signal: str = "SIGKILL") -> None:
        self._suspects.add(container_id)
        await self._unless_gone(lambda client: client.kill(container_id, signal))

    async def remove_container(self, container_id: str) -> None:
        def remove(client: APIClient) -> None:
            labels = client.inspect_container(container_id)["Config"]["Labels"]
            client.remove_container(container_id, v=True, force=True)
            if labels.get(names.TERMINATION_FILE):
                Path(labels[names.TERMINATION_FILE]).unlink(missing_ok=True)

        await self._unless_gone(remove)
        self._forget(container_id)

    async def stats(self, container_id: str) -> Usage:
        def read(client: APIClient) -> Usage:
            try:
                return cgroups.usage(self._pid(client, container_id))
            except (FileNotFoundError, ProcessLookupError) as error:
                raise NotFound(f"container {container_id[:12]} has just ended") from error

        return await self._engine.call(read)

    async def _stop_signal(self, container_id: str) -> str:
        def ask(client: APIClient) -> str:
            return client.inspect_container(container_id)["Config"].get("StopSignal") or "SIGTERM"

        return await self._engine.call(ask)


async def _ended(waiting: Reply, seconds: float) -> bool:
    """Whether the engine reports the end in time. The rest of the answer is not needed then."""
    try:
        async with asyncio.timeout(seconds):
            async with aclosing(waiting.body()) as body:
                await anext(body, b"")
    except TimeoutError:
        return False
    return True


def _refusal(client: APIClient, error: APIError, spec: ContainerSpec) -> Exception:
    if isinstance(error, ImageNotFound):
        return ImageUnavailable(f'image "{spec.image}" is not on this node')
    try:
        client.inspect_container(spec.sandbox.id)
    except EngineNotFound:
        return NotFound(f"the sandbox of container {spec.name} is gone")
    return ContainerCreateError(f"container {spec.name}: {error.explanation}")


def _start_error(client: APIClient, container_id: str, error: APIError) -> ContainerStartError:
    """Why the process could not begin; the engine keeps the exit code, not its answer."""
    code = client.inspect_container(container_id)["State"]["ExitCode"]
    words = str(error.explanation).rpartition(_CANNOT_BEGIN)[2].removesuffix(": unknown")
    return ContainerStartError(words, exit_code=code if code in (126, 127) else 128)
