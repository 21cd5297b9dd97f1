"""One pod's own loop: look, report, plan, and let the hands do one step.

A step runs beside the loop, so a runtime call that hangs stops neither the reporting nor another pod; when the pod
is to end, a step that is still bringing it up is cut off. After a step nothing is planned until the runtime has
been looked at again: a plan never stands on what was true before the last deed.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from api import clock
from api.controller import pause
from api.errors import ApiError
from node_agent.pods import lifetime
from node_agent.pods.actions import Action, EndAll, Forget, Prepare, TakeDown
from node_agent.pods.hands import Case, Hands, Tools
from node_agent.pods.health import HealthWatch
from node_agent.pods.memory import Memory
from node_agent.pods.plan import plan
from node_agent.pods.records import Moment
from node_agent.pods.status import Place, pod_status
from node_agent.pods.view import View
from node_agent.runtime.errors import RuntimeFailure
from node_agent.runtime.model import PodRecord
from node_agent.spawning import spawn
from node_agent.volumes.contents import is_made_of_files
from proto.v1.pod_pb2 import Pod, PodStatus

log = logging.getLogger(__name__)
LONGEST_PAUSE = 10.0  # seconds until a step that failed is tried again


class PodWorker:
    """Owner of everything that is known of one pod here."""

    def __init__(
        self,
        pod: Pod,
        tools: Tools,
        hands: Hands,
        *,
        ask: Callable[[], None],
        moment: Moment,
        place: Place,
    ) -> None:
        """`ask` makes `Records` look again; `moment` is the clock it counts by."""
        self.pod = pod
        self.memory = Memory()
        self.record = PodRecord(pod.metadata.uid)
        self.memory.volumes_stale = any(map(is_made_of_files, pod.spec.volumes))
        self._tools, self._hands, self._place = tools, hands, place
        self._ask, self._moment = ask, moment
        self._reported = PodStatus()
        self._reported.CopyFrom(pod.status)
        self._attention = asyncio.Event()
        self._seen_at = -1  # the moment at which the list that `record` is from was begun
        self._acted_at = 0  # the moment of the end of the last step; older lists are stale
        self._step: asyncio.Task[None] | None = None
        self._doing: tuple[Action, ...] = ()  # the step's actions
        self._wake: datetime | None = None
        self._failures = 0  # steps in a row
        self._compared = ""  # the resourceVersion of the object that our status was compared with
        self._gone = False

    @property
    def view(self) -> View:
        return View(self.pod, self.record)

    # Told from outside; none of these waits.

    def update(self, pod: Pod) -> None:
        """The object has changed."""
        if _shown(pod) != _shown(self.pod):
            self.memory.volumes_stale = True
        self.pod = pod
        if pod.metadata.HasField("deletionTimestamp"):
            lifetime.delete(self.memory, pod, clock.now())
        self._attention.set()

    def vanish(self) -> None:
        """The object is gone from the server: nobody waits for the pod any more."""
        lifetime.vanish(self.memory, self.pod, clock.now())
        self._attention.set()

    def refuse(self, reason: str, message: str) -> None:
        """The pod must not run here."""
        lifetime.refuse(self.memory, reason, message, clock.now())
        self._attention.set()

    def _config_changed(self) -> None:
        """A ConfigMap or Secret that the pod names is another one now."""
        self.memory.config_changed(clock.now())
        self._attention.set()

    def observe(self, record: PodRecord, began: int) -> None:
        """What the runtime has of the pod, by a list that was begun at the moment `began`."""
        if began < self._acted_at:
            return
        stale = self._seen_at < self._acted_at
        if record != self.record or stale:
            self._attention.set()
        self.record, self._seen_at = record, began

    # The loop

    async def run(self) -> None:
        """Until nothing is left of the pod."""
        self._tools.config.follow(self.pod, self._config_changed)
        try:
            await self._live()
        finally:
            self._tools.config.leave(self.pod.metadata.uid)

    async def _live(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            watch = HealthWatch(
                self.memory, self._tools.runtime, self._tools.events, tasks, self._attention.set
            )
            self._attention.set()
            while not self._gone:
                await self._wait()
                lifetime.check_deadline(self.memory, self.pod, self._reported, clock.now())
                watch.follow(self.view, self._reported)
                self._report()
                self._act(tasks)
            watch.stop()

    async def _wait(self) -> None:
        now = clock.now()
        due = [t for t in (self._wake, lifetime.deadline(self.pod, self._reported)) if t]
        later = [t for t in due if t > now]
        seconds = (min(later) - now).total_seconds() if later else None
        if self._wake is not None and self._wake <= now:
            seconds = 0.0
        try:
            async with asyncio.timeout(seconds):
                await self._attention.wait()
        except TimeoutError:
            pass
        self._attention.clear()

    def _report(self) -> None:
        """Send the status if it says something new."""
        if self.memory.vanished or self._seen_at < 0:
            return
        before = PodStatus()
        before.CopyFrom(self._reported)
        lifetime.take_over(before, self.pod.status)
        status = pod_status(self.view, self.memory, before, clock.now(), self._place)
        if status != self._reported or self._is_overwritten(status):
            self._reported = status
            self._tools.publisher.put(self.pod, status)

    def _is_overwritten(self, status: PodStatus) -> bool:
        """Somebody else changed our part on the server. Asked once for each version of the object."""
        version = self.pod.metadata.resourceVersion
        if version == self._compared or not self._tools.publisher.is_latest(self.pod):
            return False
        self._compared = version
        return status != self.pod.status

    def _act(self, tasks: asyncio.TaskGroup) -> None:
        self._wake = None
        if self._step is not None:
            if self._is_overtaken():
                self._step.cancel()
            return
        if self._seen_at < self._acted_at:
            return  # what we know is older than what we did
        step = plan(self.view, self.memory, clock.now())
        self._wake = step.wake
        if step.actions:
            self._doing = step.actions
            self._step = spawn(tasks, self._carry_out(step.actions))

    def _is_overtaken(self) -> bool:
        """The pod is to end, sooner than the step under way would end it."""
        ending = self.memory.ending
        if ending is None or isinstance(self._doing[0], (TakeDown, Forget)):
            return False
        if isinstance(self._doing[0], EndAll):
            return ending.grace < self._doing[0].grace
        return True

    async def _carry_out(self, actions: tuple[Action, ...]) -> None:
        case = Case(self.view, self.memory)
        try:
            for action in actions:
                await self._hands.carry_out(action, case)
            self._failures = 0
            self.memory.retry_at = None
        except (RuntimeFailure, ApiError) as error:
            self._note(error, told=True)
        except Exception as error:
            self._note(error, told=False)
        finally:
            self._finish(case, actions)

    def _finish(self, case: Case, actions: tuple[Action, ...]) -> None:
        """A fresh sandbox is known without looking; anything else is looked at."""
        self._step, self._gone = None, case.gone
        self._acted_at = self._moment()
        if len(actions) == 1 and isinstance(actions[0], Prepare):
            self.record, self._seen_at = case.view.record, self._acted_at
        else:
            self._ask()
        self._attention.set()

    def _note(self, error: Exception, *, told: bool) -> None:
        self._failures += 1
        seconds = min(pause(self._failures), LONGEST_PAUSE)
        self.memory.retry_at = clock.now() + timedelta(seconds=seconds)
        log.log(
            logging.WARNING if told else logging.ERROR,
            "step_failed pod=%s/%s doing=%s retry_in=%.1f error=%r",
            *(self.pod.metadata.namespace, self.pod.metadata.name),
            *(type(self._doing[0]).__name__, seconds, str(error)),
            exc_info=not told,
        )


def _shown(pod: Pod) -> tuple[dict[str, str], dict[str, str]] | None:
    """What the pod's own volumes show of it and may change."""
    if not any(
        volume.HasField("downwardAPI") or volume.projected.sources for volume in pod.spec.volumes
    ):
        return None
    return dict(pod.metadata.labels), dict(pod.metadata.annotations)
