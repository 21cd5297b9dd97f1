"""What a DaemonSet reports: counts of nodes, each seen through the pod that has been there longest."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from control_plane.controllers.daemonset.sites import Site
from control_plane.controllers.daemonset.template import is_of
from control_plane.controllers.ledger import Ledger
from control_plane.controllers.pods import available_at, is_available, ready_since
from proto.v1.apps_pb2 import DaemonSet, DaemonSetStatus


def status_of(
    daemonset: DaemonSet, sites: Sequence[Site], digest: str, collisions: int, now: datetime
) -> DaemonSetStatus:
    """`collisions`: how often the name of a revision was taken."""
    delay = daemonset.spec.minReadySeconds
    wanted = [site for site in sites if site.verdict.wanted]
    first = [site.pods[0] for site in wanted if site.pods]
    available = sum(is_available(pod, delay, now) for pod in first)
    status = DaemonSetStatus(
        desiredNumberScheduled=len(wanted),
        currentNumberScheduled=len(first),
        numberMisscheduled=sum(
            bool(site.pods) for site in sites if site.exists and not site.verdict.wanted
        ),
        numberReady=sum(ready_since(pod) is not None for pod in first),
        updatedNumberScheduled=sum(is_of(pod, digest) for pod in first),
        numberAvailable=available,
        numberUnavailable=len(wanted) - available,
        observedGeneration=daemonset.metadata.generation,
        conditions=daemonset.status.conditions,
    )
    if collisions or daemonset.status.HasField("collisionCount"):
        status.collisionCount = collisions
    return status


def next_look(
    daemonset: DaemonSet,
    sites: Iterable[Site],
    held: Iterable[datetime],
    ledger: Ledger,
    now: datetime,
) -> float | None:
    """Seconds until time alone changes something: a pod becomes available, or a pause or the ledger's patience ends."""
    delay = daemonset.spec.minReadySeconds
    moments = [available_at(pod, delay) for site in sites for pod in site.pods]
    due = [each for each in (*moments, *held, ledger.next_expiry()) if each and each > now]
    return (min(due) - now).total_seconds() if due else None
