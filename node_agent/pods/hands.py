"""The doing: each action of a plan, carried out on the runtime, the network, the volumes and the server.

What goes wrong with one container is noted as its `Problem` and does not stop the others; what goes wrong with the
node rises to the worker, which tries the whole step again.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Literal

from api import clock
from api.client import Client, Delete
from api.errors import Conflict, NotFound
from node_agent.configsource import ConfigSource
from node_agent.pods.actions import (
    Action,
    Announce,
    EndAll,
    Forget,
    Prepare,
    Refresh,
    Remove,
    Start,
    Stop,
    TakeDown,
)
from node_agent.pods.containerstatus import pod_words
from node_agent.pods.disk import PodDisk
from node_agent.pods.ending import order, remaining
from node_agent.pods.facts import NodeFacts
from node_agent.pods.hooks import run_hook
from node_agent.pods.images import ImageKeeper
from node_agent.pods.memory import MOUNT_ERROR, Memory, Problem
from node_agent.pods.plan import pod_grace
from node_agent.pods.publisher import StatusPublisher
from node_agent.pods.sandboxspec import host_ports, sandbox_spec
from node_agent.pods.seams import NO_SERVICES, Events, PodNetwork, Routes, Services
from node_agent.pods.starting import Starter
from node_agent.pods.view import View
from node_agent.probes.check import Subject
from node_agent.runtime.errors import RuntimeFailure
from node_agent.runtime.interface import Runtime
from node_agent.runtime.model import Sandbox
from node_agent.volumes.errors import VolumeError
from node_agent.volumes.store import Volumes
from proto.v1.pod_pb2 import Pod

log = logging.getLogger(__name__)
LONGEST_PAUSE = 60.0  # seconds between attempts to make a sandbox


@dataclass(frozen=True)
class Tools:
    """What the agent works with; the same for all pods of the node."""

    client: Client
    runtime: Runtime
    network: PodNetwork
    volumes: Volumes
    images: ImageKeeper
    events: Events
    publisher: StatusPublisher
    disk: PodDisk
    node: NodeFacts
    config: ConfigSource
    routes: Routes
    services: Services = NO_SERVICES


@dataclass
class Case:
    """One pod, while a step is being carried out."""

    view: View
    memory: Memory
    gone: bool = False  # nothing is left of it anywhere


class Hands:
    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._starter = Starter(
            tools.runtime,
            tools.volumes,
            tools.images,
            tools.events,
            tools.node,
            tools.config,
            tools.services,
        )

    async def carry_out(self, action: Action, case: Case) -> None:
        """Raises RuntimeFailure, ApiError: try the step again later."""
        match action:
            case Prepare():
                await self._prepare(action, case)
            case Start():
                await self._starter.start(action, case.view, case.memory)
            case Stop():
                grace = action.grace if action.grace is not None else pod_grace(case.view)
                await self._stop(case, action, float(grace))
            case EndAll():
                await self._end_all(action.grace, case)
            case Refresh():
                await self._refresh(case)
            case Announce():
                self._announce(action.name, case)
            case Remove():
                await self._tools.runtime.remove_container(action.id)
            case TakeDown():
                await self._take_down(case)
            case Forget():
                await self._forget(case)

    def _say(self, pod: Pod, type: Literal["Normal", "Warning"], reason: str, message: str) -> None:
        self._tools.events.event(pod, type, reason, message)

    # The sandbox

    async def _prepare(self, action: Prepare, case: Case) -> None:
        memory, pod = case.memory, case.view.pod
        try:
            if action.changed:
                await self._clear(case)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._set_up(case))
                made = tasks.create_task(self._sandbox(pod, action.attempt))
        except* VolumeError as errors:
            message = "; ".join(self._failed_mount(pod, error) for error in errors.exceptions)
            memory.sandbox_problem = _later(memory.sandbox_problem, MOUNT_ERROR, message)
        except* RuntimeFailure as errors:
            message = "; ".join(str(error) for error in errors.exceptions)
            text = f"Failed to create pod sandbox: {message}"
            self._say(pod, "Warning", "FailedCreatePodSandBox", text)
            memory.sandbox_problem = _later(memory.sandbox_problem, "FailedCreatePodSandBox", text)
        else:
            memory.sandbox_problem, memory.network_ready = None, True
            case.view = _with_sandbox(case.view, made.result())

    async def _set_up(self, case: Case) -> None:
        """What changes from now on makes the volumes stale again."""
        case.memory.volumes_stale = False
        case.memory.renew_at = await self._tools.volumes.set_up(case.view.pod)

    async def _refresh(self, case: Case) -> None:
        """Files that cannot be brought up to date stay as they are; when what is missing comes, it is tried again."""
        try:
            await self._set_up(case)
        except VolumeError as error:
            self._failed_mount(case.view.pod, error)
            case.memory.renew_at = clock.now() + timedelta(seconds=LONGEST_PAUSE)

    def _failed_mount(self, pod: Pod, error: BaseException) -> str:
        volume = error.volume if isinstance(error, VolumeError) else ""
        message = f'MountVolume.SetUp failed for volume "{volume}" : {error}'
        self._say(pod, "Warning", "FailedMount", message)
        return message

    async def _clear(self, case: Case) -> None:
        """Remove what a dead sandbox left, before the next is made."""
        message = "Pod sandbox changed, it will be killed and re-created."
        self._say(case.view.pod, "Normal", "SandboxChanged", message)
        await self._tools.network.detach(case.view.uid)
        for sandbox in case.view.record.sandboxes:
            await self._tools.runtime.remove_sandbox(sandbox.id)

    async def _sandbox(self, pod: Pod, attempt: int) -> Sandbox:
        tools, uid, own = self._tools, pod.metadata.uid, not pod.spec.hostNetwork
        ip = tools.network.reserve(uid) if own else tools.node.ip
        sandbox = await tools.runtime.create_sandbox(sandbox_spec(pod, attempt, ip, tools.node))
        if own:
            netns = partial(tools.runtime.netns_path, sandbox.id)
            await tools.network.attach(uid, netns, host_ports(pod, ip))
        return sandbox

    # The end

    async def _stop(self, case: Case, stop: Stop, grace: float) -> None:
        """End one run: hook, signal, kill."""
        tools, pod = self._tools, case.view.pod
        path = case.view.field_path(stop.name)
        tools.events.event(pod, "Normal", "Killing", stop.message, field_path=path)
        loop = asyncio.get_running_loop()
        began = loop.time()
        container = case.view.container(stop.name)
        if container is not None and container.lifecycle.HasField("preStop") and grace > 0:
            sandbox = case.view.sandbox
            subject = Subject(container, stop.id, sandbox.ip if sandbox else "")
            hook = container.lifecycle.preStop
            result = await run_hook(hook, subject, tools.runtime, timeout=grace)
            if not result.ok:
                message = f"PreStopHook failed: {result.message}"
                tools.events.event(pod, "Warning", "FailedPreStopHook", message, field_path=path)
        left = remaining(grace, loop.time() - began)
        await tools.runtime.stop_container(stop.id, grace=left)

    async def _end_all(self, grace: float, case: Case) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace
        if case.memory.deleted and not case.memory.vanished and grace > 0:
            await self._tools.routes.left(case.view.pod, grace)
        try:
            for group in order(case.view):
                left = max(0.0, deadline - loop.time())
                async with asyncio.TaskGroup() as tasks:
                    for run in group:
                        stop = Stop(run.name, run.id, f"Stopping container {run.name}")
                        tasks.create_task(self._stop(case, stop, left))
        except* RuntimeFailure as errors:
            raise errors.exceptions[0] from errors

    async def _take_down(self, case: Case) -> None:
        tools, uid = self._tools, case.view.uid
        case.memory.network_ready = False
        for sandbox in case.view.record.sandboxes:
            if sandbox.state == "ready":
                await tools.runtime.stop_sandbox(sandbox.id)
        await tools.network.detach(uid)
        await tools.volumes.tear_down(uid)
        case.memory.taken_down = True

    async def _forget(self, case: Case) -> None:
        """The object on the server goes last: as long as it is there, something of the pod may be here."""
        tools, meta = self._tools, case.view.pod.metadata
        for run in case.view.record.containers:
            await tools.runtime.remove_container(run.id)
        for sandbox in case.view.record.sandboxes:
            await tools.runtime.remove_sandbox(sandbox.id)
        if not case.memory.vanished:
            await tools.publisher.settled(meta.uid)
            with suppress(NotFound, Conflict):  # gone already, or another pod by now
                how = Delete(grace=0, uid=meta.uid)
                await tools.client.delete(Pod, meta.name, meta.namespace, how)
        tools.publisher.forget(meta.uid)
        tools.disk.forget(meta.uid)
        case.gone = True

    # Telling

    def _announce(self, name: str, case: Case) -> None:
        view, memory = case.view, case.memory
        path, problem = view.field_path(name), memory.problems.get(name)
        if problem is not None:
            memory.problems[name] = self._announced(problem, name, view)
            return
        run = view.latest(name)
        if run is not None:
            memory.announced.add(run.id)
            message = f"Back-off restarting failed container {name} in pod {pod_words(view)}"
            self._tools.events.event(view.pod, "Warning", "BackOff", message, field_path=path)

    def _announced(self, problem: Problem, name: str, view: View) -> Problem:
        container, path = view.container(name), view.field_path(name)
        if problem.reason != "ErrImagePull" or container is None:
            return replace(problem, announced=True)
        events, message = self._tools.events, f'Back-off pulling image "{container.image}"'
        events.event(view.pod, "Normal", "BackOff", message, field_path=path)
        error = "Error: ImagePullBackOff"
        events.event(view.pod, "Warning", "Failed", error, field_path=path)
        text = f"{message}: ErrImagePull: {problem.message}"
        return replace(problem, reason="ImagePullBackOff", message=text, announced=True)


def _with_sandbox(view: View, sandbox: Sandbox) -> View:
    """The view as the next list will show it."""
    others = tuple(s for s in view.record.sandboxes if s.attempt < sandbox.attempt)
    return View(view.pod, replace(view.record, sandboxes=(*others, sandbox)))


def _later(before: Problem | None, reason: str, message: str) -> Problem:
    """Try again, each time after a longer pause: 1, 2, 4, … 60 seconds."""
    delay = min(before.delay * 2, LONGEST_PAUSE) if before else 1.0
    now = clock.now()
    return Problem(reason, message, now, now + timedelta(seconds=delay), delay)
