"""What only a real engine can show: signals, memory, terminals, real output, real death."""

import asyncio
import os
import re
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from node_agent.runtime.docker import DockerRuntime
from node_agent.runtime.interface import (
    ContainerCreateError,
    ContainerSpec,
    ContainerStartError,
    ContainerStatus,
    ExecTimeout,
    Mount,
    Namespaces,
    Resources,
    RuntimeUnavailable,
    Sandbox,
    SandboxSpec,
    Security,
    Stream,
    Tmpfs,
)
from tests.local_images import have_local_images

pytestmark = pytest.mark.docker
BOX = "helmling/box:1"
DEADLINE = 120.0  # seconds; generous, nothing here is a measurement
Scenario = Callable[[DockerRuntime], Coroutine[Any, Any, None]]
Run = Callable[[Scenario], None]


@pytest.fixture(scope="module", autouse=True)
def _images() -> None:
    have_local_images()


@pytest.fixture
def cluster() -> str:
    return f"test-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def run(tmp_path: Path, cluster: str) -> Run:
    """Runs a scenario on Docker, and afterwards removes whatever it left."""

    async def with_runtime(scenario: Scenario) -> None:
        runtime = DockerRuntime(cluster=cluster, node="n1", state=tmp_path / "state")
        try:
            async with asyncio.timeout(DEADLINE):
                await scenario(runtime)
        finally:
            await remove_all(runtime)
            assert os.listdir(tmp_path / "state") == []
            await runtime.close()

    return lambda scenario: asyncio.run(with_runtime(scenario))


async def remove_all(runtime: DockerRuntime) -> None:
    for pod in await runtime.list():
        for container in pod.containers:
            await runtime.remove_container(container.id)
        for sandbox in pod.sandboxes:
            await runtime.remove_sandbox(sandbox.id)
    assert await runtime.list() == []


async def shell_of(runtime: DockerRuntime, pod: str = "web", **more: Any) -> Sandbox:
    return await runtime.create_sandbox(
        SandboxSpec(f"uid-{pod}", pod, "default", hostname=pod, **more)
    )


async def start(
    runtime: DockerRuntime, script: str, *, sandbox: Sandbox | None = None, **more: Any
) -> str:
    sandbox = sandbox or await shell_of(runtime)
    spec = ContainerSpec(sandbox, "main", BOX, command=("sh", "-c", script), **more)
    container = await runtime.create_container(spec)
    await runtime.start_container(container)
    return container


async def ended(runtime: DockerRuntime) -> ContainerStatus:
    """The one container, once it has ended."""
    async for _ in runtime.changes():
        [pod] = await runtime.list()
        if pod.containers[-1].state == "exited":
            return pod.containers[-1]
    raise AssertionError


async def said(runtime: DockerRuntime, container: str, **options: Any) -> list[bytes]:
    return [entry.line async for entry in runtime.logs(container, **options)]


async def read_until(stream: Stream, text: bytes) -> bytes:
    seen = b""
    while text not in seen:
        piece = await stream.read()
        assert piece is not None, f"ended after {seen!r}"
        seen += piece[1]
    return seen


async def read_all(stream: Stream) -> dict[str, bytes]:
    seen = {"stdout": b"", "stderr": b""}
    while (piece := await stream.read()) is not None:
        seen[piece[0]] += piece[1]
    return seen


@pytest.mark.parametrize(("code", "reason"), [(0, "Completed"), (3, "Error")])
def test_exit_codes_and_last_words(run: Run, code: int, reason: str) -> None:
    async def scenario(runtime: DockerRuntime) -> None:
        path = "/dev/termination-log"
        container = await start(
            runtime, f"echo farewell > {path}; exit {code}", termination_message_path=path
        )
        status = await ended(runtime)
        assert (status.exit_code, status.reason, status.oom_killed) == (code, reason, False)
        assert status.termination_message == "farewell\n"
        assert os.path.exists(status.log_path)  # noqa: ASYNC240
        await runtime.remove_container(container)
        assert not os.path.exists(status.log_path)  # noqa: ASYNC240

    run(scenario)


