"""How many pods of one sort each domain has: the numbers behind affinity and spreading."""

from collections import Counter
from collections.abc import Callable, Container

from control_plane.scheduler.shape import Shape
from control_plane.scheduler.terms import HOSTNAME

Weigh = Callable[[Shape], int]  # what a pod of that shape adds to the count


class _Everywhere:
    def __contains__(self, order: object) -> bool:
        return True


EVERYWHERE: Container[int] = _Everywhere()


class Tally:
    """Counts by domains of `key`; only pods on `nodes` (by order) count."""

    __slots__ = ("by_count", "counts", "key", "nodes", "total", "weigh")

    def __init__(self, key: str, weigh: Weigh) -> None:
        self.key, self.weigh = key, weigh
        self.nodes: Container[int] = EVERYWHERE
        self.counts: dict[str, int] = {}  # by the label's value
        self.total = 0  # of all counts
        self.by_count = key == HOSTNAME  # how company.py groups nodes

    def add(self, domain: str, number: int) -> None:
        self.counts[domain] = self.counts.get(domain, 0) + number
        self.total += number


class SpreadTally(Tally):
    """A tally that also knows its smallest count. Domains without a pod must be opened, for they are the smallest."""

    __slots__ = ("_domains", "_lowest")

    def __init__(self, key: str, weigh: Weigh) -> None:
        super().__init__(key, weigh)
        self._domains: Counter[int] = Counter()  # count -> how many domains have it
        self._lowest = 0  # no domain has less

    def open(self, domain: str) -> None:
        if domain not in self.counts:
            self.counts[domain] = 0
            self._domains[0] += 1
            self._lowest = 0

    def add(self, domain: str, number: int) -> None:
        self.open(domain)
        self._domains[self.counts[domain]] -= 1
        super().add(domain, number)
        after = self.counts[domain]
        self._domains[after] += 1
        self._lowest = min(self._lowest, after)

    @property
    def lowest(self) -> int:
        """The smallest count of any domain. It moves up one by one as pods come, so this hardly ever searches."""
        if not self.counts:
            return 0
        while not self._domains[self._lowest]:
            del self._domains[self._lowest]
            self._lowest += 1
        return self._lowest
