"""Which EndpointSlices to write so that they show who stands behind a Service. Pure.

Everybody who routes reads every change of a slice, on every node. So a slice is small (100 endpoints), an endpoint
stays in the slice where it is, and one that changes rewrites one slice. Newcomers go where something is written
anyway, then into a slice that has room for all of them, and only then into a new one; slices are not evened out, which
would save objects and cost writes. A service without pods keeps one empty slice: that nobody is there is known then,
and not merely unsaid.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from api import services
from api.names import SUFFIX_LENGTH, SUFFIX_LETTERS
from control_plane.controllers import owners
from control_plane.controllers.endpointslice.endpoints import (
    NO_PORTS,
    Member,
    PortSet,
    read,
    written,
)
from control_plane.controllers.slices import Plan
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.network_pb2 import Endpoint, EndpointSlice, Service

FULL = 100  # endpoints in a slice
_OURS = (services.SERVICE_NAME, services.MANAGED_BY, services.HEADLESS)


@dataclass
class _Draft:
    """A slice as it is, and as it is to be."""

    before: EndpointSlice | None  # None: there is none yet
    ports: PortSet
    endpoints: list[Endpoint]

    @property
    def room(self) -> int:
        return FULL - len(self.endpoints)

    @property
    def is_touched(self) -> bool:
        return self.before is None or list(self.before.endpoints) != self.endpoints


def is_ours(slice: EndpointSlice) -> bool:
    """Whether this controller keeps it."""
    return slice.metadata.labels.get(services.MANAGED_BY) == services.CONTROLLER


def nowhere(name: str) -> bool:
    return False


def wants_slices(service: Service) -> bool:
    """Without a selector somebody else keeps them; a mere name has none."""
    return bool(service.spec.selector) and services.has_address(service.spec)


def plan(
    service: Service,
    wanted: Iterable[Member],
    slices: Sequence[EndpointSlice],
    exists: Callable[[str], bool] = nowhere,
) -> Plan[EndpointSlice]:
    """`slices`: those of this name that are ours. `exists`: whether a slice has this name, ours or not."""
    if not wants_slices(service):
        return Plan(delete=list(slices))
    # A service that had the name before has left the others.
    own = [slice for slice in slices if owners.is_managed_by(slice, service)]
    others = [slice for slice in slices if not owners.is_managed_by(slice, service)]
    by_ports: dict[PortSet, dict[str, Endpoint]] = defaultdict(dict)
    for member in wanted:
        by_ports[member.ports][member.identity] = member.endpoint
    drafts = _keep(own, by_ports)
    for ports, missing in by_ports.items():
        _place(list(missing.values()), ports, drafts)
    made = _finish(service, drafts, exists)
    made.delete += others
    return made


def _keep(
    slices: Sequence[EndpointSlice], wanted: dict[PortSet, dict[str, Endpoint]]
) -> list[_Draft]:
    """The slices with those who stay, as they are now. They are taken out of `wanted`."""
    drafts = []
    for slice in sorted(slices, key=lambda each: each.metadata.name):
        ports = read(slice.ports)
        there = wanted.get(ports, {})
        staying = (there.pop(each.targetRef.uid, None) for each in slice.endpoints)
        drafts.append(_Draft(slice, ports, [each for each in staying if each is not None]))
    return drafts


def _place(missing: list[Endpoint], ports: PortSet, drafts: list[_Draft]) -> None:
    same = [draft for draft in drafts if draft.ports == ports and draft.endpoints]
    for draft in [each for each in same if each.is_touched]:
        take = max(draft.room, 0)
        draft.endpoints += missing[:take]
        missing = missing[take:]
    while len(missing) >= FULL:
        drafts.append(_Draft(None, ports, missing[:FULL]))
        missing = missing[FULL:]
    if not missing:
        return
    roomy = [draft for draft in same if draft.room >= len(missing)]
    if roomy:
        min(roomy, key=lambda each: each.room).endpoints += missing
    else:
        drafts.append(_Draft(None, ports, missing))


def _finish(
    service: Service, drafts: list[_Draft], exists: Callable[[str], bool]
) -> Plan[EndpointSlice]:
    """A slice that is not needed any more becomes one that is needed now: one write instead of two."""
    needed = [draft for draft in drafts if draft.endpoints]
    spare = [draft.before for draft in drafts if draft.before is not None and not draft.endpoints]
    needed = needed or [_Draft(None, NO_PORTS, [])]
    for draft in needed:
        if draft.before is None and spare:
            draft.before = spare.pop(0)
    made, names = Plan(delete=spare), _names(service)
    for draft in needed:
        slice = _written(service, draft)
        if draft.before is None:
            slice.metadata.name = next(name for name in names if not exists(name))
            made.create.append(slice)
        elif slice != draft.before:
            made.update.append(slice)
    return made


def _written(service: Service, draft: _Draft) -> EndpointSlice:
    meta = ObjectMeta(namespace=service.metadata.namespace)
    meta.ownerReferences.append(owners.reference_to(service))
    slice = EndpointSlice(metadata=meta, addressType="IPv4")
    if draft.before is not None:
        slice.CopyFrom(draft.before)
        slice.ClearField("endpoints")
        slice.ClearField("ports")
    slice.metadata.labels.clear()
    slice.metadata.labels.update(labels(service))
    slice.endpoints.extend(draft.endpoints)
    slice.ports.extend(written(draft.ports))
    return slice


def labels(service: Service) -> dict[str, str]:
    """Those of the service, and those by which slices are found."""
    own = {key: value for key, value in service.metadata.labels.items() if key not in _OURS}
    own[services.SERVICE_NAME] = service.metadata.name
    own[services.MANAGED_BY] = services.CONTROLLER
    if services.is_headless(service.spec):
        own[services.HEADLESS] = ""
    return own


def _names(service: Service) -> Iterator[str]:
    """Always the same: whoever does not see a slice yet that was made a moment ago is refused, and looks again."""
    for number in count():
        yield f"{service.metadata.name}-{_suffix(f'{service.metadata.uid} {number}')}"


def _suffix(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "".join(SUFFIX_LETTERS[byte % len(SUFFIX_LETTERS)] for byte in digest[:SUFFIX_LENGTH])
