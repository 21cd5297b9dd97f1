"""The Services that every cluster has, and where the API server is: `default/kubernetes` and `kube-system/kube-dns`.

Programs in pods find the API server by the name `kubernetes` and by the first address of the range, whichever machines
it runs on. Each API server renews a Lease that says where it listens; the addresses of those that do make up the
EndpointSlice. One that dies is out of it when its Lease has run out. `kube-dns` has no endpoints: each node answers
under its address itself. What somebody deletes or changes of all this is put back.

A server that listens on the loopback address only has no address for anybody else, and no Lease.
"""

import asyncio
import hashlib
import ipaddress
import logging
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from api import clock, controller, kinds, services
from api.client import Client, Selection
from api.errors import AlreadyExists, NotFound
from api.informer import Informers
from api.workqueue import WorkQueue
from control_plane.apiserver.allocation.ranges import Network
from proto.v1.cluster_pb2 import Lease
from proto.v1.network_pb2 import EndpointSlice, Service

log = logging.getLogger(__name__)
RENEW, EXPIRE = 10.0, 30  # seconds
FORGET = timedelta(hours=1)  # until the Lease of a server that is gone is removed
LEASES = Selection(
    namespace="kube-system", labels="apiserver.kubernetes.io/identity=helmling-apiserver"
)
RECONCILER = "apiservers.helmling.dev"  # who keeps the slice
API, DNS, HERE = "kubernetes", "kube-dns", "lease"  # what there is to be looked at


@dataclass(frozen=True)
class Here:
    """This API server."""

    network: Network  # of the Services
    address: str  # at which others reach it
    port: int  # where tokens are taken

    @property
    def is_reachable(self) -> bool:
        try:
            address = ipaddress.IPv4Address(self.address)
        except ValueError:
            return False
        return not (address.is_loopback or address.is_unspecified)

    @property
    def endpoint(self) -> str:
        return f"{self.address}:{self.port}"


def names(domain: str) -> tuple[str, ...]:
    """By which pods know the API server; the last one is whole."""
    namespace, name = services.KUBERNETES
    parts = (name, f"{name}.{namespace}", f"{name}.{namespace}.svc")
    return (*parts, f"{parts[-1]}.{domain}")


def api_service(network: Network) -> Service:
    made = _service(services.KUBERNETES, str(network[1]), component="apiserver", provider=API)
    made.spec.ports.add(name="https", protocol="TCP", port=443)
    made.spec.ports[0].targetPort.number_value = 443
    return made


def dns_service(network: Network) -> Service:
    labels = {"k8s-app": DNS, services.OTHER_PROXY: "name-server"}
    made = _service(services.KUBE_DNS, str(network[10]), **labels)
    for name, protocol in (("dns", "UDP"), ("dns-tcp", "TCP")):
        port = made.spec.ports.add(name=name, protocol=protocol, port=53)
        port.targetPort.number_value = 53
    return made


def _service(place: tuple[str, str], address: str, **labels: str) -> Service:
    made = Service()
    made.metadata.namespace, made.metadata.name = place
    made.metadata.labels.update(labels)
    made.spec.clusterIP = address
    return made


def api_slice(endpoints: Iterable[str]) -> EndpointSlice:
    """`endpoints`: "192.0.2.1:6441". A slice has one set of ports, so those of the first count."""
    made = EndpointSlice(addressType="IPv4")
    made.metadata.namespace, made.metadata.name = services.KUBERNETES
    made.metadata.labels[services.SERVICE_NAME] = API
    made.metadata.labels[services.MANAGED_BY] = RECONCILER
    places = sorted(endpoint.rpartition(":")[::2] for endpoint in set(endpoints))
    for port in sorted({int(port) for _, port in places})[:1]:
        made.ports.add(name="https", protocol="TCP", port=port)
        for address in (address for address, number in places if int(number) == port):
            made.endpoints.add(addresses=[address]).conditions.ready = True
    return made


def lease_of(here: Here, now: datetime) -> Lease:
    made = Lease()
    digest = hashlib.sha256(here.endpoint.encode()).hexdigest()[:16]
    made.metadata.namespace, made.metadata.name = LEASES.namespace, f"apiserver-{digest}"
    key, _, value = LEASES.labels.partition("=")
    made.metadata.labels[key] = value
    made.spec.holderIdentity, made.spec.leaseDurationSeconds = here.endpoint, EXPIRE
    made.spec.renewTime.CopyFrom(clock.timestamp(now))
    return made


def expires_in(lease: Lease, now: datetime) -> timedelta:
    """Negative: it has run out."""
    length = timedelta(seconds=lease.spec.leaseDurationSeconds)
    return clock.to_datetime(lease.spec.renewTime) + length - now


