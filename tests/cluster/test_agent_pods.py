"""The life of pods on a real agent, hollow containers and fake time."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

from google.protobuf.struct_pb2 import Value

from node_agent.runtime.errors import ExecTimeout
from node_agent.runtime.hollow import HollowRuntime
from node_agent.runtime.model import ExecResult
from proto.v1.pod_pb2 import (
    Container,
    ContainerPort,
    EnvVar,
    EnvVarSource,
    ExecAction,
    Lifecycle,
    LifecycleHandler,
    ObjectFieldSelector,
    Pod,
    Probe,
    ResourceRequirements,
    SecurityContext,
    SleepAction,
)
from tests.agent_world import World, condition, container, eventually, is_ready, now, pod, simulate


def exec_probe(*command: str, **numbers: Any) -> Probe:
    return Probe(exec=ExecAction(command=command), **numbers)


def waiting(found: Pod, index: int = 0) -> str:
    statuses = found.status.containerStatuses
    return statuses[index].state.waiting.reason if statuses else ""


def _restarts(found: Pod) -> int:
    return sum(status.restartCount for status in found.status.containerStatuses)


def test_a_pod_becomes_running_and_ready_and_says_how() -> None:
    """Phase, address, conditions, container status and events, as kubectl users know them."""

    async def scenario(world: World) -> None:
        await world.create(pod())
        found = await world.until(is_ready)
        assert found.status.phase == "Running"
        assert found.status.podIP.startswith("10.64.0.")
        assert found.status.qosClass == "BestEffort"
        status = found.status.containerStatuses[0]
        assert status.ready
        assert status.started
        assert status.state.running.HasField("startedAt")
        for kind in ("PodReadyToStartContainers", "Initialized", "ContainersReady"):
            assert condition(found, kind) == "True"
        assert await world.reasons() == ["Pulling", "Pulled", "Created", "Started"]

    simulate(scenario)


def test_init_containers_run_one_by_one_to_success_before_the_rest() -> None:
    """S#39."""

    async def scenario(world: World) -> None:
        made = pod()
        made.spec.initContainers.extend([container("one"), container("two")])
        await world.create(made)
        one = await world.run_of("one")
        found = await world.until(
            lambda p: p.status.initContainerStatuses[0].state.HasField("running")
        )
        assert waiting(found) == "PodInitializing"
        assert condition(found, "Initialized") == "False"
        assert not await world.runs("two")
        world.runtime.become(one.id, state="exited", exit_code=1)
        again = await world.run_of("one", 1)
        assert not await world.runs("two")
        world.runtime.become(again.id, state="exited", exit_code=0)
        two = await world.run_of("two")
        assert not await world.runs("app")
        world.runtime.become(two.id, state="exited", exit_code=0)
        found = await world.until(is_ready)
        assert found.status.initContainerStatuses[0].restartCount == 1
        assert found.status.initContainerStatuses[1].ready

    simulate(scenario)


def test_a_failing_init_container_fails_a_pod_that_never_restarts() -> None:
    """S#39 with restartPolicy Never."""

    async def scenario(world: World) -> None:
        made = pod(restartPolicy="Never")
        made.spec.initContainers.append(container("one"))
        await world.create(made)
        one = await world.run_of("one")
        world.runtime.become(one.id, state="exited", exit_code=3)
        found = await world.until(lambda p: p.status.phase == "Failed")
        assert found.status.initContainerStatuses[0].state.terminated.exitCode == 3
        assert not await world.runs("app")

    simulate(scenario)


def test_a_sidecar_starts_before_and_ends_after_the_main_containers() -> None:
    """S#40: order of starts and ends; sidecars end in reverse order."""
    ended: list[str] = []

    class Watched(HollowRuntime):
        async def stop_container(self, container_id: str, **how: object) -> None:
            await super().stop_container(container_id, **how)  # type: ignore[arg-type]
            ended.append(container_id.split(".")[-2])

    async def scenario(world: World) -> None:
        made = pod()
        made.spec.initContainers.extend(
            [
                container(
                    "first", restartPolicy="Always", startupProbe=exec_probe("up", periodSeconds=5)
                ),
                container("second", restartPolicy="Always"),
            ]
        )
        await world.create(made)
        await world.run_of("first")
        await world.until(is_ready)
        await world.delete()
        await world.gone()
        assert ended == ["app", "second", "first"]

    simulate(scenario, runtime=lambda name: Watched(stop_delay=1.0))