def test_a_container_that_takes_too_much_memory_is_reported_as_oom_killed(run: Run) -> None:
    async def scenario(runtime: DockerRuntime) -> None:
        await start(
            runtime,
            "x=a; while true; do x=$x$x; done",
            resources=Resources(memory_limit_bytes=16 * 1024 * 1024),
        )
        status = await ended(runtime)
        assert (status.exit_code, status.oom_killed, status.reason) == (137, True, "OOMKilled")

    run(scenario)


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("no-such-program", 127, "executable file not found"),
        ("/etc/passwd", 126, "permission denied"),
    ],
)
def test_a_program_that_cannot_begin(run: Run, command: str, code: int, words: str) -> None:
    async def scenario(runtime: DockerRuntime) -> None:
        sandbox = await shell_of(runtime)
        spec = ContainerSpec(sandbox, "main", BOX, command=(command,))
        container = await runtime.create_container(spec)
        with pytest.raises(ContainerStartError, match=f'exec: "{command}".*{words}') as caught:
            await runtime.start_container(container)
        assert caught.value.exit_code == code
        [pod] = await runtime.list()
        [status] = pod.containers
        assert (status.state, status.exit_code, status.reason) == ("exited", code, "StartError")
        assert status.finished_at is not None
        assert words in status.message

    run(scenario)


def test_what_the_engine_refuses_names_the_container(run: Run) -> None:
    async def scenario(runtime: DockerRuntime) -> None:
        sandbox = await shell_of(runtime)
        missing = Mount("/no/such/directory", "/data")
        with pytest.raises(ContainerCreateError, match=r"main.*/no/such/directory"):
            await runtime.create_container(ContainerSpec(sandbox, "main", BOX, mounts=(missing,)))

    run(scenario)


@pytest.mark.parametrize("own_signal", ["", "SIGQUIT"])
def test_stop_asks_with_the_containers_own_signal(run: Run, own_signal: str) -> None:
    async def scenario(runtime: DockerRuntime) -> None:
        script = "trap 'exit 15' TERM; trap 'exit 3' QUIT; echo ready; while :; do sleep 0.1; done"
        container = await start(runtime, script, stop_signal=own_signal)
        await anext(runtime.logs(container, follow=True))
        await runtime.stop_container(container, grace=DEADLINE)
        assert (await ended(runtime)).exit_code == (3 if own_signal else 15)

    run(scenario)


def test_a_container_deaf_to_the_signal_is_killed_after_its_grace(run: Run) -> None:
    async def scenario(runtime: DockerRuntime) -> None:
        container = await start(
            runtime, "trap 'echo no' TERM; echo ready; while :; do sleep 0.1; done"
        )
        await anext(runtime.logs(container, follow=True))
        await runtime.stop_container(container, grace=0.5)
        assert (await ended(runtime)).exit_code == 137
        assert await said(runtime, container) == [b"ready\n", b"no\n"]

    run(scenario)


def test_long_graces_do_not_block_other_work(run: Run) -> None:
    """More stops under way than there are threads, and yet a pod can be started."""

    async def scenario(runtime: DockerRuntime) -> None:
        sandbox = await shell_of(runtime)
        script = "trap 'echo no' TERM; echo ready; while :; do sleep 1; done"
        container = await start(runtime, script, sandbox=sandbox)
        await anext(runtime.logs(container, follow=True))
        async with asyncio.TaskGroup() as tasks:
            for _ in range(40):
                tasks.create_task(runtime.stop_container(container, grace=DEADLINE))
            follow = runtime.logs(container, follow=True)
            while (await anext(follow)).line != b"no\n":
                pass
            other = await shell_of(runtime, "other")
            assert other.state == "ready"
            await runtime.kill(container)
            await follow.aclose()  # type: ignore[attr-defined]

    run(scenario)


