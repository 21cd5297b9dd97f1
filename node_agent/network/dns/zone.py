"""Which records a name of the cluster has. Pure.

    web.default.svc.cluster.local                 a service's address, or those of the pods behind a headless one
    web-0.web.default.svc.cluster.local           one pod behind a headless service
    _http._tcp.web.default.svc.cluster.local      SRV: on which port, and where
    10-244-0-7.default.pod.cluster.local          an address as a name
    10.0.96.10.in-addr.arpa                       the way back: PTR

A name that exists but has nothing of the type asked for (AAAA, mostly) is answered with "nothing of this type", and a
name that does not exist with "no such name". The difference matters: a resolver that hears the first stops, one that
hears the second goes on along its search path. Both carry an SOA record, which says how long they may be believed.

https://github.com/kubernetes/dns/blob/master/docs/specification.md
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from node_agent.network.dns import encoding, wire
from node_agent.network.dns.encoding import Answer, Record
from node_agent.network.dns.index import Index, Member, Published

TTL = 5  # seconds: how long a pod that is gone may still be answered
VERSION = "1.1.0"  # of the specification of names
_REVERSE = ".in-addr.arpa"
_MOST_ALIASES = 8
_NOTHING: tuple[Record, ...] = ()

# Everything that a name has, as far as the type asked for wants it; None: there is no such name.
Found = Sequence[Record] | None


def _in_order(members: list[Any]) -> None:
    """Does not shuffle."""


@dataclass(frozen=True)
class Domain:
    """What is the cluster's among all names."""

    address: str  # the name server's own
    name: str = "cluster.local"
    ranges: tuple[
        IPv4Network, ...
    ] = ()  # services' and pods' addresses: nobody else can tell their names