def test_a_sidecar_does_not_keep_a_pod_from_succeeding() -> None:
    """S#40: when the mains are done the sidecar is ended and the pod is Succeeded."""

    async def scenario(world: World) -> None:
        made = pod(restartPolicy="Never")
        made.spec.initContainers.append(container("side", restartPolicy="Always"))
        await world.create(made)
        app = await world.run_of("app")
        world.runtime.become(app.id, state="exited", exit_code=0)
        found = await world.until(lambda p: p.status.phase == "Succeeded")
        assert (await world.runs("side"))[0].state == "exited"
        assert condition(found, "Ready") == "False"
        assert len(await world.runs("app")) == 1  # kept, for its log

    simulate(scenario)


def test_restart_policies() -> None:
    """S#36: OnFailure restarts failures only; Never restarts nothing."""

    async def scenario(world: World) -> None:
        await world.create(pod(name="some", restartPolicy="OnFailure"))
        run = await world.run_of("app")
        world.runtime.become(run.id, state="exited", exit_code=1)
        run = await world.run_of("app", 1)
        world.runtime.become(run.id, state="exited", exit_code=0)
        found = await world.until(lambda p: p.status.phase == "Succeeded", "some")
        assert found.status.containerStatuses[0].restartCount == 1
        await world.delete("some")
        await world.gone("some")
        await world.create(pod(name="none", restartPolicy="Never"))
        run = await world.run_of("app")
        world.runtime.become(run.id, state="exited", exit_code=2)
        found = await world.until(lambda p: p.status.phase == "Failed", "none")
        assert found.status.containerStatuses[0].state.terminated.exitCode == 2

    simulate(scenario)


def test_crash_loop_is_told_by_status_and_event() -> None:
    """S#37."""

    async def scenario(world: World) -> None:
        made = await world.create(pod())
        for attempt in range(2):
            run = await world.run_of("app", attempt)
            world.runtime.become(run.id, state="exited", exit_code=7, reason="Error")
        found = await world.until(lambda p: waiting(p) == "CrashLoopBackOff")
        status = found.status.containerStatuses[0]
        assert status.state.waiting.message == (
            f"back-off 10s restarting failed container=app pod=web_default({made.metadata.uid})"
        )
        assert status.lastState.terminated.exitCode == 7
        assert status.restartCount == 1
        assert found.status.phase == "Running"
        assert not is_ready(found)
        assert "BackOff" in await world.reasons()

    simulate(scenario)


def test_an_image_that_cannot_be_pulled_is_tried_again_ever_more_seldom() -> None:
    """S#38: ErrImagePull, then ImagePullBackOff; 10, 20, 40, … 300 s between the tries."""
    tries: list[float] = []

    class Offline(HollowRuntime):
        async def pull(self, reference: str, **login: object) -> object:  # type: ignore[override]
            tries.append(now())
            return await super().pull(reference)

    async def scenario(world: World) -> None:
        await world.create(pod())
        await world.until(lambda p: waiting(p) == "ErrImagePull")
        found = await world.until(lambda p: waiting(p) == "ImagePullBackOff")
        message = found.status.containerStatuses[0].state.waiting.message
        assert message.startswith('Back-off pulling image "registry.test/app:1": ErrImagePull: ')
        await eventually(lambda: len(tries) == 8)
        gaps = [round(b - a) for a, b in itertools.pairwise(tries)]
        assert gaps == [10, 20, 40, 80, 160, 300, 300]
        reasons = await world.reasons()
        assert {"Pulling", "Failed", "BackOff"} <= set(reasons)

    simulate(scenario, runtime=lambda name: Offline(registry=[]))


def test_never_pulled_and_badly_named_images_say_so() -> None:
    """S#38: the reasons that users look up."""

    async def scenario(world: World) -> None:
        await world.create(pod(container(imagePullPolicy="Never"), name="never"))
        await world.until(lambda p: waiting(p) == "ErrImageNeverPull", "never")
        made = pod(name="bad")
        made.spec.containers[0].image = "Not An Image"
        await world.create(made)
        await world.until(lambda p: waiting(p) == "InvalidImageName", "bad")

    simulate(scenario)