def test_another_runtime_object_adopts_everything(run: Run, tmp_path: Path, cluster: str) -> None:
    async def scenario(runtime: DockerRuntime) -> None:
        sandbox = await shell_of(runtime, ip="10.1.2.3")
        container = await start(runtime, "exec sleep 1000", sandbox=sandbox, spec_hash="h")
        before = await runtime.list()
        reborn = DockerRuntime(cluster=cluster, node="n1", state=tmp_path / "state")
        assert await reborn.list() == before
        assert await reborn.create_sandbox(SandboxSpec("uid-web", "web", "default")) == sandbox
        await reborn.start_container(container)
        assert await reborn.netns_path(sandbox.id) == await runtime.netns_path(sandbox.id)
        await reborn.close()

    run(scenario)


def test_clusters_and_nodes_on_one_engine_do_not_see_each_other(
    run: Run, tmp_path: Path, cluster: str
) -> None:
    async def scenario(runtime: DockerRuntime) -> None:
        await shell_of(runtime)
        for other in (
            DockerRuntime(cluster=cluster, node="n2", state=tmp_path / "2"),
            DockerRuntime(cluster=f"{cluster}-b", node="n1", state=tmp_path / "3"),
        ):
            assert await other.list() == []
            await shell_of(other)  # the same pod uid
            assert len(await other.list()) == 1
            await remove_all(other)
            await other.close()
        assert len(await runtime.list()) == 1

    run(scenario)


def test_twenty_pods_start_at_once(run: Run) -> None:
    async def scenario(runtime: DockerRuntime) -> None:
        async def pod(number: int) -> None:
            sandbox = await shell_of(runtime, f"p{number}")
            await start(runtime, "exec sleep 1000", sandbox=sandbox)

        async with asyncio.TaskGroup() as tasks:
            for number in range(20):
                tasks.create_task(pod(number))
        pods = await runtime.list()
        assert [p.containers[0].state for p in pods] == ["running"] * 20

    run(scenario)


def test_no_engine_is_an_error_and_not_an_empty_node(tmp_path: Path) -> None:
    async def scenario() -> None:
        runtime = DockerRuntime(
            cluster="c", node="n", state=tmp_path / "state", socket=str(tmp_path / "no.sock")
        )
        with pytest.raises(RuntimeUnavailable, match="is it running"):
            await runtime.list()
        await runtime.close()

    asyncio.run(scenario())


def test_a_fast_writers_last_lines_are_not_lost(run: Run) -> None:
    async def scenario(runtime: DockerRuntime) -> None:
        container = await start(runtime, "seq 1 2000; echo last >&2")
        lines = await said(runtime, container, follow=True)
        assert sorted(lines) == sorted([b"%d\n" % n for n in range(1, 2001)] + [b"last\n"])
        assert await said(runtime, container, tail=1) == [lines[-1]]

    run(scenario)


def test_logs_by_tail_time_and_size(run: Run) -> None:
    async def scenario(runtime: DockerRuntime) -> None:
        container = await start(runtime, "echo one; echo two >&2; printf three")
        status = await ended(runtime)
        entries = [entry async for entry in runtime.logs(container)]
        assert {(e.stream, e.line) for e in entries} == {
            ("stdout", b"one\n"),
            ("stderr", b"two\n"),
            ("stdout", b"three"),
        }
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", e.time) for e in entries)
        assert status.finished_at is not None
        later = status.finished_at + timedelta(hours=1)
        assert await said(runtime, container, since=later) == []
        assert len(await said(runtime, container, since=status.created_at)) == 3
        assert len(b"".join(await said(runtime, container, limit_bytes=6))) == 6

    run(scenario)


def test_exec_captures_output_and_exit_code(run: Run) -> None:
    async def scenario(runtime: DockerRuntime) -> None:
        container = await start(runtime, "exec sleep 1000")
        result = await runtime.exec_capture(
            container, ["sh", "-c", "echo out; echo err >&2; exit 7"], timeout=DEADLINE
        )
        assert (result.exit_code, sorted(result.output.split())) == (7, [b"err", b"out"])
        missing = await runtime.exec_capture(container, ["no-such"], timeout=DEADLINE)
        assert missing.exit_code in (126, 127)

    run(scenario)


