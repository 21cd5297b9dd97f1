"""Writes decisions down: many pods are bound in one call, while the next decisions are being made.

A binding can lose: the pod is gone, is another one by now, or somebody else has bound it. Then the server is asked
how the pod really stands, and that is what counts. The same when it is unclear whether a binding arrived: until the
truth is known the pod keeps its place in the snapshot, or its node might be given away twice.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from api import rpc
from api.client import Client, Write
from api.errors import ApiError, NotFound
from control_plane.scheduler.cluster import Cluster
from control_plane.scheduler.queue import Waiting
from proto.v1.pod_pb2 import Pod

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds between questions to a server that does not answer


class Decision(NamedTuple):
    pod: Waiting
    node: str


class Binder:
    def __init__(
        self,
        client: Client,
        cluster: Cluster,
        *,
        bound: Callable[[Decision], None],
        refused: Callable[[Decision, ApiError], None],
    ) -> None:
        self._client, self._cluster = client, cluster
        self._bound, self._refused = bound, refused

    async def bind(self, decisions: Sequence[Decision]) -> None:
        """Returns when it is known what became of each. Raises nothing."""
        writes: list[Write[Any]] = []
        for pod, node in decisions:
            namespace, _, name = pod.key.rpartition("/")
            writes.append(Write("create", rpc.binding(namespace, name, pod.uid, node)))
        try:
            outcomes = await self._client.batch(writes)
        except ApiError as error:  # it is unclear for all of them
            outcomes = [error] * len(decisions)
        for decision, outcome in zip(decisions, outcomes, strict=True):
            if isinstance(outcome, ApiError):
                await self._settle(decision, outcome)
            else:
                self._bound(decision)

    async def _settle(self, decision: Decision, error: ApiError) -> None:
        """Bring the snapshot in line with what the server says about the pod."""
        pod, cluster = decision.pod, self._cluster
        log.info("bind_failed pod=%s node=%s error=%r", pod.key, decision.node, error.message)
        truth = await self._truth(pod)
        if truth is None or truth.metadata.uid != pod.uid:
            cluster.take_back(pod)
        elif truth.spec.nodeName == decision.node:
            self._bound(decision)  # it did arrive; the snapshot has it where it is
        elif truth.spec.nodeName or truth.metadata.HasField("deletionTimestamp"):
            cluster.take_back(pod)
            cluster.see(truth)
        else:
            self._refused(decision, error)
            cluster.again(pod)

    async def _truth(self, pod: Waiting) -> Pod | None:
        namespace, _, name = pod.key.rpartition("/")
        pause = FIRST_PAUSE
        while True:
            try:
                return await self._client.get(Pod, name, namespace)
            except NotFound:
                return None
            except ApiError as error:
                log.info("pod_unknown pod=%s error=%r", pod.key, error.message)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
