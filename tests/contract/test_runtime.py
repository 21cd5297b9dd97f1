"""What every runtime promises: one suite over the hollow one and the one on Docker.

Docker's own behaviour (signals, memory, terminals, real output) is in test_runtime_docker.py.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from node_agent.runtime.docker import DockerRuntime
from node_agent.runtime.hollow import HollowRuntime
from node_agent.runtime.interface import (
    ALL_PODS,
    ContainerSpec,
    ContainerStatus,
    ImageUnavailable,
    InvalidImageName,
    Namespaces,
    NotFound,
    PodRecord,
    Runtime,
    Sandbox,
    SandboxSpec,
)
from tests.local_images import have_local_images

BOX = "helmling/box:1"
DEADLINE = 60.0  # seconds; generous, nothing here is a measurement
Scenario = Callable[[Runtime], Coroutine[Any, Any, None]]


def hollow(tmp_path: Path) -> Runtime:
    return HollowRuntime(images=[BOX], registry=[BOX])


def on_docker(tmp_path: Path) -> Runtime:
    have_local_images()
    return DockerRuntime(cluster=f"test-{uuid.uuid4().hex[:8]}", node="n1", state=tmp_path)


@pytest.fixture(
    params=[
        pytest.param(hollow, id="hollow"),
        pytest.param(on_docker, id="docker", marks=pytest.mark.docker),
    ]
)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Scenario], None]:
    """Runs a scenario on a fresh runtime, and afterwards removes whatever it left."""

    async def with_runtime(scenario: Scenario) -> None:
        runtime: Runtime = request.param(tmp_path)
        try:
            async with asyncio.timeout(DEADLINE):
                await scenario(runtime)
        finally:
            for pod in await runtime.list():
                await remove(runtime, pod)
            assert await runtime.list() == []
            await runtime.close()

    return lambda scenario: asyncio.run(with_runtime(scenario))


async def remove(runtime: Runtime, pod: PodRecord) -> None:
    for container in pod.containers:
        await runtime.remove_container(container.id)
    for sandbox in pod.sandboxes:
        await runtime.remove_sandbox(sandbox.id)


def shell_of(pod: str = "web", **more: Any) -> SandboxSpec:
    return SandboxSpec(f"uid-{pod}", pod, "default", hostname=pod, **more)


def sleeper(sandbox: Sandbox, **more: Any) -> ContainerSpec:
    return ContainerSpec(
        sandbox, "main", BOX, command=("sleep", "1000"), stop_signal="SIGKILL", **more
    )


async def started(runtime: Runtime, **more: Any) -> str:
    sandbox = await runtime.create_sandbox(shell_of())
    container = await runtime.create_container(sleeper(sandbox, **more))
    await runtime.start_container(container)
    return container


async def only(runtime: Runtime) -> ContainerStatus:
    [pod] = await runtime.list()
    [container] = pod.containers
    return container


def test_a_new_node_has_no_pods(run: Callable[[Scenario], None]) -> None:
    async def scenario(runtime: Runtime) -> None:
        assert await runtime.list() == []

    run(scenario)


def test_list_tells_all_that_a_sandbox_was_made_with(run: Callable[[Scenario], None]) -> None:
    async def scenario(runtime: Runtime) -> None:
        made = await runtime.create_sandbox(
            shell_of(
                attempt=3,
                ip="10.9.0.7",
                namespaces=Namespaces(share_process=True),
                labels={"app": "web"},
                annotations={"note": 'any "text"\n'},
            )
        )
        [pod] = await runtime.list()
        assert pod == PodRecord("uid-web", (made,), ())
        assert (made.pod_name, made.pod_namespace, made.attempt) == ("web", "default", 3)
        assert (made.state, made.ip, made.labels) == ("ready", "10.9.0.7", {"app": "web"})
        assert made.namespaces == Namespaces(share_process=True)
        assert made.annotations == {"note": 'any "text"\n'}
        assert made.created_at.tzinfo is not None

    run(scenario)


def test_a_repeated_create_finds_the_first(run: Callable[[Scenario], None]) -> None:
    async def scenario(runtime: Runtime) -> None:
        first = await runtime.create_sandbox(shell_of())
        assert await runtime.create_sandbox(shell_of()) == first
        one = await runtime.create_container(sleeper(first))
        assert await runtime.create_container(sleeper(first)) == one
        assert (await only(runtime)).id == one

    run(scenario)


def test_a_container_goes_from_created_to_running_to_exited(
    run: Callable[[Scenario], None],
) -> None:
    async def scenario(runtime: Runtime) -> None:
        sandbox = await runtime.create_sandbox(shell_of())
        container = await runtime.create_container(
            sleeper(sandbox, attempt=2, spec_hash="abc", labels={"k": "v"})
        )
        created = await only(runtime)
        assert (created.state, created.started_at, created.exit_code) == ("created", None, None)
        await runtime.start_container(container)
        running = await only(runtime)
        assert (running.state, running.exit_code, running.finished_at) == ("running", None, None)
        assert (running.name, running.attempt, running.spec_hash) == ("main", 2, "abc")
        assert (running.image, running.labels) == (BOX, {"k": "v"})
        await runtime.stop_container(container, grace=5)
        exited = await only(runtime)
        assert (exited.state, exited.exit_code, exited.reason) == ("exited", 137, "Error")
        assert exited.started_at is not None
        assert exited.finished_at is not None
        assert created.created_at <= exited.started_at <= exited.finished_at

    run(scenario)


def test_every_verb_may_be_repeated(run: Callable[[Scenario], None]) -> None:
    async def scenario(runtime: Runtime) -> None:
        container = await started(runtime)
        await runtime.start_container(container)
        assert (await only(runtime)).state == "running"
        for _ in range(2):
            await runtime.stop_container(container, grace=5)
            await runtime.kill(container)
        await runtime.start_container(container)
        assert (await only(runtime)).state == "exited", "one that ran is not started again"
        [pod] = await runtime.list()
        for _ in range(2):
            await runtime.stop_sandbox(pod.sandboxes[0].id)
            await runtime.remove_container(container)
            await runtime.remove_sandbox(pod.sandboxes[0].id)
        await runtime.stop_container(container, grace=5)
        await runtime.stop_sandbox(pod.sandboxes[0].id)

    run(scenario)


def test_attempts_are_kept_apart_and_in_order(run: Callable[[Scenario], None]) -> None:
    async def scenario(runtime: Runtime) -> None:
        sandbox = await runtime.create_sandbox(shell_of())
        for attempt in (1, 0, 2):
            await runtime.create_container(sleeper(sandbox, attempt=attempt))
        [pod] = await runtime.list()
        assert [container.attempt for container in pod.containers] == [0, 1, 2]

    run(scenario)


def test_a_stopped_sandbox_is_not_ready(run: Callable[[Scenario], None]) -> None:
    async def scenario(runtime: Runtime) -> None:
        sandbox = await runtime.create_sandbox(shell_of())
        changes = runtime.changes()
        assert await anext(changes) == ALL_PODS
        await runtime.stop_sandbox(sandbox.id)
        assert await anext(changes) == "uid-web"
        [pod] = await runtime.list()
        assert pod.sandboxes[0].state == "notready"
        with pytest.raises(NotFound):
            await runtime.netns_path(sandbox.id)
        assert (await runtime.create_sandbox(shell_of())).state == "notready"
        assert (await runtime.create_sandbox(shell_of(attempt=1))).state == "ready"
        await changes.aclose()  # type: ignore[attr-defined]

    run(scenario)


def test_changes_name_the_pod(run: Callable[[Scenario], None]) -> None:
    async def scenario(runtime: Runtime) -> None:
        container = await started(runtime)
        changes = runtime.changes()
        assert await anext(changes) == ALL_PODS
        await runtime.kill(container)
        assert await anext(changes) == "uid-web"
        while (await only(runtime)).state != "exited":
            await anext(changes)
        await changes.aclose()  # type: ignore[attr-defined]

    run(scenario)


def test_a_missing_image_is_told_apart(run: Callable[[Scenario], None]) -> None:
    async def scenario(runtime: Runtime) -> None:
        missing = "helmling/no-such-image:9"
        assert await runtime.image_present(missing) is None
        with pytest.raises(ImageUnavailable, match="make images"):
            await runtime.pull(missing)
        sandbox = await runtime.create_sandbox(shell_of())
        with pytest.raises(ImageUnavailable, match="no-such-image"):
            await runtime.create_container(ContainerSpec(sandbox, "main", missing))
        await runtime.remove_image(missing)

    run(scenario)


@pytest.mark.parametrize("verb", ["image_present", "pull", "remove_image"])
def test_a_malformed_image_name_is_refused(run: Callable[[Scenario], None], verb: str) -> None:
    async def scenario(runtime: Runtime) -> None:
        call: Callable[[str], Awaitable[object]] = getattr(runtime, verb)
        with pytest.raises(InvalidImageName, match="UPPER"):
            await call("UPPER case")

    run(scenario)


def test_images_of_the_node(run: Callable[[Scenario], None]) -> None:
    async def scenario(runtime: Runtime) -> None:
        image = await runtime.image_present(BOX)
        assert image is not None
        assert BOX in image.references
        assert image.id in [other.id for other in await runtime.list_images()]

    run(scenario)


def test_a_container_needs_its_sandbox(run: Callable[[Scenario], None]) -> None:
    async def scenario(runtime: Runtime) -> None:
        sandbox = await runtime.create_sandbox(shell_of())
        await runtime.remove_sandbox(sandbox.id)
        with pytest.raises(NotFound):
            await runtime.create_container(sleeper(sandbox))

    run(scenario)


def test_what_is_gone_cannot_be_asked(run: Callable[[Scenario], None]) -> None:
    async def scenario(runtime: Runtime) -> None:
        for ask in (
            runtime.start_container("0123456789ab"),
            runtime.stats("0123456789ab"),
            runtime.attach("0123456789ab"),
            runtime.exec_stream("0123456789ab", ["true"]),
            runtime.exec_capture("0123456789ab", ["true"], timeout=DEADLINE),
            anext(logs := runtime.logs("0123456789ab")),
        ):
            with pytest.raises(NotFound):
                await ask
        await logs.aclose()  # type: ignore[attr-defined]

    run(scenario)


def test_what_has_ended_cannot_be_talked_to(run: Callable[[Scenario], None]) -> None:
    async def scenario(runtime: Runtime) -> None:
        container = await started(runtime)
        await runtime.stop_container(container, grace=0)
        for ask in (
            runtime.stats(container),
            runtime.attach(container),
            runtime.exec_stream(container, ["true"]),
            runtime.exec_capture(container, ["true"], timeout=DEADLINE),
        ):
            with pytest.raises(NotFound):
                await ask

    run(scenario)


def test_following_the_logs_ends_with_the_container(run: Callable[[Scenario], None]) -> None:
    async def scenario(runtime: Runtime) -> None:
        container = await started(runtime)

        async def follow() -> list[bytes]:
            return [entry.line async for entry in runtime.logs(container, follow=True)]

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(follow())
            tasks.create_task(runtime.stop_container(container, grace=0))

    run(scenario)


def test_an_attached_stream_ends_with_the_container(run: Callable[[Scenario], None]) -> None:
    async def scenario(runtime: Runtime) -> None:
        container = await started(runtime)
        stream = await runtime.attach(container)
        await runtime.kill(container)
        while await stream.read() is not None:
            pass
        assert await stream.exit_code() == 137
        await stream.close()
        await stream.close()

    run(scenario)


def test_the_version_names_the_engine(run: Callable[[Scenario], None]) -> None:
    async def scenario(runtime: Runtime) -> None:
        engine, _, version = (await runtime.version()).partition("://")
        assert engine in ("docker", "hollow")
        assert version

    run(scenario)