def test_an_exec_that_takes_too_long_is_killed(run: Run) -> None:
    async def scenario(runtime: DockerRuntime) -> None:
        container = await start(runtime, "exec sleep 1000")
        with pytest.raises(ExecTimeout, match="sleep 777"):
            await runtime.exec_capture(container, ["sleep", "777"], timeout=0.5)
        while b"777" in (await runtime.exec_capture(container, ["ps"], timeout=DEADLINE)).output:
            pass

    run(scenario)


def test_exec_without_a_terminal_keeps_the_streams_apart(run: Run) -> None:
    async def scenario(runtime: DockerRuntime) -> None:
        container = await start(runtime, "exec sleep 1000")
        script = "cat; echo problem >&2; exit 4"
        stream = await runtime.exec_stream(container, ["sh", "-c", script], stdin=True)
        payload = os.urandom(300_000)

        async def send() -> None:
            await stream.write(payload)
            await stream.close_stdin()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(send())
            output = tasks.create_task(read_all(stream))
        assert output.result() == {"stdout": payload, "stderr": b"problem\n"}
        assert await stream.exit_code() == 4
        await stream.close()

    run(scenario)


def test_exec_with_a_terminal_follows_its_size(run: Run) -> None:
    async def scenario(runtime: DockerRuntime) -> None:
        container = await start(runtime, "exec sleep 1000")
        stream = await runtime.exec_stream(container, ["sh"], tty=True, stdin=True)
        await stream.resize(101, 37)
        await stream.write(b"stty size; test -t 0 && echo ter''minal\n")
        seen = await read_until(stream, b"terminal")
        assert b"37 101" in seen
        await stream.write(b"exit 9\n")
        await read_all(stream)
        assert await stream.exit_code() == 9
        await stream.resize(80, 24)
        await stream.close()

    run(scenario)


@pytest.mark.parametrize("tty", [False, True])
def test_attach_talks_to_the_main_process(run: Run, tty: bool) -> None:
    async def scenario(runtime: DockerRuntime) -> None:
        script = "read line; echo got $line; exit 5"
        container = await start(runtime, script, stdin=True, stdin_once=True, tty=tty)
        stream = await runtime.attach(container)
        await stream.resize(80, 24)
        await stream.write(b"hello\n")
        await read_until(stream, b"got hello")
        await read_all(stream)
        assert await stream.exit_code() == 5
        await stream.close()
        lines = await said(runtime, container)
        assert lines[-1].rstrip() == b"got hello"

    run(scenario)


def test_usage_comes_from_the_cgroup(run: Run) -> None:
    async def scenario(runtime: DockerRuntime) -> None:
        container = await start(runtime, "i=0; while :; do i=$((i+1)); done")
        first = await runtime.stats(container)
        assert 0 < first.memory_working_set_bytes <= first.memory_usage_bytes
        while (await runtime.stats(container)).cpu_nanoseconds <= first.cpu_nanoseconds:
            pass

    run(scenario)


def test_containers_of_a_pod_share_network_ipc_and_names(run: Run) -> None:
    async def scenario(runtime: DockerRuntime) -> None:
        sandbox = await shell_of(
            runtime,
            resolv_conf="nameserver 10.0.0.10\n",
            hosts="10.0.0.5 web\n",
            namespaces=Namespaces(share_process=True),
            sysctls={"net.ipv4.ip_unprivileged_port_start": "80"},
        )
        container = await start(runtime, "exec sleep 1000", sandbox=sandbox)
        result = await runtime.exec_capture(
            container,
            [
                "sh",
                "-c",
                "readlink /proc/self/ns/net; readlink /proc/self/ns/ipc; hostname; cat /etc/resolv.conf "
                "/etc/hosts /proc/sys/net/ipv4/ip_unprivileged_port_start; ps -o args | grep -c ^/pause",
            ],
            timeout=DEADLINE,
        )
        path = await runtime.netns_path(sandbox.id)
        net, ipc = os.readlink(path), os.readlink(path.replace("net", "ipc"))
        assert result.output.decode().split("\n") == [
            *(net, ipc, "web", "nameserver 10.0.0.10", "10.0.0.5 web", "80", "1", "")
        ]

    run(scenario)


