"""Gives Services their addresses and node ports, as part of the write that stores them.

What was asked for is looked up first, only for the sake of a better answer; what nobody asked for is guessed, and when
guesses fail because the range is crowded, chosen from what is free. Either way it is the transaction that decides: if
somebody was quicker, it is refused, and the registry comes here again. There is nothing in memory that could be wrong.
"""

import random
from typing import Any

from api import kinds, services
from api.errors import Internal, Invalid
from api.kinds import Kind
from control_plane.apiserver.allocation.claims import (
    ADDRESSES,
    PORTS,
    Changes,
    Claim,
    claims,
    owner,
)
from control_plane.apiserver.allocation.ranges import Range, Ranges, choose, guess
from control_plane.apiserver.errors import store_errors
from control_plane.apiserver.stored import Stored
from control_plane.store.contract import ABSENT, Store
from proto.v1.network_pb2 import Service

GUESSES = 4  # until the whole range is looked through
NOTHING = Changes()
_SERVICE = kinds.of(Service)
_random = random.Random()


class Allocator:
    def __init__(self, store: Store, ranges: Ranges) -> None:
        self._store, self.ranges = store, ranges

    async def give(
        self, kind: Kind, new: Any | None, old: Stored | None = None
    ) -> tuple[Any, Changes]:
        """The object with what it lacks, and what is to be written with it. `new` None: it leaves.

        The object that is passed in stays as it is. Raises Invalid: what it asks for is taken, or is not ours to give;
        Internal: there is nothing left.
        """
        if kind is not _SERVICE:
            return new, NOTHING
        held = claims(old.decode()) if old is not None else {}
        if new is None:
            return None, Changes(write=dict.fromkeys(held))
        whole = Service()
        whole.CopyFrom(new)
        with store_errors():
            asked = [claim for key, claim in claims(new).items() if key not in held]
            await self._check(new, asked)
            await self._complete(whole)
        now = claims(whole)
        added = [key for key in now if key not in held]
        kept: dict[str, bytes | None] = dict.fromkeys(added, owner(whole))
        gone: dict[str, bytes | None] = dict.fromkeys(key for key in held if key not in now)
        return whole, Changes(dict.fromkeys(added, ABSENT), {**kept, **gone})

    async def _check(self, service: Service, asked: list[Claim]) -> None:
        wrong = []
        for claim in asked:
            range_ = claim.range_of(self.ranges)
            if claim.text not in range_:
                wrong.append(claim.outside(range_))
            elif await self._store.get(claim.key) is not None:
                wrong.append(claim.taken())
        if wrong:
            raise Invalid.because(_SERVICE.name, service.metadata.name, wrong)

    async def _complete(self, service: Service) -> None:
        spec = service.spec
        if services.has_address(spec) and not spec.clusterIP:
            spec.clusterIP = await self._one(self.ranges.addresses, ADDRESSES, set())
            spec.clusterIPs[:] = [spec.clusterIP]
        own = {str(port.nodePort) for port in spec.ports if port.nodePort}
        if services.has_node_ports(spec):
            for port in spec.ports:
                if not port.nodePort:
                    port.nodePort = await self._port(own)
        if services.has_health_check(spec) and not spec.healthCheckNodePort:
            spec.healthCheckNodePort = await self._port(own)

    async def _port(self, own: set[str]) -> int:
        """`own`: those that the service has; the new one is added to them."""
        text = await self._one(self.ranges.ports, PORTS, own)
        own.add(text)
        return int(text)

    async def _one(self, range_: Range, prefix: str, own: set[str]) -> str:
        for _ in range(GUESSES):
            text = guess(range_, _random)
            if text not in own and await self._store.get(f"{prefix}{text}") is None:
                return text
        listing = await self._store.list(prefix)
        taken = {item.key.removeprefix(prefix) for item in listing.items} | own
        if text := choose(range_, taken, _random):
            return text
        what = "serviceIP" if prefix == ADDRESSES else "nodePort"
        flag = "--service-cidr" if prefix == ADDRESSES else "--node-port-range"
        raise Internal(
            f"failed to allocate a {what}: range is full: {range_}, {len(range_.numbers)} of them "
            f"(delete a Service that nobody needs, or start the server with a larger {flag})"
        )