def test_a_wrong_configuration_says_so_and_does_not_run() -> None:
    """S#44, S#47: runAsNonRoot with an image that runs as root."""

    async def scenario(world: World) -> None:
        await world.create(pod(container(securityContext=SecurityContext(runAsNonRoot=True))))
        found = await world.until(lambda p: waiting(p) == "CreateContainerConfigError")
        message = found.status.containerStatuses[0].state.waiting.message
        assert "container has runAsNonRoot and image will run as root" in message
        assert found.status.phase == "Pending"

    simulate(scenario)


def test_readiness_follows_the_probe() -> None:
    """S#41: unready at first, ready after a success, unready after three failures."""
    well = [False]

    def answer(command: object) -> ExecResult:
        return ExecResult(0 if well[0] else 1, b"not yet")

    async def scenario(world: World) -> None:
        await world.create(pod(container(readinessProbe=exec_probe("check"))))
        found = await world.until(lambda p: p.status.phase == "Running")
        assert not is_ready(found)
        assert condition(found, "ContainersReady") == "False"
        well[0] = True
        await world.until(is_ready)
        well[0], began = False, now()
        found = await world.until(lambda p: not is_ready(p))
        assert 20 <= now() - began <= 31
        assert found.status.containerStatuses[0].restartCount == 0
        assert "Unhealthy" in await world.reasons()

    simulate(scenario, runtime=lambda name: HollowRuntime(execute=answer))


def test_liveness_kills_after_three_failures_and_the_container_is_restarted() -> None:
    """S#41, 4h: initial delay, period, threshold; events Unhealthy and Killing."""

    async def scenario(world: World) -> None:
        probe = exec_probe("check", initialDelaySeconds=5, periodSeconds=10)
        await world.create(pod(container(livenessProbe=probe)))
        run = await world.run_of("app")
        began = now()
        await world.run_of("app", 1)
        assert 24.5 <= now() - began <= 26  # at 5, 15 and 25 seconds
        first = next(r for r in await world.runs("app") if r.id == run.id)
        assert first.exit_code == 143
        reasons = await world.reasons()
        assert "Unhealthy" in reasons
        assert "Killing" in reasons

    simulate(scenario, runtime=lambda name: HollowRuntime(execute=lambda c: ExecResult(1, b"")))


def test_a_startup_probe_holds_the_others_back() -> None:
    """S#41: until it succeeds nothing else is asked, then everything is."""
    asked: list[str] = []
    up = [False]

    def answer(command: Sequence[str]) -> ExecResult:
        word = str(command[0])
        asked.append(word)
        return ExecResult(0 if up[0] else 1, b"")

    async def scenario(world: World) -> None:
        probes: dict[str, Any] = {
            "startupProbe": exec_probe("startup", periodSeconds=1, failureThreshold=30),
            "livenessProbe": exec_probe("liveness", periodSeconds=1),
            "readinessProbe": exec_probe("readiness", periodSeconds=1),
        }
        await world.create(pod(container(**probes)))
        found = await world.until(lambda p: p.status.phase == "Running")
        assert not found.status.containerStatuses[0].started
        await asyncio.sleep(10)
        assert set(asked) == {"startup"}
        up[0] = True
        found = await world.until(is_ready)
        assert found.status.containerStatuses[0].started
        assert {"liveness", "readiness"} <= set(asked)

    simulate(scenario, runtime=lambda name: HollowRuntime(execute=answer))


def test_deletion_gives_the_grace_period_and_the_hook_counts_inside() -> None:
    """S#42, 4g: preStop first, then TERM with what is left, then KILL; then the object goes."""

    async def scenario(world: World) -> None:
        hook = Lifecycle(preStop=LifecycleHandler(sleep=SleepAction(seconds=5)))
        await world.create(pod(container(lifecycle=hook), terminationGracePeriodSeconds=20))
        await world.until(is_ready)
        began = now()
        await world.delete()
        found = await world.pod()
        assert found.metadata.HasField("deletionTimestamp")
        await world.gone()
        assert 14.5 <= now() - began <= 16.5  # 5 s hook, 10 s stop
        assert not await world.runtime.list()
        assert "Killing" in await world.reasons()

    simulate(scenario, runtime=lambda name: HollowRuntime(stop_delay=10.0))


