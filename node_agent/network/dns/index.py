"""What the name server knows: services, and who stands behind them. Kept up to date change by change.

A change of one object costs what this one object weighs, however many there are: it is put in its place, and what had
been worked out for its service is forgotten. It is worked out again when somebody asks for that service, not before.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import TypeVar

from node_agent.network.dns.encoding import packed
from proto.v1.network_pb2 import Endpoint, EndpointSlice, Service

SERVICE_NAME = "kubernetes.io/service-name"  # a slice's label: whose it is
Key = tuple[str, str]  # namespace, name
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NamedPort:
    name: str
    protocol: str  # in lower case
    port: int


@dataclass(frozen=True, slots=True)
class Member:
    """An address behind a headless service, with a name of its own below the service's."""

    label: str
    address: bytes
    ports: tuple[NamedPort, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """What there is to say about one service."""

    key: Key
    address: bytes = b""  # its own; a headless one has none
    headless: bool = False
    alias: str = ""  # of an ExternalName
    ports: tuple[NamedPort, ...] = ()
    members: tuple[Member, ...] = ()


@dataclass
class Index:
    """Invariant: `_published` holds nothing that a change since has made wrong."""

    serial: int = 1  # grows with every change
    _services: dict[Key, Service] = field(default_factory=dict)
    _slices: dict[Key, dict[str, EndpointSlice]] = field(
        default_factory=dict
    )  # by service, by name
    _namespaces: Counter[str] = field(default_factory=Counter)  # how many services each has
    _owners: dict[bytes, Counter[Key]] = field(default_factory=dict)  # address → whose it may be
    _published: dict[Key, Published] = field(default_factory=dict)

    def service_changed(self, old: Service | None, new: Service | None) -> None:
        """An informer's handler."""
        for service, step in ((old, -1), (new, 1)):
            if service is not None:
                key = (service.metadata.namespace, service.metadata.name)
                self._count(self._namespaces, key[0], step)
                self._own(packed(service.spec.clusterIP), key, step)
                if step > 0:
                    self._services[key] = service
                else:
                    del self._services[key]
                self._forget(key)

    def slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        """An informer's handler."""
        for slice, step in ((old, -1), (new, 1)):
            owner = slice.metadata.labels.get(SERVICE_NAME) if slice is not None else ""
            if slice is not None and owner:
                key = (slice.metadata.namespace, owner)
                for endpoint in slice.endpoints:
                    self._own(_address(slice, endpoint), key, step)
                if step > 0:
                    self._slices.setdefault(key, {})[slice.metadata.name] = slice
                else:
                    del self._slices[key][slice.metadata.name]
                    if not self._slices[key]:
                        del self._slices[key]
                self._forget(key)

    def has_namespace(self, namespace: str) -> bool:
        """Whether any service is there: an empty namespace has no names."""
        return namespace in self._namespaces

    def published(self, key: Key) -> Published | None:
        """What there is to say about a service; None when there is no such service."""
        found = self._published.get(key)
        if found is None and key in self._services:
            slices = self._slices.get(key, {}).values()
            found = self._published[key] = publish(self._services[key], list(slices))
        return found

    def owners(self, address: bytes) -> list[Published]:
        """The services that have this address, or may have it behind them."""
        found = (self.published(key) for key in sorted(self._owners.get(address, ())))
        return [each for each in found if each is not None]

    def services(self) -> list[Service]:
        return list(self._services.values())

    def slices(self) -> list[EndpointSlice]:
        return [each for some in self._slices.values() for each in some.values()]

    def _own(self, address: bytes, key: Key, step: int) -> None:
        if address:
            owners = self._owners.setdefault(address, Counter())
            self._count(owners, key, step)
            if not owners:
                del self._owners[address]

    def _count(self, counter: Counter[T], key: T, step: int) -> None:
        counter[key] += step
        if not counter[key]:
            del counter[key]

    def _forget(self, key: Key) -> None:
        self._published.pop(key, None)
        self.serial += 1


def publish(service: Service, slices: list[EndpointSlice]) -> Published:
    """What the names of a service lead to."""
    key = (service.metadata.namespace, service.metadata.name)
    spec = service.spec
    if spec.type == "ExternalName":
        return Published(key, alias=_speakable(spec.externalName))
    if spec.clusterIP == "None":
        members = _members(slices, every=spec.publishNotReadyAddresses)
        ports = tuple(dict.fromkeys(port for member in members for port in member.ports))
        return Published(key, headless=True, ports=ports, members=members)
    ports = tuple(
        NamedPort(port.name, (port.protocol or "TCP").lower(), port.port) for port in spec.ports
    )
    return Published(key, packed(spec.clusterIP), ports=ports)


def _speakable(name: str) -> str:
    """The name, if it can be said in DNS: an object's field may have longer labels."""
    labels = name.rstrip(".").lower().split(".")
    return ".".join(labels) if all(1 <= len(label) <= 63 for label in labels) else ""


def _members(slices: list[EndpointSlice], *, every: bool) -> tuple[Member, ...]:
    """Each address once: while an endpoint moves from one slice to another it is in both."""
    found: dict[tuple[str, bytes], Member] = {}
    for slice in slices:
        ports = tuple(
            NamedPort(port.name, (port.protocol or "TCP").lower(), port.port)
            for port in slice.ports
        )
        for endpoint in slice.endpoints:
            address = _address(slice, endpoint)
            if address and (every or _is_ready(endpoint)):
                label = endpoint.hostname or dashed(endpoint.addresses[0])
                found[label, address] = Member(label, address, ports)
    return tuple(found.values())


def _is_ready(endpoint: Endpoint) -> bool:
    """Who does not say is ready."""
    return endpoint.conditions.ready or not endpoint.conditions.HasField("ready")


def _address(slice: EndpointSlice, endpoint: Endpoint) -> bytes:
    named = slice.addressType == "FQDN" or not endpoint.addresses
    return b"" if named else packed(endpoint.addresses[0])


def dashed(address: str) -> str:
    """The name of an endpoint that has none: 10-244-0-7."""
    return address.replace(".", "-").replace(":", "-").lower()
