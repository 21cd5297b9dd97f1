"""Preferred company: the weights of all likes and dislikes that meet in a domain, the pod's and those of pods there.

The worst node gets 0, the best 100.
"""

from collections.abc import Sequence

from control_plane.scheduler.company import Company, Levels, Site


def liking(company: Company, levels: Levels) -> int:
    return sum(levels[position] or 0 for position in company.drawn)


def best_liked(company: Company, sites: Sequence[Site]) -> list[int]:
    if not company.drawn:
        return [0] * len(sites)
    sums = [liking(company, site.levels) for site in sites]
    least = min(sums, default=0)
    distance = max(sums, default=0) - least
    return [100 * (number - least) // distance if distance else 0 for number in sums]
