"""One pod per node: make what is missing, end what is too many, what has ended by itself, and what lost its node.

A pod that is ending still occupies its node: its successor is made when it is gone, because two daemons of a kind
rarely get along. Only a DaemonSet that may surge has two pods on a node, an old and a new one, for as long as it takes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from control_plane.controllers.daemonset.rollout import may_surge
from control_plane.controllers.daemonset.sites import Site
from control_plane.controllers.daemonset.template import is_of
from control_plane.controllers.pods import is_available, is_over, ready_since
from proto.v1.apps_pb2 import DaemonSet
from proto.v1.pod_pb2 import Pod


@dataclass
class Settlement:
    create: list[str] = field(default_factory=list)  # nodes
    delete: list[Pod] = field(default_factory=list)
    failed: list[Pod] = field(default_factory=list)  # of those to delete
    succeeded: list[Pod] = field(default_factory=list)


@dataclass(frozen=True)
class Settler:
    daemonset: DaemonSet
    digest: str  # of the present template
    now: datetime
    held: Mapping[str, datetime]  # nodes where a failed pod is left alone still; see backoff.py

    def settle(self, sites: Sequence[Site]) -> Settlement:
        done, surges = Settlement(), may_surge(self.daemonset)
        for site in sites:
            if not site.exists:
                # One that is on a node that is gone is not ours to judge; one that waits for it would wait for ever.
                done.delete += [pod for pod in site.staying if not pod.spec.nodeName]
            elif not site.verdict.kept:
                done.delete += site.staying
            elif not site.coming:
                self._keep(site, done, surges=surges)
        return done

    def _keep(self, site: Site, done: Settlement, *, surges: bool) -> None:
        over = [pod for pod in site.staying if is_over(pod)]
        running = [pod for pod in site.staying if not is_over(pod)]
        held = self._clear(site, over, done)
        empty = not running and not held if surges else not site.pods
        if empty and site.verdict.wanted:
            done.create.append(site.node)
        elif len(running) > 1:
            done.delete += self._surplus(running) if surges else running[1:]

    def _clear(self, site: Site, over: Sequence[Pod], done: Settlement) -> bool:
        """Pods that have ended make room. Whether one is left alone for now, because it is not the first to fail."""
        failed = [pod for pod in over if pod.status.phase == "Failed"]
        held = bool(failed) and site.node in self.held
        if not held:
            done.failed += failed
            done.delete += failed
        succeeded = [pod for pod in over if pod.status.phase == "Succeeded"]
        done.succeeded += succeeded
        done.delete += succeeded
        return held

    def _surplus(self, running: Sequence[Pod]) -> list[Pod]:
        """Of each template the oldest stays; and of these two the old one, while it is ready and the new one is not."""
        new = [pod for pod in running if is_of(pod, self.digest)]
        old = [pod for pod in running if not is_of(pod, self.digest)]
        surplus = [*new[1:], *old[1:]]
        if new and old:
            delay = self.daemonset.spec.minReadySeconds
            if ready_since(old[0]) is None or is_available(new[0], delay, self.now):
                surplus.append(old[0])
        return surplus
