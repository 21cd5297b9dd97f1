"""One step from the old template to the new one, when every node has its pod.

There are two ways, and the bounds say which. `maxUnavailable`: so many nodes may be without a pod that works; old pods
are ended, and their successors come when they are gone. `maxSurge`: on so many nodes a new pod may run beside the old
one, which is ended when the new one is available. An old pod that does not work anyway is replaced at once, either way.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from control_plane.controllers.daemonset.sites import Site
from control_plane.controllers.daemonset.template import is_of
from control_plane.controllers.deployment.bounds import Bounds, count
from control_plane.controllers.pods import is_available
from proto.v1.apps_pb2 import DaemonSet
from proto.v1.pod_pb2 import Pod


@dataclass
class Step:
    create: list[str] = field(default_factory=list)  # nodes
    delete: list[Pod] = field(default_factory=list)


def bounds_of(daemonset: DaemonSet, desired: int) -> Bounds:
    """Percentages are of the nodes that should run the pod, rounded up. Both 0 would be no rollout at all."""
    strategy = daemonset.spec.updateStrategy
    if strategy.type != "RollingUpdate":
        return Bounds(0, 0)
    rolling = strategy.rollingUpdate
    surge = count(rolling.maxSurge, desired, math.ceil)
    unavailable = count(rolling.maxUnavailable, desired, math.ceil)
    return Bounds(surge, unavailable) if surge or unavailable else Bounds(0, 1)


def may_surge(daemonset: DaemonSet) -> bool:
    """A node may have two pods for a while."""
    return bounds_of(daemonset, 1).surge > 0


@dataclass(frozen=True)
class Rollout:
    daemonset: DaemonSet
    digest: str  # of the present template
    now: datetime

    def step(self, sites: Sequence[Site]) -> Step:
        there = [site for site in sites if site.exists and (site.pods or site.verdict.wanted)]
        desired = sum(site.verdict.wanted for site in there)
        bounds = bounds_of(self.daemonset, desired)
        if bounds.surge:
            return self._beside(there, bounds.surge, desired)
        return self._instead(there, bounds.unavailable)

    def _instead(self, sites: Sequence[Site], most: int) -> Step:
        """What is unavailable counts first, whatever its template; the rest of the bound is for old pods that work."""
        unavailable, broken, candidates = 0, [], []
        for site in sites:
            new, old = self._split(site)
            if site.coming or len(new) + len(old) != 1:
                unavailable += 1  # none, or too many: `settle` is at it
            elif new:
                unavailable += not self._works(new[0])
            elif self._works(old[0]):
                candidates.append(old[0])
            else:
                broken.append(old[0])
                unavailable += 1
        return Step(delete=broken + candidates[: max(0, most - unavailable)])

    def _beside(self, sites: Sequence[Site], most: int, desired: int) -> Step:
        step, candidates, leaving = Step(), list[str](), list[Pod]()
        surging = available = 0
        for site in sites:
            new, old = self._split(site)
            if site.coming or len(new) > 1 or len(old) > 1:
                surging += 1
                continue
            available += any(map(self._works, old or new))
            if not old:
                continue
            if new:
                if self._works(new[0]):
                    step.delete.append(old[0])
                else:
                    surging += 1
            elif self._works(old[0]):
                if site.verdict.wanted:
                    candidates.append(site.node)
                else:
                    leaving.append(old[0])
            elif site.verdict.wanted:
                step.create.append(site.node)
            else:
                step.delete.append(old[0])
        step.create += candidates[: max(0, most - surging)]
        # Where no pod should be any more, the old one stays until there are enough that work elsewhere.
        step.delete += leaving[: max(0, available - desired)]
        return step

    def _split(self, site: Site) -> tuple[list[Pod], list[Pod]]:
        """The pods that stay: of the present template, and of older ones."""
        new = [pod for pod in site.staying if is_of(pod, self.digest)]
        return new, [pod for pod in site.staying if not is_of(pod, self.digest)]

    def _works(self, pod: Pod) -> bool:
        return is_available(pod, self.daemonset.spec.minReadySeconds, self.now)
