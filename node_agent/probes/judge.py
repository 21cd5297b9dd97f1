"""From single checks to a verdict: so many in a row turn it. Pure.

https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/
"""

from dataclasses import dataclass, field

from proto.v1.pod_pb2 import Probe


@dataclass(frozen=True)
class Timing:
    """A probe's numbers, with the defaults filled in; seconds and counts."""

    initial_delay: int
    period: int
    timeout: int
    success_threshold: int
    failure_threshold: int


def timing(probe: Probe) -> Timing:
    return Timing(
        probe.initialDelaySeconds,
        probe.periodSeconds or 10,
        probe.timeoutSeconds or 1,
        probe.successThreshold or 1,
        probe.failureThreshold or 3,
    )


@dataclass
class Judge:
    """Counts equal results in a row. Owner: the loop of one probe of one run."""

    timing: Timing
    _last: bool | None = field(default=None, init=False)
    _count: int = field(default=0, init=False)

    def observe(self, ok: bool) -> bool | None:
        """The verdict that this check brings about; None while there are too few of its kind."""
        self._count = self._count + 1 if ok == self._last else 1
        self._last = ok
        needed = self.timing.success_threshold if ok else self.timing.failure_threshold
        return ok if self._count >= needed else None
