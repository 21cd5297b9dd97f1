"""Sandboxes, the list of everything, and the hints of what changed.

Docker reports a death (as an event, to those who wait, to those who killed) a moment before its own
list shows it. An inspection waits for that moment, so whatever is known to have died is inspected,
whatever the list says; otherwise the hint would lead to a look too early, and no second hint comes.
"""

import asyncio
import builtins
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

from docker.api.client import APIClient
from docker.errors import APIError
from docker.errors import NotFound as EngineNotFound

from node_agent.runtime import names
from node_agent.runtime.docker import oom, records, specs
from node_agent.runtime.docker.part import Part, create
from node_agent.runtime.errors import (
    ContainerStartError,
    ImageUnavailable,
    RuntimeUnavailable,
)
from node_agent.runtime.interface import ALL_PODS
from node_agent.runtime.model import ContainerStatus, PodRecord, Sandbox, SandboxSpec
from node_agent.runtime.records import group

log = logging.getLogger(__name__)

_EVENTS = ["start", "die", "destroy"]
_RECONNECT = (0.1, 5.0)  # seconds: the first wait, and the longest
_SETTLED = {"running", "exited"}  # states in which an inspection stays true


class DockerPods(Part):
    """The `Pods` part of the runtime."""

    async def list(self) -> builtins.list[PodRecord]:
        return group(await self._engine.call(self._look))

    def _look(self, client: APIClient) -> builtins.list[Sandbox | ContainerStatus]:
        """One call for the list; an inspection only of what is new or has changed its state."""
        known, now = self._seen, {}
        for entry in client.containers(all=True, filters=self._filters()):
            container_id, state = entry["Id"], entry["State"]
            before = known.get(container_id)
            settled = state in _SETTLED and container_id not in self._suspects
            if before is not None and before[0] == state and settled:
                now[container_id] = before
                continue
            try:
                seen = client.inspect_container(container_id)
            except EngineNotFound:
                continue  # removed while we looked
            state = seen["State"]
            if state["ExitCode"] == 137 and not state["OOMKilled"]:
                state["OOMKilled"] = oom.killed(container_id)
            now[container_id] = (state["Status"], records.record(seen))
            if not state["Running"]:
                self._suspects.discard(container_id)
        self._seen = now
        return [record for _, record in now.values()]

    def _filters(self) -> dict[str, Any]:
        return {"label": [f"{key}={value}" for key, value in self._owner.labels().items()]}

    async def changes(self) -> AsyncIterator[str]:
        filters = {**self._filters(), "type": ["container"], "event": _EVENTS}
        pause, longest = _RECONNECT
        while True:
            try:
                query = {"filters": json.dumps(filters)}
                async with self._engine.open("/events", query=query) as reply:
                    yield ALL_PODS  # whatever happened before we listened
                    pause = _RECONNECT[0]
                    async for event in reply.lines():
                        if event["Action"] == "die":
                            self._suspects.add(event["Actor"]["ID"])
                        yield event["Actor"]["Attributes"].get(names.POD_UID, ALL_PODS)
            except RuntimeUnavailable as error:
                log.warning("event stream lost, reconnecting: %s", error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, longest)

    async def create_sandbox(self, spec: SandboxSpec) -> Sandbox:
        name = names.sandbox_name(self._owner.instance, spec.pod_uid, spec.attempt)
        config = specs.sandbox(spec, self._owner, self._pause_image)

        def make(client: APIClient) -> records.Inspection:
            self._files.write(spec)
            seen = _create_or_find(client, name, config)
            if seen["State"]["Status"] != "created":
                return seen
            try:
                client.start(seen["Id"])
            except APIError as error:
                raise ContainerStartError(
                    f"the sandbox of pod {spec.pod_namespace}/{spec.pod_name} "
                    f"cannot start: {error.explanation}"
                ) from error
            return dict(client.inspect_container(seen["Id"]))

        try:
            seen = await self._engine.call(make)
        except ImageUnavailable as error:
            raise ImageUnavailable(
                f'the sandbox image "{self._pause_image}" is not on this node; '
                "build it with `make images`"
            ) from error
        self._pids[seen["Id"]] = seen["State"]["Pid"]
        return records.sandbox(seen)

    async def stop_sandbox(self, sandbox_id: str) -> None:
        self._suspects.add(sandbox_id)
        await self._unless_gone(lambda client: client.kill(sandbox_id))

    async def remove_sandbox(self, sandbox_id: str) -> None:
        def remove(client: APIClient) -> None:
            labels = client.inspect_container(sandbox_id)["Config"]["Labels"]
            client.remove_container(sandbox_id, v=True, force=True)
            self._files.remove(labels[names.POD_UID], int(labels[names.ATTEMPT]))

        await self._unless_gone(remove)
        self._forget(sandbox_id)

    async def netns_path(self, sandbox_id: str) -> str:
        pid = await self._engine.call(lambda client: self._pid(client, sandbox_id))
        return f"/proc/{pid}/ns/net"


def _create_or_find(client: APIClient, name: str, config: dict[str, Any]) -> records.Inspection:
    """Create a container, or inspect the one that has this name already."""
    try:
        return {"Id": create(client, config, name), "State": {"Status": "created"}}
    except APIError as error:
        if error.status_code != 409:
            raise
        return dict(client.inspect_container(name))
