"""Evenly over the domains (S#53): with the pod, no domain may be more than maxSkew ahead of the emptiest one.

The emptiest domain may have no pod at all, and it counts even if nothing fits there: that is what DoNotSchedule
means. Only nodes count that the pod could be on (its node affinity; with nodeTaintsPolicy Honor also taints) and
that have all the labels it spreads by. With fewer domains than minDomains the emptiest is taken to be an empty one
yet to come.
"""

from control_plane.scheduler.company import Company, Levels
from control_plane.scheduler.refusal import FITS, Refusal, Refusals
from control_plane.scheduler.tally import SpreadTally

NAME = "PodTopologySpread"
UNEVEN = Refusal(NAME, "node(s) didn't match pod topology spread constraints")
NO_LABEL = Refusal(NAME, UNEVEN.words + " (missing required label)")


def keeps_even(company: Company, levels: Levels) -> Refusals:
    for spread, position in company.hard:
        here = levels[position]
        if here is None:
            return (NO_LABEL,)
        tally = company.tallies[position]
        assert isinstance(tally, SpreadTally)
        emptiest = tally.lowest if len(tally.counts) >= spread.min_domains else 0
        itself = spread.selector.matches(company.shape.labels)
        if here + itself - emptiest > spread.max_skew:
            return (UNEVEN,)
    return FITS
