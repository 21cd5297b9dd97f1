"""Which pod has which address of the node's range. Pure, and forgetful on purpose.

Nothing is written to disk: the address is a label of the pod's sandbox, so after a restart the
agent tells us (`adopt`) what the runtime remembers, and an address given to a pod that never came
to be is free again. An address is used again as late as possible, the longest unused first: somewhere
a client still has a connection, or a name server's old answer, for the pod that had it.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network


class AddressesExhausted(Exception):
    """The node's range is full; the message says how to get more."""


class AddressPool:
    """The addresses of one range, first come, first served.

    The first address is the gateway's, the range's own and the broadcast address are nobody's.
    Invariant: each address from the second to `_next - 1` is either in `_owners` or in `_freed`.
    """

    def __init__(self, cidr: str) -> None:
        self.network = IPv4Network(cidr)
        if self.network.num_addresses < 4:
            raise ValueError(f"pod range {cidr} is too small: it needs at least four addresses")
        self.gateway = str(self.network[1])
        self._next = 2  # offset of the first address never used
        self._freed: dict[int, None] = {}  # offsets, the longest unused first
        self._owners: dict[int, str] = {}  # offset → pod uid
        self._offsets: dict[str, int] = {}  # pod uid → offset

    def allocate(self, pod_uid: str) -> str:
        """The pod's address, the same one when asked again. Raises AddressesExhausted."""
        offset = self._offsets.get(pod_uid)
        if offset is None:
            offset = self._take()
            self._give(offset, pod_uid)
        return str(self.network[offset])

    def adopt(self, taken: Iterable[tuple[str, str]]) -> list[str]:
        """Learn (pod uid, address) pairs that are in use already.

        Returns a sentence for each that cannot be: outside the range, or another pod's.
        """
        problems = []
        for pod_uid, address in taken:
            offset = int(IPv4Address(address)) - int(self.network.network_address)
            if not 2 <= offset < self.network.num_addresses - 1:
                problems.append(f"pod {pod_uid} has {address}, which is not of {self.network}")
            elif self._owners.get(offset, pod_uid) != pod_uid:
                problems.append(f"pod {pod_uid} has {address}, as has pod {self._owners[offset]}")
            else:
                self._freed.update((gap, None) for gap in range(self._next, offset))
                self._next = max(self._next, offset + 1)
                self._freed.pop(offset, None)
                self._give(offset, pod_uid)
        return problems

    def release(self, pod_uid: str) -> None:
        """The pod is gone. No-op when it had none."""
        offset = self._offsets.pop(pod_uid, None)
        if offset is not None:
            del self._owners[offset]
            self._freed[offset] = None

    def owned(self) -> dict[str, str]:
        """Pod uid → address, of all that have one."""
        return {uid: str(self.network[offset]) for uid, offset in self._offsets.items()}

    def _take(self) -> int:
        if self._next < self.network.num_addresses - 1:
            self._next += 1
            return self._next - 1
        if not self._freed:
            raise AddressesExhausted(
                f"all {len(self._owners)} addresses of {self.network} are in use: "
                "move pods to another node, or give the nodes larger ranges"
            )
        offset = next(iter(self._freed))
        del self._freed[offset]
        return offset

    def _give(self, offset: int, pod_uid: str) -> None:
        self._owners[offset] = pod_uid
        self._offsets[pod_uid] = offset
