"""How long a container that keeps ending has to wait, and an image that cannot be pulled.

A crash loop: the first restart is immediate, then 10, 20, 40, 80, 160 and from then on 300 seconds after the end of
the last run; a run that lasted more than 600 seconds is forgiven everything. The state of this is one number, and
it lies with the container itself (`BACKOFF_LABEL`), so that an agent that was killed goes on exactly where it was.
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from node_agent.pods.view import BACKOFF_LABEL
from node_agent.runtime.model import ContainerStatus

FIRST, LONGEST = 10.0, 300.0  # seconds
FORGIVEN = timedelta(seconds=600)


@dataclass(frozen=True)
class Restart:
    """When a run that has ended may be followed by the next."""

    not_before: datetime
    delay: float  # seconds that this restart waits
    next_delay: float  # seconds that the one after it will wait: the next run's label


def restart(ended: ContainerStatus) -> Restart:
    """The rule, applied to the last run, which has ended."""
    finished = ended.finished_at or ended.created_at
    delay = float(ended.labels.get(BACKOFF_LABEL, "0"))
    if finished - ended.created_at > FORGIVEN:
        delay = 0.0
    return Restart(finished + timedelta(seconds=delay), delay, longer(delay))


def longer(delay: float) -> float:
    """The delay after this one: 0 → 10 → 20 → … → 300."""
    return min(delay * 2, LONGEST) if delay else FIRST


def spoken(seconds: float) -> str:
    """As Kubernetes writes durations: 10s, 1m20s, 5m0s."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
