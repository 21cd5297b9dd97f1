"""Bringing one container up: image, configuration, creation, start, postStart hook; each with its own way to fail."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Literal

from api import clock
from api.configrefs import of_container, of_pulls
from node_agent.configsource import ConfigSource
from node_agent.pods import backoff, keyring
from node_agent.pods.actions import Start
from node_agent.pods.containerspec import Inside, Run, container_spec
from node_agent.pods.env import Surroundings, environment, skipped
from node_agent.pods.facts import ConfigError, NodeFacts
from node_agent.pods.hooks import run_hook
from node_agent.pods.images import ImageKeeper, ImageProblem, Say
from node_agent.pods.memory import CONFIG_ERROR, Memory, Problem
from node_agent.pods.seams import NO_SERVICES, Events, Services
from node_agent.pods.security import check_non_root
from node_agent.pods.view import View
from node_agent.probes.check import Subject
from node_agent.runtime.errors import (
    ContainerCreateError,
    ContainerStartError,
    ImageUnavailable,
    RuntimeUnavailable,
)
from node_agent.runtime.interface import Runtime
from node_agent.runtime.model import ContainerSpec, RegistryLogin
from node_agent.volumes.errors import VolumeError
from node_agent.volumes.store import Volumes
from proto.v1.config_pb2 import Secret
from proto.v1.pod_pb2 import Container, Pod

CONFIG_PAUSE = 10.0  # seconds until a configuration that was wrong is looked at again
HOOK_GRACE = 2.0  # seconds for a container whose postStart hook failed


@dataclass(frozen=True)
class Starter:
    runtime: Runtime
    volumes: Volumes
    images: ImageKeeper
    events: Events
    node: NodeFacts
    config: ConfigSource
    services: Services = NO_SERVICES

    async def start(self, action: Start, view: View, memory: Memory) -> None:
        """What fails is noted in `memory.problems`. Raises RuntimeFailure when the runtime itself fails."""
        name = action.container.name
        try:
            await self._start(action, view, memory)
        except ImageProblem as error:
            memory.problems[name] = _pull_problem(memory.problems.get(name), error)
        except ConfigError as error:
            self._failed(view, memory, name, CONFIG_ERROR, str(error))
        except VolumeError as error:
            text = f'failed to mount volume "{error.volume}": {error}'
            self._failed(view, memory, name, CONFIG_ERROR, text)
        except (ContainerCreateError, ImageUnavailable) as error:
            self._failed(view, memory, name, "CreateContainerError", str(error))
        except ContainerStartError as error:
            self._failed(view, memory, name, "RunContainerError", str(error), pause=0.0)
        else:
            memory.problems.pop(name, None)

    async def _start(self, action: Start, view: View, memory: Memory) -> None:
        container, say = action.container, partial(self._say, view, action.container.name)
        logins = await self._logins(view.pod, container, say)
        image = await self.images.ensure(container, say, logins)
        check_non_root(view.pod, container, image.user)
        spec = await self._spec(action, view, say)
        container_id = await self.runtime.create_container(spec)
        say("Normal", "Created", f"Created container: {container.name}")
        if container.lifecycle.HasField("postStart"):
            memory.hooked.add(container_id)
        try:
            await self.runtime.start_container(container_id)
            say("Normal", "Started", f"Started container {container.name}")
            await self._post_start(action, view, memory, container_id)
        finally:
            memory.hooked.discard(container_id)

    async def _logins(self, pod: Pod, container: Container, say: Say) -> Sequence[RegistryLogin]:
        """With what to log in to the image's registry. A Secret that is missing may not be needed."""
        wanted = of_pulls(pod.spec, pod.metadata.namespace)
        if not wanted:
            return ()
        try:
            found = await self.config.contents(frozenset(wanted))
        except ConfigError:
            found = {}
        missing = [each.name for each in wanted if found.get(each) is None]
        if missing:
            told = f"Unable to retrieve some image pull secrets ({', '.join(missing)}); "
            told += "attempting to pull the image may not succeed."
            say("Warning", "FailedToRetrieveImagePullSecret", told)
        secrets = [secret for each in wanted if isinstance(secret := found.get(each), Secret)]
        return keyring.logins(container.image, secrets)

    async def _spec(self, action: Start, view: View, say: Say) -> ContainerSpec:
        pod, container, sandbox = view.pod, action.container, view.sandbox
        if sandbox is None:
            raise RuntimeUnavailable(f"pod {pod.metadata.name} has no sandbox any more")
        named = of_container(container, pod.metadata.namespace)
        contents = await self.config.contents(named) if named else {}
        links = await self.services.variables(pod)
        around = Surroundings(self.node, sandbox.ip, contents, links)
        env = environment(container, pod, around)
        for source, keys in skipped(container, pod, around):
            told = (
                f"Keys [{', '.join(keys)}] from the EnvFrom {source} were skipped since they are "
            )
            told += "considered invalid environment variable names."
            say("Warning", "InvalidEnvironmentVariableNames", told)
        mounts = await self.volumes.mounts(pod, container, env)
        run = Run(action.attempt, action.next_delay)
        return container_spec(pod, container, run, sandbox, self.node, Inside(env, mounts))

    async def _post_start(
        self, action: Start, view: View, memory: Memory, container_id: str
    ) -> None:
        container = action.container
        if not container.lifecycle.HasField("postStart"):
            return
        sandbox = view.sandbox
        subject = Subject(container, container_id, sandbox.ip if sandbox else "")
        result = await run_hook(container.lifecycle.postStart, subject, self.runtime)
        if not result.ok:
            text = f"PostStartHook failed: {result.message}"
            self._say(view, container.name, "Warning", "FailedPostStartHook", text)
            self._say(view, container.name, "Normal", "Killing", "FailedPostStartHook")
            await self.runtime.stop_container(container_id, grace=HOOK_GRACE)

    def _failed(
        self,
        view: View,
        memory: Memory,
        name: str,
        reason: str,
        message: str,
        *,
        pause: float = CONFIG_PAUSE,
    ) -> None:
        now = clock.now()
        retry = now + timedelta(seconds=pause)
        before = memory.problems.get(name)
        memory.problems[name] = Problem(reason, message, now, retry, pause)
        if before is None or before.message != message:
            self._say(view, name, "Warning", "Failed", f"Error: {message}")

    def _say(
        self,
        view: View,
        name: str,
        type: Literal["Normal", "Warning"],
        reason: str,
        message: str,
    ) -> None:
        self.events.event(view.pod, type, reason, message, field_path=view.field_path(name))


def _pull_problem(before: Problem | None, error: ImageProblem) -> Problem:
    """Pulls are tried again after 10, 20, 40, … 300 seconds."""
    delay = backoff.longer(before.delay if before else 0.0)
    now = clock.now()
    return Problem(error.reason, error.message, now, now + timedelta(seconds=delay), delay)
