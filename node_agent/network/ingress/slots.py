"""Which commands bring a running HAProxy's servers to what is wanted, without a reload. Pure.

Who comes is there before anybody goes: there is no moment without a server. A pod that goes is drained: requests that
are with it end there, and no new one comes. Its place is given to another only when there is none that is free, and the
one that has been left longest first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from node_agent.network.ingress.model import Address

_OUT = 0x01 | 0x02 | 0x08 | 0x10 | 0x20  # bits of srv_admin_state: in maintenance or drained
COLONS = 2  # in a backend's name
_FREE = 0x01  # in maintenance: nobody has had the place yet


@dataclass(frozen=True)
class Place:
    """A server line, as the running HAProxy has it."""

    name: str
    address: Address
    state: int  # srv_admin_state
    since: int = 0  # seconds since it changed

    @property
    def used(self) -> bool:
        return not self.state & _OUT


Places = Mapping[str, Sequence[Place]]  # by backend


@dataclass(frozen=True)
class Changes:
    commands: list[str]
    crowded: list[str]  # backends without room for all of their pods: they need a reload


def changes(places: Places, wanted: Mapping[str, Iterable[Address]]) -> Changes:
    """What to tell a worker that has these places."""
    commands: list[str] = []
    crowded: list[str] = []
    for backend in sorted(places):
        some = list(places[backend])
        target = set(wanted.get(backend, ()))
        missing = sorted(target - {place.address for place in some if place.used})
        free = _free(some)
        leaving = [place for place in some if place.used and place.address not in target]
        taken = dict(zip(missing, _matched(missing, free), strict=False))
        for address, place in taken.items():
            commands += _take(backend, place, address)
        commands += [f"set server {backend}/{place.name} state drain" for place in leaving]
        rest = missing[len(taken) :]
        for address, place in zip(rest, leaving, strict=False):
            commands += _take(backend, place, address)
        if len(rest) > len(leaving):
            crowded.append(backend)
    crowded += sorted(wanted.keys() - places.keys())
    return Changes(commands, crowded)


def _free(places: list[Place]) -> list[Place]:
    """Places for newcomers: those never used, then those that were left, the longest ago first."""
    free = [place for place in places if not place.used]
    return sorted(free, key=lambda place: (not place.state & _FREE, -place.since))


def _matched(missing: list[Address], free: list[Place]) -> Iterable[Place]:
    """A pod that comes back takes its own place again."""
    own = {place.address: place for place in free if place.address in missing}
    others = iter([place for place in free if place.address not in own])
    for address in missing:
        place = own.get(address) or next(others, None)
        if place is None:
            return
        yield place


def _take(backend: str, place: Place, address: Address) -> Iterable[str]:
    server = f"{backend}/{place.name}"
    if place.address != address:
        yield f"set server {server} addr {address.ip} port {address.port}"
    yield f"set server {server} state ready"


def parse(servers_state: str) -> dict[str, list[Place]]:
    """The answer to `show servers state`, as far as it is about pods: those put aside have a colon more."""
    found: dict[str, list[Place]] = {}
    for line in servers_state.splitlines():
        columns = line.split()
        if len(columns) > 18 and columns[0].isdigit() and columns[1].count(":") == COLONS:
            address = Address(columns[4], int(columns[18]))
            place = Place(columns[3], address, int(columns[6]), int(columns[9]))
            found.setdefault(columns[1], []).append(place)
    return found
