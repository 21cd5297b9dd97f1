"""Spreading as a wish (whenUnsatisfiable ScheduleAnyway): the fewer matching pods in a node's domains, the better.

Pods of a controller that say nothing about spreading wish to be spread over host names and, more weakly, over
zones. A count weighs ln(domains + 2), or three zones would say nothing beside a thousand hosts; maxSkew - 1 is
added to every domain, which makes small differences matter less. Nodes without the labels get 0, except for that
default wish.
"""

from collections.abc import Sequence
from math import floor, log

from control_plane.scheduler.company import Company, Site
from control_plane.scheduler.terms import HOSTNAME


def evenest(company: Company, sites: Sequence[Site]) -> list[int]:
    if not company.soft:
        return [0] * len(sites)
    counted = [site for site in sites if not _ignored(company, site)]
    weights = [
        log(_domains(spread.key, position, counted) + 2) for spread, position in company.soft
    ]
    burdens = [_burden(company, site, weights) for site in counted]
    most, least = max(burdens, default=0), min(burdens, default=0)
    scores = {
        site.place: 100 * (most + least - burden) // most if most else 100
        for site, burden in zip(counted, burdens, strict=True)
    }
    return [scores.get(site.place, 0) for site in sites]


def _ignored(company: Company, site: Site) -> bool:
    return not company.shape.spread_by_default and any(
        site.levels[position] is None for _, position in company.soft
    )


def _domains(key: str, position: int, sites: Sequence[Site]) -> int:
    if key == HOSTNAME:
        return sum(site.nodes for site in sites)
    return len({site.place[position] for site in sites})


def _burden(company: Company, site: Site, weights: Sequence[float]) -> int:
    burden = 0.0
    for (spread, position), weight in zip(company.soft, weights, strict=True):
        count = site.levels[position]
        if count is not None:
            burden += count * weight + (spread.max_skew - 1)
    return floor(burden + 0.5)
