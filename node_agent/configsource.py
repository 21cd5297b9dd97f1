"""The ConfigMaps and Secrets that the node's pods name, and no others: one watch for each object, while a pod needs it.

An agent never lists all Secrets, so it needs no right to: it asks for single objects by their names, and only for those
that a pod bound to it names. What was read is in memory only. When the last pod that names an object is gone, its watch
ends and its content is forgotten. An object that says it is immutable is read once and not watched.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from api.client import Client, Selection
from api.configrefs import Content, Reference, of_pod
from api.informer import Informer
from node_agent.pods.facts import ConfigError
from node_agent.spawning import spawn
from proto.v1.pod_pb2 import Pod

log = logging.getLogger(__name__)
PATIENCE = 10.0  # seconds to wait for a server that has not told an object yet

# What is known of each object: None is "it does not exist".
Contents = Mapping[Reference, Content | None]


@dataclass
class _Followed:
    """One object, its watch, and who is told when it changes."""

    informer: Informer[Content]
    task: asyncio.Task[None] | None = None
    changed: dict[str, Callable[[], None]] = field(default_factory=dict)  # by pod uid, or who else


class ConfigSource:
    """Owner of the watches; agents in one process share it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._followed: dict[Reference, _Followed] = {}
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                for each in self._followed.values():
                    self._watch(each)
                await asyncio.get_running_loop().create_future()  # until cancelled
            finally:
                self._tasks = None

    def follow(self, pod: Pod, changed: Callable[[], None]) -> None:
        """Watch what the pod names, until `leave`; `changed` is told of every change. It must not wait."""
        self.need(pod.metadata.uid, of_pod(pod.spec, pod.metadata.namespace), changed)

    def need(
        self, who: str, references: Collection[Reference], changed: Callable[[], None]
    ) -> None:
        """The same for whoever else names objects: these, and no others that they named before."""
        for reference in references:
            if reference not in self._followed:
                self._followed[reference] = self._begin(reference)
            self._followed[reference].changed[who] = changed
        self._forget(who, but=references)

    def leave(self, uid: str) -> None:
        """The pod is gone. What no other pod names is forgotten."""
        self._forget(uid, but=())

    def _forget(self, who: str, but: Collection[Reference]) -> None:
        for reference, each in list(self._followed.items()):
            if reference not in but:
                each.changed.pop(who, None)
            if not each.changed:
                del self._followed[reference]
                if each.task is not None:
                    each.task.cancel()

    async def contents(
        self, references: frozenset[Reference], *, patience: float = PATIENCE
    ) -> Contents:
        """What these objects hold now. Raises ConfigError when the server does not tell within `patience` seconds."""
        followed = {each: self._followed[each] for each in references if each in self._followed}
        try:
            async with asyncio.timeout(patience):
                for each in followed.values():
                    await each.informer.wait_synced()
        except TimeoutError:
            missing = [str(each) for each, it in followed.items() if not it.informer.has_synced]
            raise ConfigError(
                f"failed to sync cache: the server has not told {', '.join(sorted(missing))} yet"
            ) from None
        return {
            each: next(iter(it.informer.objects.values()), None) for each, it in followed.items()
        }

    def _begin(self, reference: Reference) -> _Followed:
        which = Selection(namespace=reference.namespace, fields=f"metadata.name={reference.name}")
        informer: Informer[Content] = Informer(self._client, reference.message, which)
        followed = _Followed(informer)

        def tell(old: Content | None, new: Content | None) -> None:
            if new is not None and new.immutable and followed.task is not None:
                asyncio.get_running_loop().call_soon(followed.task.cancel)
            for changed in list(followed.changed.values()):
                changed()

        informer.add_handler(tell)
        self._watch(followed)
        return followed

    def _watch(self, followed: _Followed) -> None:
        if self._tasks is not None:
            followed.task = spawn(self._tasks, followed.informer.run())
