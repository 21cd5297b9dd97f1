"""Which PeerSlices to write so that they show whom a peer of a policy means. Pure.

Every node reads every change. So a slice is small, an address stays in the slice where it is, and one that comes or
goes rewrites one slice, however many there are. Who means nobody has no slice: to a node that is the same as not to
know yet, and both times nobody may pass.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from api import policies
from control_plane.controllers.slices import Plan
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.network_pb2 import PeerAddress, PeerSelector, PeerSlice

FULL = 100  # addresses in a slice


@dataclass
class _Draft:
    """A slice as it is, and as it is to be."""

    before: PeerSlice | None  # None: there is none yet
    addresses: list[PeerAddress]

    @property
    def is_touched(self) -> bool:
        return self.before is None or list(self.before.addresses) != self.addresses


def plan(
    peers: PeerSelector,
    wanted: Mapping[str, PeerAddress],
    slices: Sequence[PeerSlice],
    exists: Callable[[str], bool],
) -> Plan[PeerSlice]:
    """`wanted`: by address. `slices`: those under the key of `peers`. `exists`: whether a slice has this name."""
    missing = dict(wanted)
    drafts = [
        _stay(slice, missing) for slice in sorted(slices, key=lambda each: each.metadata.name)
    ]
    rest = [missing[ip] for ip in sorted(missing)]
    # Those that are written anyway first; then the fullest, so that the others may become empty.
    for draft in sorted(drafts, key=lambda each: (not each.is_touched, -len(each.addresses))):
        if draft.addresses:
            room = FULL - len(draft.addresses)
            draft.addresses += rest[:room]
            rest = rest[room:]
    spare = [draft for draft in drafts if not draft.addresses]
    while rest:
        draft = spare.pop(0) if spare else _Draft(None, [])
        draft.addresses, rest = rest[:FULL], rest[FULL:]
        if draft.before is None:
            drafts.append(draft)
    return _finish(peers, drafts, exists)


def _stay(slice: PeerSlice, missing: dict[str, PeerAddress]) -> _Draft:
    """The slice with those who stay, as they are now. They are taken out of `missing`."""
    staying = (missing.pop(each.ip, None) for each in slice.addresses)
    return _Draft(slice, [each for each in staying if each is not None])


def _finish(
    peers: PeerSelector, drafts: list[_Draft], exists: Callable[[str], bool]
) -> Plan[PeerSlice]:
    made, key = Plan[PeerSlice](), policies.key(peers)
    # Always the same names: whoever does not see yet what was made a moment ago is refused, and looks again.
    names = (name for number in count() if not exists(name := f"peers-{key}-{number}"))
    for draft in drafts:
        if draft.before is None:
            meta = ObjectMeta(name=next(names), labels={policies.PEERS: key})
            made.create.append(PeerSlice(metadata=meta, peers=peers, addresses=draft.addresses))
        elif not draft.addresses:
            made.delete.append(draft.before)
        elif draft.is_touched:
            slice = PeerSlice()
            slice.CopyFrom(draft.before)
            slice.ClearField("addresses")
            slice.addresses.extend(draft.addresses)
            made.update.append(slice)
    return made
