"""What one service puts into the table: elements of maps, and the chains these lead to. Pure.

Backends have numbers from 0 on without a gap, because one is drawn by lot. When one goes, the last takes its number,
and all others keep theirs: a change of one backend is a change of few elements, however many there are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from node_agent.network.proxy.chains import (
    LOOPBACK,
    NEAR,
    Lane,
    Way,
    base,
    lane_of,
    loopback_way,
    sets_of,
    way,
)
from node_agent.network.proxy.model import Backend, Frontend, Place
from node_agent.network.proxy.table import Chain, Set, Table

Numbers = Mapping[tuple[str, str, int, int], tuple[Backend, ...]]


@dataclass(frozen=True)
class Share:
    """What one service has in the table."""

    table: Table = field(default_factory=Table)
    numbers: Numbers = field(
        default_factory=dict
    )  # frontend and first number → the backends in order


def share(frontends: Iterable[Frontend], place: Place, before: Share | None = None) -> Share:
    """The service's share; backends that it had before keep their numbers."""
    builder = _Builder(place, before.numbers if before else {})
    for frontend in frontends:
        builder.add(frontend)
    return builder.share()


def arranged(before: tuple[Backend, ...], wanted: frozenset[Backend]) -> tuple[Backend, ...]:
    """The wanted ones in an order that keeps as many as possible where they were."""
    count = len(wanted)
    places: list[Backend | None] = [one if one in wanted else None for one in before[:count]]
    places += [None] * (count - len(places))
    rest = iter(sorted(wanted.difference(one for one in places if one)))
    return tuple(one if one is not None else next(rest) for one in places)


class _Builder:
    """One service's elements and chains, as they are collected."""

    def __init__(self, place: Place, before: Numbers) -> None:
        self._place, self._before = place, before
        self._forms = base(place).sets
        self._sets: dict[str, Set] = {}
        self._elements: dict[str, dict[str, str]] = {}  # set name → key → value
        self._chains: dict[str, Chain] = {}
        self._numbers: dict[tuple[str, str, int, int], tuple[Backend, ...]] = {}

    def share(self) -> Share:
        return Share(Table(self._sets, self._chains), self._numbers)

    def add(self, frontend: Frontend) -> None:
        lane = lane_of(frontend)
        self._forms = {**self._forms, **sets_of(lane)}
        front = f"{frontend.protocol} . {frontend.port}"
        if frontend.address:
            front = f"{frontend.address} . {front}"
        else:
            self._lead(LOOPBACK, front, loopback_way(frontend))
        if frontend.alone:
            self._put("addresses", frontend.address)
        self._lead(lane.scope.services, front, way(frontend, self._place))
        for source in _apart(frontend.sources):
            self._put(lane.scope.allowed, f"{front} . {source}")
        if frontend.policy != "near":
            self._backends(frontend, frontend.backends, 0)
        if frontend.policy != "all" or not frontend.address:
            self._backends(frontend, frontend.near, NEAR)

    def _lead(self, services: str, front: str, leads: Way) -> None:
        self._chains |= leads.chains
        self._put(services, front, leads.verdict)

    def _backends(self, frontend: Frontend, backends: frozenset[Backend], first: int) -> None:
        which = (frontend.address, frontend.protocol, frontend.port, first)
        ordered = self._numbers[which] = arranged(self._before.get(which, ()), backends)
        lane = lane_of(frontend)
        key = f"{frontend.address} . {frontend.port}" if frontend.address else f"{frontend.port}"
        for number, backend in enumerate(ordered, first):
            if frontend.sticky:
                self._sticky(lane, key, number, backend)
            else:
                target = f"{backend.address} . {backend.port}"
                self._put(lane.endpoints, f"{key} . {number}", target)
            if backend.here:
                self._put("loops", f"{backend.address} . {backend.address}")

    def _sticky(self, lane: Lane, key: str, number: int, backend: Backend) -> None:
        mark = f"{int(IPv4Address(backend.address)):#010x}"
        self._of(lane.clients)
        self._put(lane.draws, f"{key} . {number}", mark)
        self._put(lane.marked, f"{key} . {mark}", f"{backend.address} . {backend.port}")

    def _put(self, name: str, key: str, value: str = "") -> None:
        self._of(name).setdefault(key, value)

    def _of(self, name: str) -> dict[str, str]:
        """The elements of a set, which is declared with the first of them."""
        if name not in self._sets:
            form, elements = self._forms[name], self._elements.setdefault(name, {})
            self._sets[name] = Set(form.form, elements, form.is_map, form.dynamic)
        return self._elements[name]


def _apart(networks: Iterable[str]) -> list[str]:
    """Without those that lie within another: nft wants them apart."""
    known = [IPv4Network(network, strict=False) for network in networks]
    return sorted(
        str(one)
        for one in set(known)
        if not any(one != other and one.subnet_of(other) for other in known)
    )
