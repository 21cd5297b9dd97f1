"""Which part of the cluster's range is whose. Pure bookkeeping; what is written where, main.py knows.

The range is cut into parts of one size, numbered from 0. A part that came back is given away again as late as possible:
somewhere a route, or a connection, may still lead to the node that had it.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network

SMALLEST_MASK, MOST_PARTS = (
    29,
    1 << 16,
)  # six pods; as many nodes as Kubernetes' own allocator takes


class BadRange(ValueError):
    """The message says what does not fit."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A range, cut."""

    whole: IPv4Network
    mask: int  # prefix length of a part

    @classmethod
    def of(cls, cidr: str, mask: int) -> "Parts":
        """Raises BadRange."""
        try:
            whole = IPv4Network(cidr)
        except ValueError as error:
            raise BadRange(f"the cluster's range {cidr}: {error}") from None
        if not whole.prefixlen <= mask <= SMALLEST_MASK:
            raise BadRange(
                f"a node's part of {cidr} needs a mask size from {whole.prefixlen} to {SMALLEST_MASK}, not {mask}"
            )
        if 1 << (mask - whole.prefixlen) > MOST_PARTS:
            raise BadRange(
                f"{cidr} cut into /{mask}s makes more than {MOST_PARTS} parts: take larger parts"
            )
        return cls(whole, mask)

    @property
    def count(self) -> int:
        return 1 << (self.mask - self.whole.prefixlen)

    @property
    def _size(self) -> int:
        return 1 << (32 - self.mask)

    def part(self, number: int) -> str:
        return str(IPv4Network((int(self.whole.network_address) + number * self._size, self.mask)))

    def touched(self, cidr: str) -> range:
        """The numbers of the parts that this range has addresses of."""
        try:
            other = IPv4Network(cidr)
        except ValueError:
            return range(0)
        if not other.overlaps(self.whole):
            return range(0)
        base = int(self.whole.network_address)
        first = (int(other.network_address) - base) // self._size
        last = (int(other.broadcast_address) - base) // self._size
        return range(max(first, 0), min(last, self.count - 1) + 1)


class Allocation:
    """Who has what.

    Invariant: `_holders[n]` are the nodes one of whose ranges touches part n; more than one only if they brought them.
    """

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._given: dict[str, str] = {}  # node → the part that `take` chose for it
        self._held: dict[str, set[int]] = {}  # node → numbers of parts
        self._holders: defaultdict[int, set[str]] = defaultdict(set)
        self._next = 0  # where to look first

    def hold(self, node: str, cidrs: Iterable[str]) -> set[str]:
        """The node has these ranges; returns the other nodes that have addresses of them as well."""
        numbers = {number for cidr in cidrs for number in self.parts.touched(cidr)}
        if numbers != self._held.get(node):
            self.release(node)
            self._keep(node, numbers)
        return {other for number in numbers for other in self._holders[number]} - {node}

    def take(self, node: str, wish: str = "") -> str | None:
        """A part for the node, the same when asked again; the one it wishes for, if free. None: all are taken."""
        if node in self._given:
            return self._given[node]
        wished = self.parts.touched(wish)
        if len(wished) == 1 and self.parts.part(wished[0]) == wish and self._free(wished[0]):
            number: int | None = wished[0]
        else:
            around = (*range(self._next, self.parts.count), *range(self._next))
            number = next(filter(self._free, around), None)
        if number is None:
            return None
        self._keep(node, {number})
        self._given[node] = self.parts.part(number)
        return self._given[node]

    def release(self, node: str) -> bool:
        """The node is gone; whether it had anything."""
        self._given.pop(node, None)
        numbers = self._held.pop(node, set())
        for number in numbers:
            self._holders[number].discard(node)
            if not self._holders[number]:
                del self._holders[number]
        return bool(numbers)

    def _free(self, number: int) -> bool:
        return number not in self._holders

    def _keep(self, node: str, numbers: set[int]) -> None:
        self._held[node] = numbers
        for number in numbers:
            self._holders[number].add(node)
        self._next = max([self._next, *(number + 1 for number in numbers)]) % self.parts.count
