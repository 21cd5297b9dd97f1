"""What an agent remembers of one pod beyond what the runtime tells: only what may be lost.

After a restart of the agent the memory is empty, and nothing is wrong: probes ask again, pulls are tried again, a
termination gets its full grace period again. One owner: the pod's worker, and the hands that work for it.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

CONFIG_ERROR, MOUNT_ERROR = "CreateContainerConfigError", "FailedMount"
ProbeKind = Literal["startup", "liveness", "readiness"]


@dataclass(frozen=True)
class Failure:
    """A probe's verdict against a container: it is to be killed."""

    kind: ProbeKind
    grace: int | None = None  # seconds; the probe's own, before the pod's


@dataclass
class Health:
    """What the probes say of one run of a container. Without a probe the answer is fixed from the start."""

    started: bool
    ready: bool
    failure: Failure | None = None


@dataclass(frozen=True)
class Problem:
    """Why a container has not been started; shown as its waiting state until it is."""

    reason: str
    message: str
    since: datetime
    retry_at: datetime
    delay: float = 0.0  # seconds between since and retry_at
    announced: bool = False  # the BackOff event is out, and the reason says so


@dataclass(frozen=True)
class Ending:
    """The pod is to stop running, for good."""

    deadline: datetime  # by then everything is killed
    grace: float  # seconds that were given
    phase: Literal["", "Failed"] = ""  # with a reason of its own; "" is as the containers end
    reason: str = ""
    message: str = ""


@dataclass
class Memory:
    health: dict[str, Health] = field(default_factory=dict)  # by container id
    problems: dict[str, Problem] = field(default_factory=dict)  # by container name
    sandbox_problem: Problem | None = None
    hooked: set[str] = field(default_factory=set)  # ids whose postStart hook has not ended
    announced: set[str] = field(default_factory=set)  # ids of ended runs whose BackOff event is out
    ending: Ending | None = None
    deleted: bool = False  # the object has a deletionTimestamp, or is gone from the server
    vanished: bool = False  # the object is gone from the server
    network_ready: bool = False  # the sandbox's network is wired
    taken_down: bool = False  # sandbox stopped, network and volumes given back
    volumes_stale: bool = False  # what its volumes show has changed; they have not yet
    renew_at: datetime | None = None  # when a token in its volumes is to be renewed
    retry_at: datetime | None = None  # the last step failed: not before this time

    def config_changed(self, now: datetime) -> None:
        """A ConfigMap or Secret of the pod has changed: whoever waits for one need not wait any longer."""
        self.volumes_stale = True
        for name, problem in self.problems.items():
            if problem.reason == CONFIG_ERROR:
                self.problems[name] = replace(problem, retry_at=min(problem.retry_at, now))
        waiting = self.sandbox_problem
        if waiting is not None and waiting.reason == MOUNT_ERROR:
            self.sandbox_problem = replace(waiting, retry_at=min(waiting.retry_at, now))

    def forget_runs(self, alive: set[str]) -> None:
        """Drop what is about containers that are no more."""
        for run in self.health.keys() - alive:
            del self.health[run]
        self.announced &= alive
