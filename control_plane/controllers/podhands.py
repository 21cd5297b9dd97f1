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
from api.errors import AlreadyExists, ApiError, Internal, NotFound, Timeout, Unavailable
from api.recorder import Recorder
from control_plane.controllers import owners
from control_plane.controllers.ledger import Ledger
from proto.v1.pod_pb2 import Pod

NO_ANSWER = (Unavailable, Timeout, Internal)  # the request may have had its effect


@dataclass(frozen=True)
class PodHands:
    client: Client
    recorder: Recorder

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
            self.recorder.event(owner, "Normal", "SuccessfulCreate", f"Created pod: {name}")
            return None
        if isinstance(outcome, NO_ANSWER):
            ledger.lost(name)
        else:
            ledger.forget(name)
        if any(cause.reason == "NamespaceTerminating" for cause in outcome.causes):
            return None  # nobody wants the pod any more
        self.recorder.event(owner, "Warning", "FailedCreate", f"Error creating: {outcome.message}")
        return outcome

    async def _is_of(self, owner: Any, pod: Pod) -> bool:
        meta = pod.metadata
        try:
            found = await self.client.get(Pod, meta.name, meta.namespace)
        except NotFound:
            return False
        return owners.is_managed_by(found, owner)

    async def delete(self, owner: Any, pods: Sequence[Pod], ledger: Ledger) -> ApiError | None:
        """All at once. A pod that is gone already is what was wanted. What is wrong, if anything is."""
        ledger.begin_deleting((pod.metadata.uid for pod in pods), clock.now())
        outcomes = await batch(self.client, [Write("delete", pod) for pod in pods])
        errors = []
        for pod, outcome in zip(pods, outcomes, strict=True):
            if not isinstance(outcome, ApiError):
                said = f"Deleted pod: {pod.metadata.name}"
                self.recorder.event(owner, "Normal", "SuccessfulDelete", said)
            elif not isinstance(outcome, NotFound):
                self._not_deleted(owner, pod, outcome, ledger)
                errors.append(outcome)
        return errors[0] if errors else None

    def _not_deleted(self, owner: Any, pod: Pod, error: ApiError, ledger: Ledger) -> None:
        if isinstance(error, NO_ANSWER):
            ledger.lost(pod.metadata.uid)
        else:
            ledger.forget(pod.metadata.uid)
        self.recorder.event(owner, "Warning", "FailedDelete", f"Error deleting: {error.message}")


async def batch(client: Client, writes: Sequence[Write[Any]]) -> Sequence[Any]:
    """One outcome for each write; if nobody answers, that is everybody's."""
    if not writes:
        return []
    try:
        return await client.batch(writes)
    except ApiError as error:
        return [error] * len(writes)