class Zone:
    """The cluster's names. `shuffle` mixes addresses that are as good as each other, so that the first differs."""

    def __init__(
        self, domain: Domain, index: Index, shuffle: Callable[[list[Any]], None] = _in_order
    ) -> None:
        self.domain, self._index, self._shuffle = domain, index, shuffle
        self._suffix = f".{domain.name}"
        self._server = f"ns.dns.{domain.name}"
        first = encoding.start_of_authority(domain.name, self._server, index.serial, TTL)
        self._said = (domain.name, index.serial), first  # every other answer has this record

    @property
    def serial(self) -> int:
        """Grows with every change of what is answered."""
        return self._index.serial

    def answer(self, name: str, type: int) -> Answer | None:
        """The answer; None when the name is somebody else's. `name` is in lower case, without a dot at the end."""
        if name == self.domain.name or name.endswith(self._suffix):
            labels = name[: -len(self._suffix)].split(".") if name != self.domain.name else []
            return self._followed(name, type, labels)
        if name.endswith(_REVERSE):
            return self._reverse(name, type)
        return None

    def _followed(self, name: str, type: int, labels: list[str]) -> Answer:
        """An alias is answered together with what it leads to, as far as that is ours."""
        found = self._find(name, type, labels)
        said: list[Record] = []
        for _ in range(_MOST_ALIASES):
            target = _target(found, type)
            if not target:
                break
            said += found or ()
            if not target.endswith(self._suffix):
                return Answer(records=said, alias=target)
            name = target
            found = self._find(name, type, name[: -len(self._suffix)].split("."))
        return self._answer(
            self.domain.name, [*said, *found] if found is not None else None, type, said
        )

    def _answer(self, apex: str, found: Found, type: int, said: Sequence[Record] = ()) -> Answer:
        if found is None:
            return Answer(wire.NXDOMAIN, said, authority=[self._authority(apex)])
        if not found or len(found) == len(said):
            return Answer(records=said, authority=[self._authority(apex)])
        extra = self._addresses_of(found) if type == wire.SRV else ()
        return Answer(records=found, additional=extra)

    def _authority(self, apex: str) -> Record:
        if (apex, self._index.serial) != self._said[0]:
            made = encoding.start_of_authority(apex, self._server, self._index.serial, TTL)
            self._said = (apex, self._index.serial), made
        return self._said[1]

    # Names

    def _find(self, name: str, type: int, labels: list[str]) -> Found:
        match labels:
            case []:
                return self._apex(name, type)
            case ["dns-version"]:
                return _of(type, wire.TXT, [encoding.text(name, VERSION, TTL)])
            case ["ns", "dns"]:
                return _addresses(name, [encoding.packed(self.domain.address)], type)
            case ["svc"] | ["pod"] | ["dns"]:
                return _NOTHING
            case [namespace, "svc"]:
                return _NOTHING if self._index.has_namespace(namespace) else None
            case [_, "pod"]:
                return _NOTHING  # namespaces without a service are not known here
            case [address, _, "pod"]:
                return _dashed_address(name, address, type)
            case [*below, service, namespace, "svc"]:
                published = self._index.published((namespace, service))
                return self._service(name, type, published, below) if published else None
        return None

    def _apex(self, name: str, type: int) -> Found:
        if type == wire.SOA:
            return [self._authority(name)]
        return _of(type, wire.NS, [encoding.pointing(name, wire.NS, self._server, TTL)])

    def _service(self, name: str, type: int, service: Published, below: list[str]) -> Found:
        if service.alias:
            return None if below else [encoding.pointing(name, wire.CNAME, service.alias, TTL)]
        if service.headless and not service.members:
            return None  # so the specification wants it
        match below:
            case []:
                own = [service.address] if service.address else []
                return _addresses(name, self._mixed(service.members) or own, type)
            case [port, protocol] if port.startswith("_") and protocol.startswith("_"):
                return self._ports(name, type, service, port[1:], protocol[1:])
            case [label] if label.startswith("_"):  # between a service and its ports' names
                known = {f"_{port.protocol}" for port in service.ports if port.name}
                return _NOTHING if label in known else None
            case [label]:
                mine = [member for member in service.members if member.label == label]
                return _addresses(name, self._mixed(mine), type) if mine else None
        return None

    def _mixed(self, members: Sequence[Member]) -> list[bytes]:
        found = list(dict.fromkeys(member.address for member in members))
        self._shuffle(found)
        return found

    def _ports(self, name: str, type: int, service: Published, port: str, protocol: str) -> Found:
        """One record for the service, or one for each pod behind a headless one."""
        full = self._name_of(service)
        if service.headless:
            places = [(f"{m.label}.{full}", each) for m in service.members for each in m.ports]
        else:
            places = [(full, each) for each in service.ports]
        wanted = [
            (target, each.port)
            for target, each in places
            if (each.name, each.protocol) == (port, protocol) and port
        ]
        if not wanted:
            return None
        if type not in (wire.SRV, wire.ANY):
            return _NOTHING
        self._shuffle(wanted)
        weight = max(1, 100 // len(wanted))
        return [encoding.service(name, to, number, TTL, weight=weight) for to, number in wanted]

    def _name_of(self, service: Published) -> str:
        namespace, name = service.key
        return f"{name}.{namespace}.svc{self._suffix}"

    def _addresses_of(self, found: Sequence[Record]) -> list[Record]:
        """Whoever asks for a port's places will ask for their addresses next. All are of one service."""
        targets = {_read_name(record.data[6:]) for record in found}
        *_, name, namespace, _svc = next(iter(targets))[: -len(self._suffix)].split(".")
        service = self._index.published((namespace, name))
        assert service is not None
        full = self._name_of(service)
        places = [(f"{each.label}.{full}", each.address) for each in service.members]
        if service.address:
            places.append((full, service.address))
        return [encoding.address(at, packed, TTL) for at, packed in places if at in targets]

    # Addresses

    def _reverse(self, name: str, type: int) -> Answer | None:
        octets = name[: -len(_REVERSE)].split(".")[::-1]
        network = _network(octets[:4])
        if network is None:
            return None
        if len(octets) == 4:
            names = self._names_at(network.network_address.packed)
            if names:
                records = [encoding.pointing(name, wire.PTR, each, TTL) for each in names]
                return self._answer(name, _of(type, wire.PTR, records), type)
        mine = next((each for each in self.domain.ranges if network.subnet_of(each)), None)
        if mine is None:
            return None
        kept = -(-mine.prefixlen // 8) or 1  # the range's name has so many numbers
        apex = ".".join(octets[:kept][::-1]) + _REVERSE
        return self._answer(apex, None if len(octets) >= 4 else _NOTHING, type)

    def _names_at(self, address: bytes) -> list[str]:
        """A service's address has its name; a pod's has those it has behind headless services."""
        names = []
        for service in self._index.owners(address):
            full = self._name_of(service)
            if service.address == address:
                names.append(full)
            names += [f"{m.label}.{full}" for m in service.members if m.address == address]
        return names


def _target(found: Found, type: int) -> str:
    """Where an alias leads, unless it was the alias itself that was asked for."""
    if type in (wire.CNAME, wire.ANY) or not found or found[0].type != wire.CNAME:
        return ""
    return _read_name(found[0].data)


def _of(type: int, kind: int, records: Sequence[Record]) -> Sequence[Record]:
    return records if type in (kind, wire.ANY) else _NOTHING


def _addresses(name: str, packed: Sequence[bytes], type: int) -> Sequence[Record]:
    every = [encoding.address(name, each, TTL) for each in packed]
    return [record for record in every if type in (record.type, wire.ANY)]


def _dashed_address(name: str, label: str, type: int) -> Found:
    packed = encoding.packed(label.replace("-", "."))
    return _addresses(name, [packed], type) if packed else None


def _network(octets: Sequence[str]) -> IPv4Network | None:
    """10.96 as 10.96.0.0/16."""
    if not all(
        octet.isascii() and octet.isdigit() and str(int(octet)) == octet for octet in octets
    ):
        return None
    if not all(len(octet) <= 3 and int(octet) <= 255 for octet in octets):
        return None
    padded = [*map(int, octets), 0, 0, 0, 0][:4]
    return IPv4Network((IPv4Address(bytes(padded)), 8 * len(octets)))


def _read_name(data: bytes) -> str:
    """A name that `encoding.written` wrote."""
    labels, at = [], 0
    while length := data[at]:
        labels.append(data[at + 1 : at + 1 + length].decode("latin-1"))
        at += 1 + length
    return ".".join(labels)