def test_a_hook_that_takes_all_leaves_two_seconds() -> None:
    """4g: the one-off 2 s."""

    class Busy(HollowRuntime):
        async def exec_capture(
            self, container_id: str, command: object, *, timeout: float
        ) -> ExecResult:
            await asyncio.sleep(timeout)
            raise ExecTimeout("too slow")

    async def scenario(world: World) -> None:
        hook = Lifecycle(preStop=LifecycleHandler(exec=ExecAction(command=["sleep", "100"])))
        await world.create(pod(container(lifecycle=hook), terminationGracePeriodSeconds=10))
        await world.until(is_ready)
        began = now()
        await world.delete()
        await world.gone()
        assert 11.5 <= now() - began <= 13
        assert "FailedPreStopHook" in await world.reasons()

    simulate(scenario, runtime=lambda name: Busy(stop_delay=60.0))


def test_a_shorter_grace_period_cuts_the_running_one_short() -> None:
    """4g: delete again with less grace."""

    async def scenario(world: World) -> None:
        await world.create(pod(terminationGracePeriodSeconds=600))
        await world.until(is_ready)
        began = now()
        await world.delete()
        await asyncio.sleep(3)
        await world.delete(grace=4)
        await world.gone()
        assert now() - began < 10

    simulate(scenario, runtime=lambda name: HollowRuntime(stop_delay=500.0))


def test_forced_deletion_removes_the_object_at_once_and_the_containers_soon() -> None:
    """S#43: --grace-period=0 --force."""

    async def scenario(world: World) -> None:
        await world.create(pod(terminationGracePeriodSeconds=600))
        await world.until(is_ready)
        await world.delete(grace=0)
        began = now()
        await world.gone()
        assert now() == began
        await eventually(lambda: not world.agents[0].pods.workers)
        assert not await world.runtime.list()
        assert now() - began < 5

    simulate(scenario, runtime=lambda name: HollowRuntime(stop_delay=100.0))


def test_a_deleted_pod_that_is_still_pulling_goes_at_once() -> None:
    """A step that brings a pod up is cut off when the pod is to end."""

    class Slow(HollowRuntime):
        async def pull(self, reference: str, **login: object) -> object:  # type: ignore[override]
            await asyncio.sleep(3600)
            return await super().pull(reference)

    async def scenario(world: World) -> None:
        await world.create(pod())
        await world.until(lambda p: condition(p, "PodReadyToStartContainers") == "True")
        began = now()
        await world.delete()
        await world.gone()
        assert now() - began < 5

    simulate(scenario, runtime=lambda name: Slow())


def test_the_active_deadline_ends_a_pod() -> None:
    """activeDeadlineSeconds: Failed, DeadlineExceeded."""

    async def scenario(world: World) -> None:
        await world.create(pod(activeDeadlineSeconds=60))
        await world.until(is_ready)
        found = await world.until(lambda p: p.status.phase == "Failed")
        assert found.status.reason == "DeadlineExceeded"
        assert 59 <= now() <= 63
        assert (await world.runs("app"))[0].state == "exited"

    simulate(scenario)


def test_a_pod_that_does_not_fit_is_refused() -> None:
    """Sent past the scheduler: OutOfcpu, NodeAffinity, NodePorts."""

    async def scenario(world: World) -> None:
        big = ResourceRequirements(requests={"cpu": "100"})
        await world.create(pod(container(resources=big), name="big"))
        found = await world.until(lambda p: p.status.phase == "Failed", "big")
        assert found.status.reason == "OutOfcpu"
        assert "requested: 100000, used: 0, capacity: 8000" in found.status.message
        await world.create(pod(name="lost", nodeSelector={"disk": "ssd"}))
        found = await world.until(lambda p: p.status.phase == "Failed", "lost")
        assert found.status.reason == "NodeAffinity"
        port = ContainerPort(containerPort=80, hostPort=8080)
        await world.create(pod(container(ports=[port]), name="one"))
        await world.until(is_ready, "one")
        await world.create(pod(container(ports=[port]), name="two"))
        found = await world.until(lambda p: p.status.phase == "Failed", "two")
        assert found.status.reason == "NodePorts"

    simulate(scenario)