def test_a_pod_on_the_hosts_network(run: Run) -> None:
    async def scenario(runtime: DockerRuntime) -> None:
        sandbox = await shell_of(runtime, namespaces=Namespaces(host_network=True))
        container = await start(runtime, "exec sleep 1000", sandbox=sandbox)
        seen = await runtime.exec_capture(
            container, ["readlink", "/proc/self/ns/net"], timeout=DEADLINE
        )
        assert os.readlink(await runtime.netns_path(sandbox.id)).encode() == seen.output.strip()
        dockerd = os.readlink("/proc/self/ns/net")
        assert seen.output.strip() == dockerd.encode()

    run(scenario)


def test_the_process_is_who_and_what_it_was_asked_to_be(run: Run, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "file").write_text("from the host\n")

    async def scenario(runtime: DockerRuntime) -> None:
        container = await start(
            runtime,
            "id -u; id -g; id -G; pwd; echo $A$B; cat /data/file; touch /data/new 2>&1;"
            " touch /root-file 2>&1; df -k /scratch | tail -1 | awk '{print $2}';"
            " grep -E 'CapBnd|NoNewPrivs|Seccomp:' /proc/self/status; cat /proc/self/oom_score_adj",
            env=(("A", "1"), ("B", "$A")),
            working_dir="/tmp",
            mounts=(Mount(str(volume), "/data", read_only=True),),
            tmpfs=(Tmpfs("/scratch", size_bytes=1024 * 1024),),
            resources=Resources(
                cpu_request_millis=100, cpu_limit_millis=500, oom_score_adj=900, pids_limit=50
            ),
            security=Security(
                run_as_user=1234,
                run_as_group=2345,
                supplemental_groups=(3456,),
                drop_capabilities=("ALL",),
                add_capabilities=("NET_BIND_SERVICE",),
                read_only_root_filesystem=True,
                no_new_privileges=True,
                seccomp="Unconfined",
            ),
        )
        await ended(runtime)
        lines = [line.decode().strip() for line in await said(runtime, container)]
        assert lines == [
            "1234",
            "2345",
            "2345 3456",
            "/tmp",
            "1$A",
            "from the host",
            "touch: /data/new: Read-only file system",
            "touch: /root-file: Read-only file system",
            "1024",
            "CapBnd:\t0000000000000400",
            "NoNewPrivs:\t1",
            "Seccomp:\t0",
            "900",
        ]

    run(scenario)


def test_changes_survive_and_stop_cleanly(run: Run) -> None:
    async def scenario(runtime: DockerRuntime) -> None:
        changes: AsyncIterator[str] = runtime.changes()
        await anext(changes)
        await shell_of(runtime)
        assert await anext(changes) == "uid-web"
        await changes.aclose()  # type: ignore[attr-defined]

    run(scenario)


def test_when_closed_no_call_is_under_way(run: Run, tmp_path: Path, cluster: str) -> None:
    """What the engine was making when the agent was told to end is there then, and not a moment later."""

    async def scenario(runtime: DockerRuntime) -> None:
        sandbox = await shell_of(runtime)
        other = DockerRuntime(cluster=cluster, node="n1", state=tmp_path / "state")
        await other.list()
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()

        def make(client: Any) -> None:
            loop.call_soon_threadsafe(begun.set)
            client.create_container_from_config(
                {
                    "Image": BOX,
                    "Cmd": ["true"],
                    "Labels": client.inspect_container(sandbox.id)["Config"]["Labels"],
                }
            )

        making = asyncio.create_task(other._engine.call(make))
        await begun.wait()
        making.cancel()
        await other.close()
        [pod] = await runtime.list()
        assert len(pod.sandboxes) == 2

    run(scenario)
