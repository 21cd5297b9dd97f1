"""What a DaemonSet does next: first every node gets its one pod; when all have, the rollout takes a step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from control_plane.controllers.daemonset.rollout import Rollout
from control_plane.controllers.daemonset.settle import Settler
from control_plane.controllers.daemonset.sites import Site
from proto.v1.apps_pb2 import DaemonSet
from proto.v1.pod_pb2 import Pod

BURST = 250  # pods created, and pods deleted, in one go
NOBODY: Mapping[str, datetime] = {}


@dataclass(frozen=True)
class Plan:
    create: Sequence[str] = ()  # nodes: one pod for each
    delete: Sequence[Pod] = ()
    # Of those to delete, the ones that people are told about because they ended by themselves.
    failed: Sequence[Pod] = ()
    succeeded: Sequence[Pod] = ()


def plan(
    daemonset: DaemonSet,
    sites: Sequence[Site],
    digest: str,
    now: datetime,
    held: Mapping[str, datetime] = NOBODY,
) -> Plan:
    """`digest`: of the present template's revision. `held`: nodes where a failed pod is left alone until then."""
    first = Settler(daemonset, digest, now, held).settle(sites)
    if first.create or first.delete:
        delete = first.delete[:BURST]
        going = {pod.metadata.uid for pod in delete}
        return Plan(
            create=first.create[:BURST],
            delete=delete,
            failed=[pod for pod in first.failed if pod.metadata.uid in going],
            succeeded=[pod for pod in first.succeeded if pod.metadata.uid in going],
        )
    if daemonset.spec.updateStrategy.type != "RollingUpdate":
        return Plan()
    step = Rollout(daemonset, digest, now).step(sites)
    return Plan(create=step.create[:BURST], delete=step.delete[:BURST])
