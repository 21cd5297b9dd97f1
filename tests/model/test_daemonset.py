"""Random lives of a DaemonSet, decided by the real plan in an imagined world: its promises hold at every moment."""

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from api import clock
from control_plane.controllers.daemonset.nodes import BOTH, NEITHER, STAY, Verdict
from control_plane.controllers.daemonset.plan import Plan, plan
from control_plane.controllers.daemonset.sites import Site, sites_of
from control_plane.controllers.daemonset.template import POD_LABEL, new_pod, node_of
from control_plane.controllers.pods import is_ending, is_over, ready_since
from proto.v1.pod_pb2 import Pod
from tests.unit.controllers.test_daemonset_plan import NOW, web

NODES = [f"n{number}" for number in range(4)]
ways = st.sampled_from([(1, 0), (2, 0), ("50%", 0), (0, 1), (0, "50%")])
operation = st.one_of(
    st.tuples(st.just("template"), st.none(), st.none()),
    st.tuples(st.just("node"), st.sampled_from(NODES), st.sampled_from([BOTH, BOTH, STAY, NEITHER])),
    st.tuples(
        st.sampled_from(["ready", "ready", "ready", "unready", "fail", "gone", "gone"]),
        st.sampled_from(NODES),
        st.none(),
    ),
    st.tuples(st.just("delete"), st.sampled_from(NODES), st.none()),
)  # fmt: skip


class World:
    def __init__(self, way: tuple[Any, Any]) -> None:
        self.daemonset, self.surges = web(*way), way[0] == 0
        self.verdicts: dict[str, Verdict] = dict.fromkeys(NODES, BOTH)
        self.pods: dict[str, Pod] = {}
        self.version, self.count = 1, 0

    @property
    def digest(self) -> str:
        return f"v{self.version}"

    def sites(self) -> list[Site]:
        return sites_of(self.verdicts, self.pods.values())

    def on(self, node: str) -> list[Pod]:
        return [pod for pod in self.pods.values() if node_of(pod) == node]

    def works(self, node: str) -> bool:
        return any(ready_since(pod) is not None and not is_ending(pod) for pod in self.on(node))

    def working(self) -> int:
        return sum(self.works(node) for node in NODES if self.verdicts[node].wanted)

    def happen(self, what: str, node: Any, verdict: Any) -> None:
        if what == "template":
            self.version += 1
        elif what == "node":
            self.verdicts[node] = verdict
        else:
            for pod in self.on(node):
                getattr(self, what)(pod)

    def wait(self, pod: Pod) -> None:
        """Nothing happens, but the controller looks."""

    def ready(self, pod: Pod) -> None:
        if not is_over(pod) and not is_ending(pod):
            del pod.status.conditions[:]
            since = clock.timestamp(NOW - timedelta(hours=1))
            pod.status.conditions.add(type="Ready", status="True", lastTransitionTime=since)

    def unready(self, pod: Pod) -> None:
        del pod.status.conditions[:]

    def fail(self, pod: Pod) -> None:
        self.unready(pod)
        pod.status.phase = "Failed"

    def delete(self, pod: Pod) -> None:
        pod.metadata.deletionTimestamp.CopyFrom(clock.timestamp(NOW))

    def gone(self, pod: Pod) -> None:
        if is_ending(pod):
            del self.pods[pod.metadata.uid]

    def step(self) -> Plan:
        todo = plan(self.daemonset, self.sites(), self.digest, NOW)
        for node in todo.create:
            self.count += 1
            made = new_pod(self.daemonset, f"web-{self.count}", node, self.digest)
            made.metadata.uid, made.spec.nodeName = f"u{self.count}", node
            made.metadata.creationTimestamp.seconds = self.count
            made.status.phase = "Running"
            self.pods[made.metadata.uid] = made
        for pod in todo.delete:
            self.delete(self.pods[pod.metadata.uid])
        return todo

    def check(self, working_before: int, todo: Plan) -> None:
        for node in NODES:
            running = [pod for pod in self.on(node) if not is_over(pod)]
            staying = [pod for pod in running if not is_ending(pod)]
            assert len(staying) <= (2 if self.surges else 1)
            assert self.surges or len(running) <= 1, "its successor comes when it is gone"
        wanted = sum(verdict.wanted for verdict in self.verdicts.values())
        missing = 0 if self.surges else {1: 1, 2: 2}.get(self.bound(), -(-wanted // 2))
        if todo.delete:
            assert self.working() >= min(working_before, wanted - missing)

    def bound(self) -> int:
        """The number, 0 for a percentage."""
        return int(self.daemonset.spec.updateStrategy.rollingUpdate.maxUnavailable.number_value)


@settings(max_examples=200, deadline=None)
@given(ways, st.lists(operation, max_size=40))
def test_whatever_happens_the_bounds_hold_and_in_the_end_every_node_has_its_pod(
    way: tuple[Any, Any], operations: list[tuple[str, Any, Any]]
) -> None:
    world = World(way)
    for what, node, verdict in operations:
        world.happen(what, node, verdict)
        before = world.working()
        world.check(before, world.step())
    _calm_down(world)
    for node, verdict in world.verdicts.items():
        pods = world.on(node)
        if verdict.wanted:
            assert [pod.metadata.labels[POD_LABEL] for pod in pods] == [world.digest]
        assert len(pods) <= verdict.kept


def _calm_down(world: World) -> None:
    """Nodes do their work, one after the other, until there is nothing left to be done."""
    for _ in range(20):
        busy = False
        for node in NODES:
            for what in ("gone", "wait", "ready"):
                world.happen(what, node, None)
                before = world.working()
                todo = world.step()
                world.check(before, todo)
                busy |= bool(todo.create or todo.delete)
        if not busy and not any(map(is_ending, world.pods.values())):
            return
    raise AssertionError("it never comes to rest")
