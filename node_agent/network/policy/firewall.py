"""Keeps the policies' part of the node's table, and tells when a pod may be wired: when its policies are in the kernel.

A thin loop: what changes wakes it, and it says anew all that should be. While the server is away the kernel goes on
with what it knows; when the agent comes back, nothing is touched before everything is known again, pods included.
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from api import policies
from api.client import Client, Selection
from api.errors import ApiError
from api.informer import Informer
from node_agent.network.policy.contents import Subject, contents
from node_agent.network.policy.rules import Port
from node_agent.network.proxy.keeper import TableKeeper
from node_agent.network.proxy.nft import NftRefused
from node_agent.network.proxy.table import Table
from proto.v1.network_pb2 import NetworkPolicy, PeerAddress, PeerSlice
from proto.v1.pod_pb2 import Pod

log = logging.getLogger(__name__)

PRODUCER = "policies"
BREATH = (
    0.02  # seconds between two changes of the kernel; the first after a quiet moment goes at once
)
PAUSE = 2.0  # seconds after the kernel refused


class PolicyFirewall:
    """Owner of the policies' part of the table.

    State: `_pods` are the node's pods as they were seen last, by uid, and `_addresses` those that have, or are about to
    get, a cable. A pod that the server has forgotten stays in both until it is unwired. `_asked` counts what should be
    in the kernel, `_done` how far the kernel is.
    """

    def __init__(
        self,
        client: Client,
        pods: Informer[Pod],
        keeper: TableKeeper,
        name_server: str,
    ) -> None:
        self._client, self._pods_seen, self._keeper = client, pods, keeper
        self._name_servers = (name_server,) if name_server else ()
        self._policies = Informer(client, NetworkPolicy)
        self._peers = Informer(client, PeerSlice)
        self._pods: dict[str, Pod] = {}
        self._addresses: dict[str, str] = {}
        self._adopted, self._known = asyncio.Event(), asyncio.Event()
        self._wake, self._progress = asyncio.Event(), asyncio.Event()
        self._asked = self._done = 0
        self._listen()

    def _listen(self) -> None:
        self._peers.add_index(policies.PEERS, peers_of)
        self._pods_seen.add_handler(self._pod_changed)
        for informer in (self._policies, self._peers):
            informer.add_handler(self._something_changed)

    async def run(self) -> None:
        """Until cancelled; what the kernel was told stays."""
        async with asyncio.TaskGroup() as tasks:
            for informer in (self._policies, self._peers):
                tasks.create_task(informer.run())
            await self._learn()
            while True:
                await self._wake.wait()
                await self._round()
                await asyncio.sleep(BREATH)

    async def _learn(self) -> None:
        """Until it is known what the policies are, and which pods are here."""
        seen: tuple[Informer[Any], ...] = (self._policies, self._peers, self._pods_seen)
        for informer in seen:
            await informer.wait_synced()
        await self._adopted.wait()
        self._known.set()
        self._mark()

    # What pods are here

    def adopt(self, addresses: Mapping[str, str]) -> None:
        """Which pods are wired already, by uid: told once, before anything else."""
        self._addresses.update(addresses)
        self._adopted.set()

    @property
    def is_ready(self) -> bool:
        """It is known what the policies are, and which pods are here."""
        return self._known.is_set()

    async def secure(self, uid: str, address: str) -> None:
        """The pod is about to be wired; when this returns, its policies are in the kernel. Raises LookupError."""
        await self._known.wait()
        pod = self._pods.get(uid)
        if pod is None:
            raise LookupError(f"nobody knows pod {uid} any more")
        await self._catch_up(pod.metadata.namespace)
        self._addresses[uid] = address
        number = self._mark()
        while self._done < number:
            await self._progress.wait()

    def release(self, uid: str) -> None:
        """The pod is not wired any more."""
        self._addresses.pop(uid, None)
        if uid not in {pod.metadata.uid for pod in self._pods_seen.objects.values()}:
            self._pods.pop(uid, None)
        self._mark()

    async def _catch_up(self, namespace: str) -> None:
        """Pods and policies come to us on two ways: a policy that was there before the pod may not be here yet."""
        try:
            listing = await self._client.list(NetworkPolicy, Selection(namespace=namespace))
        except ApiError as error:
            log.info("policies_not_asked_for namespace=%s error=%r", namespace, error.message)
            return
        newest = max((int(one.metadata.resourceVersion) for one in listing.items), default=0)
        while int(self._policies.version) < newest:
            await self._progress.wait()

    # What changes

    def _something_changed(self, old: Any, new: Any) -> None:
        self._mark()

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        if new is not None:
            self._pods[new.metadata.uid] = new
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            if old.metadata.uid not in self._addresses:
                self._pods.pop(old.metadata.uid, None)
        elif old is not None and new is not None and old.metadata.labels == new.metadata.labels:
            return
        self._mark()

    def _mark(self) -> int:
        """What should be in the kernel is not what it was; returns the number of this."""
        self._asked += 1
        self._wake.set()
        self._tell()
        return self._asked

    def _tell(self) -> None:
        self._progress.set()
        self._progress = asyncio.Event()

    # The kernel

    async def _round(self) -> None:
        self._wake.clear()
        number = self._asked
        try:
            await self._keeper.put(PRODUCER, self._contents())
        except NftRefused as error:
            log.warning("policies_not_applied error=%r", str(error))
            self._wake.set()
            await asyncio.sleep(PAUSE)
            return
        self._done = number
        self._tell()

    def _contents(self) -> Table:
        return contents(
            self._subjects(),
            self._policies.objects.values(),
            self._answer,
            self._name_servers,
        )

    def _subjects(self) -> Iterator[Subject]:
        for uid, address in self._addresses.items():
            pod = self._pods.get(uid)
            yield subject(pod, address) if pod is not None else Subject(address)

    def _answer(self, key: str) -> Iterator[PeerAddress]:
        for slice in self._peers.by_index(policies.PEERS, key):
            yield from slice.addresses


def subject(pod: Pod, address: str) -> Subject:
    return Subject(address, pod.metadata.namespace, pod.metadata.labels, frozenset(_ports(pod)))


def _ports(pod: Pod) -> Iterator[Port]:
    for container in (*pod.spec.containers, *pod.spec.initContainers):
        for port in container.ports:
            if port.name:
                yield port.name, port.protocol or "TCP", port.containerPort


def peers_of(slice: PeerSlice) -> Iterable[str]:
    """An index function: the key of who is meant."""
    return (slice.metadata.labels.get(policies.PEERS, ""),)
