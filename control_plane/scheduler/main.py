"""The scheduler's loop: take the next pod, choose, count it there, have it bound; and sleep when nobody waits.

    informers ──> cluster.py: snapshot and queue ──> choose.py ──> binder.py ──> API server
                                     ^                   │ nobody fits
                                     └── refused, wakes ─┴──> reporter.py: condition and event

Deciding is pure and fast, writing is slow and may fail. So decisions run ahead of the bindings, on a snapshot that
counts every pod as soon as it is placed, and a binding that fails takes its pod out again. Decisions are made in
slices, so that the rest of the process gets its turn, and no more than a few batches are under way, so that a slow
server slows us down.
"""

import asyncio

from api.client import Client
from api.informer import Informers
from api.recorder import Recorder
from control_plane.scheduler.binder import Binder, Decision
from control_plane.scheduler.choose import Chooser
from control_plane.scheduler.cluster import Cluster
from control_plane.scheduler.refusal import Unschedulable
from control_plane.scheduler.reporter import Reporter
from proto.v1.cluster_pb2 import Namespace, Node
from proto.v1.pod_pb2 import Pod

SLICE = 128  # decisions in a row; they are bound in one call
TURN = 0.02  # seconds after which a slice ends early
UNDER_WAY = 4  # batches of bindings at a time
IDLE = 30.0  # seconds without a pod to try after which rankings are forgotten


class Scheduler:
    """Construct it, start the informers, then `run` it."""

    def __init__(self, client: Client, *, recorder: Recorder, informers: Informers) -> None:
        self._informers = informers
        self._pods = informers.of(Pod)
        self._nodes, self._namespaces = informers.of(Node), informers.of(Namespace)
        self._changed = asyncio.Event()
        self._reporter = Reporter(client, recorder, self._pods)
        self.cluster = Cluster(self._changed.set, self._reporter.gated)
        self._chooser = Chooser(self.cluster.snapshot)
        self._binder = Binder(
            client, self.cluster, bound=self._reporter.bound, refused=self._reporter.rejected
        )

    async def run(self) -> None:
        """Place pods until cancelled."""
        await self._informers.wait_synced(Pod, Node, Namespace)
        # Nodes first: a decision must never see a part of them. Handlers are told at once what is there.
        self._namespaces.add_handler(self.cluster.on_namespace)
        self._nodes.add_handler(self.cluster.on_node)
        self._pods.add_handler(self.cluster.on_pod)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._reporter.run())
            await self._place_pods(tasks)

    async def _place_pods(self, tasks: asyncio.TaskGroup) -> None:
        under_way = asyncio.Semaphore(UNDER_WAY)

        async def bind(decisions: list[Decision]) -> None:
            try:
                await self._binder.bind(decisions)
            finally:
                under_way.release()

        while True:
            await under_way.acquire()
            decisions = self._decide()
            if decisions:
                tasks.create_task(bind(decisions))
                await asyncio.sleep(0)
            else:
                under_way.release()
                await self._sleep()

    def _decide(self) -> list[Decision]:
        """Place the next pods, a slice of them."""
        queue, time = self.cluster.queue, asyncio.get_running_loop().time
        decisions: list[Decision] = []
        end = time() + TURN
        for _ in range(SLICE):
            now = time()
            pod = queue.pop(now) if now <= end else None
            if pod is None:
                break
            result = self._chooser.choose(pod.shape)
            if isinstance(result, Unschedulable):
                queue.refused(pod, result.filters)
                self._reporter.unschedulable(pod, result.message)
            else:
                self.cluster.place(pod, result.name)
                decisions.append(Decision(pod, result.name))
        return decisions

    async def _sleep(self) -> None:
        """Until there is something to try."""
        self._changed.clear()
        queue = self.cluster.queue
        if queue.busy:
            await asyncio.sleep(0)
            return
        if not await self._something(IDLE):
            self._chooser.forget()
            await self._something(None)

    async def _something(self, seconds: float | None) -> bool:
        """Whether a change came, or a pod's time, within so many seconds. Without a limit: waits for it."""
        loop = asyncio.get_running_loop()
        due = self.cluster.queue.next_time()
        wait = None if due is None else max(due - loop.time(), 0)
        limited = seconds is not None and (wait is None or seconds < wait)
        try:
            async with asyncio.timeout(seconds if limited else wait):
                await self._changed.wait()
        except TimeoutError:
            return not limited
        return True


async def run(client: Client, *, recorder: Recorder, informers: Informers) -> None:
    """Schedule until cancelled. The informers and the recorder are somebody else's to run."""
    await Scheduler(client, recorder=recorder, informers=informers).run()
