"""Near these pods, away from those (S#53).

Affinity: in the node's domain there must already be a pod that fits all terms. Taken literally, the first replica
of a group that wants to be together could never start; so if no such pod exists anywhere, and the new pod fits its
own terms, it may go wherever the label exists. Anti-affinity holds in both directions: a pod that wants no database
beside it also keeps a later database away, or it would depend on who came first.
"""

from control_plane.scheduler.company import Company, Levels
from control_plane.scheduler.refusal import FITS, Refusal, Refusals

NAME = "InterPodAffinity"
NOT_NEAR = Refusal(NAME, "node(s) didn't match pod affinity rules")
NOT_APART = Refusal(NAME, "node(s) didn't match pod anti-affinity rules")
REPELLED = Refusal(NAME, "node(s) didn't satisfy existing pods anti-affinity rules")


def has_right_company(company: Company, levels: Levels) -> Refusals:
    if company.near and not _is_near(company, levels):
        return (NOT_NEAR,)
    if any(levels[position] for position in company.apart):
        return (NOT_APART,)
    if any(levels[position] for position in company.repelled):
        return (REPELLED,)
    return FITS


def _is_near(company: Company, levels: Levels) -> bool:
    counts = [levels[position] for position in company.near]
    if None in counts:  # no such domain
        return False
    nowhere = not any(company.tallies[position].total for position in company.near)
    return all(counts) or (nowhere and company.near_itself)