def test_a_dead_sandbox_is_replaced_and_the_pod_initialized_again() -> None:
    """SandboxChanged: as after a restart of the machine."""

    async def scenario(world: World) -> None:
        made = pod()
        made.spec.initContainers.append(container("one"))
        await world.create(made)
        one = await world.run_of("one")
        world.runtime.become(one.id, state="exited", exit_code=0)
        found = await world.until(is_ready)
        record = (await world.runtime.list())[0]
        world.runtime.lose_sandbox(record.sandboxes[-1].id)
        again = await world.run_of("one", 1)
        world.runtime.become(again.id, state="exited", exit_code=0)
        await world.run_of("app", 1)
        found = await world.until(is_ready)
        assert found.status.containerStatuses[0].restartCount == 1
        assert "SandboxChanged" in await world.reasons()
        assert len((await world.runtime.list())[0].sandboxes) == 1

    simulate(scenario)


def test_a_new_image_restarts_that_container_only() -> None:
    """The one field of a running pod's containers that may change."""

    async def scenario(world: World) -> None:
        await world.create(pod(container("a"), container("b")))
        found = await world.until(is_ready)
        found.spec.containers[0].image = "registry.test/app:2"
        await world.client.update(found)
        run = await world.run_of("a", 1)
        assert run.image == "registry.test/app:2"
        assert [r.attempt for r in await world.runs("b")] == [0]

    simulate(scenario)


def test_a_failed_post_start_hook_ends_the_container() -> None:
    """S#42: FailedPostStartHook, and the container is started again."""

    async def scenario(world: World) -> None:
        hook = Lifecycle(postStart=LifecycleHandler(exec=ExecAction(command=["x"])))
        await world.create(pod(container(lifecycle=hook)))
        await world.until(lambda p: _restarts(p) == 1)
        assert "FailedPostStartHook" in await world.reasons()

    simulate(scenario, runtime=lambda name: HollowRuntime(execute=lambda c: ExecResult(1, b"no")))


def test_only_the_last_two_runs_of_a_container_are_kept() -> None:
    """The present one, and the one before it for `logs --previous`."""

    async def scenario(world: World) -> None:
        await world.create(pod())
        for attempt in range(4):
            run = await world.run_of("app", attempt)
            world.runtime.become(run.id, state="exited", exit_code=1)
        await world.run_of("app", 4)
        await asyncio.sleep(20)
        assert [r.attempt for r in await world.runs("app")] == [3, 4]

    simulate(scenario)


def test_the_environment_knows_the_pod() -> None:
    """S#44: a variable from the pod's own address."""
    seen: list[dict[str, str]] = []

    class Watched(HollowRuntime):
        async def create_container(self, spec: object) -> str:
            seen.append(dict(spec.env))  # type: ignore[attr-defined]
            return await super().create_container(spec)  # type: ignore[arg-type]

    async def scenario(world: World) -> None:
        source = EnvVarSource(fieldRef=ObjectFieldSelector(fieldPath="status.podIP"))
        made = Container(name="app", image="x:1", env=[EnvVar(name="IP", valueFrom=source)])
        await world.create(pod(made))
        found = await world.until(is_ready)
        assert seen[0]["IP"] == found.status.podIP

    simulate(scenario, runtime=lambda name: Watched())


def test_a_port_of_unknown_name_makes_a_probe_errored_not_failed() -> None:
    """4h: an error of the prober is no sample."""

    async def scenario(world: World) -> None:
        port = Value(string_value="nope")
        probe = Probe(periodSeconds=1)
        probe.httpGet.port.CopyFrom(port)
        await world.create(pod(container(livenessProbe=probe)))
        await world.until(is_ready)
        await asyncio.sleep(60)
        found = await world.pod()
        assert found.status.containerStatuses[0].restartCount == 0

    simulate(scenario)
