"""Whatever is asked of a StatefulSet and whatever happens to its pods: names stay unique, order holds, and it settles.

The world here is the plan and a dictionary of pods. Each rule is something a user, a node or the controller may do next.
"""

from datetime import UTC, datetime
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from api import clock
from control_plane.apiserver.validation.statefulset import validate_statefulset_status
from control_plane.controllers.pods import is_ending, is_over
from control_plane.controllers.statefulset.identity import ordinal_of, ordinals, revision_of
from control_plane.controllers.statefulset.plan import Plan, Versions, plan
from control_plane.controllers.statefulset.status import is_unavailable
from proto.v1.apps_pb2 import StatefulSet
from proto.v1.pod_pb2 import Pod
from tests.manifests import created

NOW = datetime(2026, 1, 1, tzinfo=UTC)
which = st.integers(0, 99)


class World(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.sts: StatefulSet = created("StatefulSet", {"spec": {"replicas": 3}})
        self.pods: dict[str, Pod] = {}
        self.version, self.made = 1, 0

    # What users ask for

    @rule(replicas=st.integers(0, 5))
    def scale(self, replicas: int) -> None:
        self.sts.spec.replicas = replicas

    @rule(version=st.integers(1, 3))
    def change_the_template(self, version: int) -> None:
        self.version = version

    @rule(start=st.integers(0, 2))
    def renumber(self, start: int) -> None:
        self.sts.spec.ordinals.start = start

    @rule(partition=st.integers(0, 4), maximum=st.integers(0, 3))
    def roll(self, partition: int, maximum: int) -> None:
        """`maximum` 0: not set."""
        strategy = self.sts.spec.updateStrategy
        strategy.Clear()
        strategy.type, strategy.rollingUpdate.partition = "RollingUpdate", partition
        if maximum:
            strategy.rollingUpdate.maxUnavailable.number_value = maximum

    @rule(bounds=st.booleans())
    def be_simple(self, bounds: bool) -> None:
        """`bounds`: no bounds are given; else nothing is renewed."""
        self.sts.spec.updateStrategy.Clear()
        self.sts.spec.updateStrategy.type = "RollingUpdate" if bounds else "OnDelete"

    # What happens to pods

    @precondition(lambda self: self.pods)
    @rule(pick=which, state=st.sampled_from(["ready", "unready", "Failed", "Succeeded", "ending"]))
    def something_happens(self, pick: int, state: str) -> None:
        pod = self._picked(pick)
        if is_over(pod):
            return
        if state == "ending":
            pod.metadata.deletionTimestamp.CopyFrom(clock.timestamp(NOW))
        elif state in ("Failed", "Succeeded"):
            pod.status.phase = state
            del pod.status.conditions[:]
        else:
            _set_ready(pod, ready=state == "ready")

    @precondition(lambda self: any(map(is_ending, self.pods.values())))
    @rule(pick=which)
    def one_that_was_told_to_end_is_gone(self, pick: int) -> None:
        ending = [name for name, pod in sorted(self.pods.items()) if is_ending(pod)]
        del self.pods[ending[pick % len(ending)]]

    def _picked(self, pick: int) -> Pod:
        return self.pods[sorted(self.pods)[pick % len(self.pods)]]

    # What the controller does

    @rule()
    def the_controller_steps(self) -> None:
        self._step()

    def _step(self) -> Plan:
        update = f"r{self.version}"
        current = self.sts.status.currentRevision or update
        versions = Versions(current, update, self.sts.spec.template)
        todo = plan(self.sts, list(self.pods.values()), versions, NOW)
        self._check(todo, update)
        self.sts.status.CopyFrom(todo.status)
        for pod in todo.create:
            self._make(pod)
        for pod in todo.delete:
            pod.metadata.deletionTimestamp.CopyFrom(clock.timestamp(NOW))
        return todo

    def _make(self, draft: Pod) -> None:
        name = draft.metadata.name
        assert name not in self.pods, f"{name} is taken"
        self.made += 1
        draft.metadata.uid, draft.status.phase = f"u{self.made}", "Pending"
        self.pods[name] = draft

    def _is_down(self, pod: Pod | None) -> bool:
        return pod is None or is_unavailable(self.sts, pod, NOW)

    def _check(self, todo: Plan, update: str) -> None:
        before = StatefulSet(status=self.sts.status)
        assert validate_statefulset_status(StatefulSet(status=todo.status), before) == []
        assert not any(is_ending(pod) for pod in todo.delete), "nothing is ended twice"
        wanted = ordinals(self.sts)
        strategy = self.sts.spec.updateStrategy
        if self.sts.spec.podManagementPolicy != "Parallel":
            self._check_order(todo)
        for pod in todo.delete:
            ordinal = ordinal_of(self.sts, pod)
            assert ordinal is not None
            if ordinal in wanted and not is_over(pod):
                assert strategy.type == "RollingUpdate"
                assert revision_of(pod) != update
                assert ordinal - wanted.start >= strategy.rollingUpdate.partition

    def _check_order(self, todo: Plan) -> None:
        """One thing at a time, and each only when all before it are well."""
        budget = self.sts.spec.updateStrategy.rollingUpdate.maxUnavailable.number_value
        assert len(todo.create) + len(todo.delete) <= max(1, budget)
        wanted = ordinals(self.sts)
        for pod in (*todo.create, *todo.delete):
            ordinal = ordinal_of(self.sts, pod)
            assert ordinal is not None
            lower = [self.pods.get(f"web-{n}") for n in wanted if n < ordinal]
            others_are_well = not any(map(self._is_down, lower))
            condemned = ordinal not in wanted
            assert others_are_well or (condemned and ordinal < wanted.start)

    def teardown(self) -> None:
        """When all pods do as they are told, it comes to rest, and then there is what was asked for."""
        for _ in range(100):
            for name, pod in list(self.pods.items()):
                if is_ending(pod):
                    del self.pods[name]
                elif not is_over(pod):
                    _set_ready(pod, ready=True)
            todo = self._step()
            if not (todo.create or todo.delete):
                break
        else:
            raise AssertionError("it does not settle")
        assert sorted(self.pods) == sorted(f"web-{n}" for n in ordinals(self.sts))
        strategy = self.sts.spec.updateStrategy
        if strategy.type == "RollingUpdate":
            due = ordinals(self.sts)[strategy.rollingUpdate.partition :]
            renewed = {revision_of(self.pods[f"web-{n}"]) for n in due}
            assert renewed <= {f"r{self.version}"}


class ParallelWorld(World):
    def __init__(self) -> None:
        super().__init__()
        self.sts.spec.podManagementPolicy = "Parallel"


def _set_ready(pod: Pod, *, ready: bool) -> None:
    del pod.status.conditions[:]
    pod.status.phase = "Running"
    told: dict[str, Any] = {"type": "Ready", "status": "True" if ready else "False"}
    pod.status.conditions.add(lastTransitionTime=clock.timestamp(NOW), **told)


def test_in_order() -> None:
    run_state_machine_as_test(World, settings=settings(max_examples=150, deadline=None))  # type: ignore[no-untyped-call]


def test_in_parallel() -> None:
    run_state_machine_as_test(ParallelWorld, settings=settings(max_examples=150, deadline=None))  # type: ignore[no-untyped-call]