@dataclass
class Keeper:
    client: Client
    informers: Informers
    here: Here
    queue: WorkQueue = field(default_factory=WorkQueue)

    def __post_init__(self) -> None:
        namespace, name = services.KUBERNETES
        own = Selection(namespace=namespace, fields=f"metadata.name={name}")
        self._leases = self.informers.of(Lease, LEASES)
        self._slices = self.informers.of(EndpointSlice, own)
        self._services = self.informers.of(Service)

    async def wait_synced(self) -> None:
        await self._leases.wait_synced()
        await self._slices.wait_synced()
        await self._services.wait_synced()

    def listen(self) -> None:
        for what in (API, DNS, HERE):
            self.queue.add(what)
        self._leases.add_handler(self._on_lease)
        self._slices.add_handler(lambda old, new: self.queue.add(API))
        self._services.add_handler(self._on_service)

    def _on_lease(self, old: Lease | None, new: Lease | None) -> None:
        """A renewal is no news."""
        if old is None or new is None:
            self.queue.add(API)

    def _on_service(self, old: Service | None, new: Service | None) -> None:
        service = new or old
        if service is not None:
            meta = service.metadata
            for place, what in ((services.KUBERNETES, API), (services.KUBE_DNS, DNS)):
                if (meta.namespace, meta.name) == place:
                    self.queue.add(what)

    async def reconcile(self, what: str) -> float | None:
        if what == DNS:
            await self._ensure(dns_service(self.here.network))
            return None
        if what == HERE:
            return await self._renew()
        await self._ensure(api_service(self.here.network))
        return await self._endpoints()

    async def _ensure(self, wanted: Service) -> None:
        key = kinds.object_key(wanted)
        found = self._services.objects.get(key)
        if found is None:
            await _create(self.client, wanted)
        elif found.spec.clusterIP != wanted.spec.clusterIP:  # the range is another now
            await self.client.delete(Service, wanted.metadata.name, wanted.metadata.namespace)
        else:
            whole = Service()
            whole.CopyFrom(found)
            whole.spec.ClearField("ports")
            whole.spec.ports.extend(wanted.spec.ports)
            whole.spec.ClearField("selector")
            whole.metadata.labels.update(wanted.metadata.labels)
            if whole != found:
                await self.client.update(whole)

    async def _renew(self) -> float | None:
        if not self.here.is_reachable:
            return None
        lease = lease_of(self.here, clock.now())
        try:
            await self.client.update(lease)
        except NotFound:
            await _create(self.client, lease)
        return RENEW

    async def _endpoints(self) -> float | None:
        """When to look again: a Lease that is not renewed makes no event."""
        now = clock.now()
        leases: list[Lease] = list(self._leases.objects.values())
        alive = [each for each in leases if expires_in(each, now) > timedelta()]
        await self._forget([each for each in leases if expires_in(each, now) < -FORGET])
        wanted = api_slice(lease.spec.holderIdentity for lease in alive)
        found = self._slices.objects.get(kinds.object_key(wanted))
        if found is None:
            await _create(self.client, wanted)
        else:
            whole = EndpointSlice()
            whole.CopyFrom(found)
            whole.metadata.labels.update(wanted.metadata.labels)
            for name in ("endpoints", "ports"):
                whole.ClearField(name)
                getattr(whole, name).extend(getattr(wanted, name))
            if whole != found:
                await self.client.update(whole)
        return min((expires_in(each, now).total_seconds() for each in alive), default=None)

    async def _forget(self, leases: list[Lease]) -> None:
        for lease in leases:
            try:
                await self.client.delete(Lease, lease.metadata.name, lease.metadata.namespace)
            except NotFound:
                continue


async def _create(client: Client, obj: Any) -> None:
    """Another server may have been quicker."""
    try:
        await client.create(obj)
    except AlreadyExists:
        return


async def _resolved(address: str) -> str:
    """An address that was told as a name, as a number; as it is, when nobody knows it."""
    with suppress(ValueError):
        return str(ipaddress.ip_address(address))
    try:
        found = await asyncio.get_running_loop().getaddrinfo(address, None, family=socket.AF_INET)
    except OSError as error:
        log.warning("advertised_address_unknown address=%s error=%r", address, str(error))
        return address
    return str(found[0][4][0])


async def run(client: Client, informers: Informers, here: Here) -> None:
    """Until cancelled."""
    keeper = Keeper(client, informers, replace(here, address=await _resolved(here.address)))
    await keeper.wait_synced()
    keeper.listen()
    await controller.run(keeper.queue, keeper.reconcile, workers=1, name="well-known-services")
