"""Is the image there, may it be fetched, and what to say about it.

Several pods that want the same image share one pull: it goes on although the pod that began it is deleted.
https://kubernetes.io/docs/concepts/containers/images/#image-pull-policy
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from node_agent.runtime import references
from node_agent.runtime.errors import InvalidImageName, RuntimeFailure
from node_agent.runtime.interface import Images
from node_agent.runtime.model import ImageInfo, RegistryLogin
from node_agent.spawning import spawn
from proto.v1.pod_pb2 import Container

Say = Callable[[Literal["Normal", "Warning"], str, str], None]  # type, reason, message of an event


class ImageProblem(Exception):
    """The container cannot have its image now; `reason` is the waiting state."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


def pull_policy(container: Container) -> str:
    """The container's, or: Always for the tag `latest`, which may change, else IfNotPresent."""
    if container.imagePullPolicy:
        return container.imagePullPolicy
    latest = references.parse(container.image).version == "latest"
    return "Always" if latest else "IfNotPresent"


_Pull = tuple[str, tuple[RegistryLogin, ...]]


@dataclass
class ImageKeeper:
    """The node's images, for all of its pods."""

    runtime: Images
    tasks: asyncio.TaskGroup
    _pulls: dict[_Pull, asyncio.Task[ImageInfo | RuntimeFailure]] = field(default_factory=dict)

    async def ensure(
        self, container: Container, say: Say, logins: Sequence[RegistryLogin] = ()
    ) -> ImageInfo:
        """The image, pulled if the policy says so, with the first login that is accepted.

        Raises ImageProblem, RuntimeFailure.
        """
        image = container.image
        try:
            policy, present = pull_policy(container), await self.runtime.image_present(image)
        except InvalidImageName as error:
            say("Warning", "InspectFailed", f'Failed to apply default image tag "{image}": {error}')
            raise ImageProblem("InvalidImageName", str(error)) from error
        if policy != "Always" and present is not None:
            say("Normal", "Pulled", f'Container image "{image}" already present on machine')
            return present
        if policy == "Never":
            message = f'Container image "{image}" is not present with pull policy of Never'
            say("Warning", "ErrImageNeverPull", message)
            raise ImageProblem("ErrImageNeverPull", message)
        return await self._pull(image, say, tuple(logins))

    async def _pull(self, image: str, say: Say, logins: tuple[RegistryLogin, ...]) -> ImageInfo:
        say("Normal", "Pulling", f'Pulling image "{image}"')
        loop = asyncio.get_running_loop()
        began = loop.time()
        key = (image, logins)  # whoever has no login does not profit from another's
        if key not in self._pulls:
            self._pulls[key] = spawn(self.tasks, self._fetch(image, logins))
        outcome = await asyncio.shield(self._pulls[key])
        if isinstance(outcome, RuntimeFailure):
            say("Warning", "Failed", f'Failed to pull image "{image}": {outcome}')
            say("Warning", "Failed", "Error: ErrImagePull")
            raise ImageProblem("ErrImagePull", str(outcome)) from outcome
        took = f"{loop.time() - began:.3f}s"
        size = f"Image size: {outcome.size_bytes} bytes."
        message = (
            f'Successfully pulled image "{image}" in {took} ({took} including waiting). {size}'
        )
        say("Normal", "Pulled", message)
        return outcome

    async def _fetch(
        self, image: str, logins: tuple[RegistryLogin, ...]
    ) -> ImageInfo | RuntimeFailure:
        outcome: ImageInfo | RuntimeFailure = RuntimeFailure("nothing was tried")
        try:
            for login in logins or (None,):
                try:
                    outcome = await self.runtime.pull(image, login=login)
                    break
                except RuntimeFailure as error:
                    outcome = error
        finally:
            self._pulls.pop((image, logins), None)
        return outcome
