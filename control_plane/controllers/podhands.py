"""How a controller makes and ends its pods: many at once, remembered in a ledger, told in events.

Creations start slowly: one, then two, four, eight, so that a template which the server refuses costs a few refusals
and not five hundred. Whatever was asked for stands in the ledger before the request leaves, because the cache may
show a pod before the reply is here; what the reply then says decides whether the entry stays, goes, or is unsure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from api import clock
from api.client import Client, Write
from api.errors import AlreadyExists, ApiError, Conflict, Internal, NotFound, Timeout, Unavailable
from api.recorder import Recorder
from control_plane.controllers import owners
from control_plane.controllers.ledger import Ledger
from proto.v1.pod_pb2 import Pod

NO_ANSWER = (Unavailable, Timeout, Internal)  # the request may have had its effect


@dataclass(frozen=True)
class Words:
    """What events say of a pod; {pod}, {owner} and {error} are filled in."""

    created: str = "Created pod: {pod}"
    deleted: str = "Deleted pod: {pod}"
    not_created: str = "Error creating: {error}"
    not_deleted: str = "Error deleting: {error}"


@dataclass(frozen=True)
class PodHands:
    client: Client
    recorder: Recorder
    words: Words = Words()

    async def create(self, owner: Any, pods: Sequence[Pod], ledger: Ledger) -> ApiError | None:
        """Each batch is twice as big as the one before, and none follows a failure. What is wrong, if anything is."""
        done, size = 0, 1
        while done < len(pods):
            some = pods[done : done + size]
            ledger.begin_creating((pod.metadata.name for pod in some), clock.now())
            outcomes = await batch(self.client, [Write("create", pod) for pod in some])
            errors = [
                error
                for pod, outcome in zip(some, outcomes, strict=True)
                if (error := await self._created(owner, pod, outcome, ledger))
            ]
            if errors:
                return errors[0]
            done, size = done + len(some), size * 2
        return None

    async def _created(self, owner: Any, pod: Pod, outcome: Any, ledger: Ledger) -> ApiError | None:
        name = pod.metadata.name
        if isinstance(outcome, AlreadyExists):
            ledger.lost(name)  # until we know whose it is
            if await self._is_of(owner, pod):
                ledger.confirm(name)
                return None  # an earlier request did arrive
        if not isinstance(outcome, ApiError):
            self._tell(owner, "SuccessfulCreate", self.words.created, pod)
            return None
        if isinstance(outcome, NO_ANSWER):
            ledger.lost(name)
        else:
            ledger.forget(name)
        if any(cause.reason == "NamespaceTerminating" for cause in outcome.causes):
            return None  # nobody wants the pod any more
        self._tell(owner, "FailedCreate", self.words.not_created, pod, outcome)
        return outcome

    async def _is_of(self, owner: Any, pod: Pod) -> bool:
        meta = pod.metadata
        try:
            found = await self.client.get(Pod, meta.name, meta.namespace)
        except NotFound:
            return False
        return owners.is_managed_by(found, owner)

    async def delete(self, owner: Any, pods: Sequence[Pod], ledger: Ledger) -> ApiError | None:
        """All at once. A pod that is gone, or whose name is another's by now, is what was wanted. What is wrong, if
        anything is."""
        ledger.begin_deleting((pod.metadata.uid for pod in pods), clock.now())
        outcomes = await batch(self.client, [Write("delete", pod) for pod in pods])
        errors = []
        for pod, outcome in zip(pods, outcomes, strict=True):
            if not isinstance(outcome, ApiError):
                self._tell(owner, "SuccessfulDelete", self.words.deleted, pod)
            elif not isinstance(outcome, NotFound | Conflict):
                self._not_deleted(owner, pod, outcome, ledger)
                errors.append(outcome)
        return errors[0] if errors else None

    def _not_deleted(self, owner: Any, pod: Pod, error: ApiError, ledger: Ledger) -> None:
        if isinstance(error, NO_ANSWER):
            ledger.lost(pod.metadata.uid)
        else:
            ledger.forget(pod.metadata.uid)
        self._tell(owner, "FailedDelete", self.words.not_deleted, pod, error)

    def _tell(
        self, owner: Any, reason: str, words: str, pod: Pod, error: ApiError | None = None
    ) -> None:
        names = {"pod": pod.metadata.name, "owner": owner.metadata.name}
        said = words.format(**names, error=error.message if error else "")
        self.recorder.event(owner, "Warning" if error else "Normal", reason, said)


async def batch(client: Client, writes: Sequence[Write[Any]]) -> Sequence[Any]:
    """One outcome for each write; if nobody answers, that is everybody's."""
    if not writes:
        return []
    try:
        return await client.batch(writes)
    except ApiError as error:
        return [error] * len(writes)
