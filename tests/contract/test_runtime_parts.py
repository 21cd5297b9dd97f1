"""The pure parts below the runtimes: references, specifications, records, frames, accounts."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_agent.runtime import names
from node_agent.runtime.docker import cgroups, oom, privileges, records, specs
from node_agent.runtime.docker.streams import Demultiplexer
from node_agent.runtime.interface import (
    ContainerSpec,
    InvalidImageName,
    Mount,
    Namespaces,
    Resources,
    Sandbox,
    SandboxSpec,
    Security,
)
from node_agent.runtime.references import Reference, explain, parse

DIGEST = "sha256:" + "0" * 64
OWNER = specs.Owner("c", "n")
SANDBOX = Sandbox("uid", "web", "default", 0, "5a5a", "ready", datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("nginx", Reference("nginx", "latest")),
        ("nginx:1.27", Reference("nginx", "1.27")),
        ("helmling/box:1", Reference("helmling/box", "1")),
        ("registry.example.com:5000/a/b__c:v", Reference("registry.example.com:5000/a/b__c", "v")),
        ("localhost:5000/a", Reference("localhost:5000/a", "latest")),
        (f"nginx:1@{DIGEST}", Reference("nginx", DIGEST)),
        (DIGEST, Reference(DIGEST, "")),
    ],
)
def test_references_are_taken_apart(text: str, reference: Reference) -> None:
    assert parse(text) == reference


@pytest.mark.parametrize(
    "text",
    ["", "Nginx", "a b", "nginx:", ":1", "a//b", "nginx@sha256:12", "-a", "a:b:c", "x" * 256],
)
def test_malformed_references_are_refused(text: str) -> None:
    with pytest.raises(InvalidImageName, match="not an image reference"):
        parse(text)


@pytest.mark.parametrize(
    ("reference", "engine", "advice"),
    [
        ("helmling/x:1", "pull access denied", "make images"),
        ("nginx", "Get https://x/v2/: dial tcp: lookup x: no such host", "cannot be reached"),
        ("nginx", "net/http: request canceled (Client.Timeout exceeded)", "cannot be reached"),
        ("a/b", "pull access denied for a/b, repository does not exist", "imagePullSecret"),
        ("nginx:9", "manifest for nginx:9 not found: manifest unknown", "no such image or tag"),
        ("nginx", "disk is full", "failed to fetch"),
    ],
)
def test_a_failed_pull_says_what_to_do(reference: str, engine: str, advice: str) -> None:
    words = explain(reference, engine)
    assert reference in words
    assert advice in words
    assert engine in words


def config(**more: Any) -> dict[str, Any]:
    spec = ContainerSpec(SANDBOX, "main", "img", **more)
    return specs.container(spec, OWNER, extra_mounts=(), termination_file="")


@pytest.mark.parametrize(
    ("command", "args", "entrypoint", "cmd"),
    [
        (None, None, None, None),
        (None, ("a",), None, ["a"]),
        (("c",), None, ["c"], None),
        (("c",), ("a",), ["c"], ["a"]),
        ((), (), None, None),
    ],
)
def test_command_and_args_replace_entrypoint_and_cmd(
    command: Any, args: Any, entrypoint: Any, cmd: Any
) -> None:
    made = config(command=command, args=args)
    assert (made.get("Entrypoint"), made.get("Cmd")) == (entrypoint, cmd)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Resources(), {"CpuShares": 2, "CpuQuota": 0, "Memory": 0, "MemorySwap": 0}),
        (Resources(cpu_request_millis=1500), {"CpuShares": 1536}),
        (Resources(cpu_limit_millis=250), {"CpuQuota": 25_000, "CpuPeriod": 100_000}),
        (Resources(cpu_limit_millis=1), {"CpuQuota": 1000}),
        (Resources(memory_limit_bytes=64), {"Memory": 64, "MemorySwap": 64}),
        (Resources(oom_score_adj=-997), {"OomScoreAdj": -997}),
    ],
)
def test_requests_are_weights_and_limits_quotas(
    wanted: Resources, expected: dict[str, int]
) -> None:
    assert expected.items() <= specs.resources(wanted).items()


def test_an_oom_score_the_kernel_does_not_allow_is_raised_to_what_it_does() -> None:
    assert specs.resources(Resources(oom_score_adj=-997), -5)["OomScoreAdj"] == -5


@pytest.mark.parametrize(
    ("user", "group", "text"),
    [(None, None, ""), (0, None, "0"), (5, None, "5"), (5, 6, "5:6"), (None, 6, "0:6")],
)
def test_users_and_groups(user: int | None, group: int | None, text: str) -> None:
    assert specs.user(Security(run_as_user=user, run_as_group=group)) == text


@pytest.mark.parametrize(
    ("shared", "network", "ipc", "pid"),
    [
        (Namespaces(), "container:5a5a", "container:5a5a", ""),
        (Namespaces(share_process=True), "container:5a5a", "container:5a5a", "container:5a5a"),
        (Namespaces(True, True, True), "container:5a5a", "host", "host"),
    ],
)
def test_a_container_joins_its_sandbox(
    shared: Namespaces, network: str, ipc: str, pid: str
) -> None:
    spec = ContainerSpec(replace(SANDBOX, namespaces=shared), "main", "img")
    host = specs.container(spec, OWNER, extra_mounts=(), termination_file="")["HostConfig"]
    assert (host["NetworkMode"], host["IpcMode"], host["PidMode"]) == (network, ipc, pid)


def test_a_sandbox_has_no_network_of_the_engines() -> None:
    shell = SandboxSpec("uid", "web", "default", hostname="web")
    assert specs.sandbox(shell, OWNER, "pause")["HostConfig"]["NetworkMode"] == "none"
    on_host = replace(shell, namespaces=Namespaces(host_network=True))
    assert specs.sandbox(on_host, OWNER, "pause")["HostConfig"]["NetworkMode"] == "host"


def test_the_pods_own_mount_wins_over_ours() -> None:
    spec = ContainerSpec(SANDBOX, "main", "img", mounts=(Mount("/mine", "/etc/hosts"),))
    ours = (Mount("/ours", "/etc/hosts"), Mount("/ours", "/etc/resolv.conf"))
    made = specs.container(spec, OWNER, extra_mounts=ours, termination_file="")
    mounts = {mount["Target"]: mount["Source"] for mount in made["HostConfig"]["Mounts"]}
    assert mounts == {"/etc/hosts": "/mine", "/etc/resolv.conf": "/ours"}


def test_names_differ_whenever_anything_does() -> None:
    assert names.instance("a", "b") != names.instance("a/b", "")
    assert names.sandbox_name("i", "u", 0) != names.container_name("i", "u", "0", 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0001-01-01T00:00:00Z", None),
        ("2026-11-22T10:58:25.092320049Z", datetime(2026, 11, 22, 10, 58, 25, 92320, UTC)),
        ("2026-11-22T10:58:25Z", datetime(2026, 11, 22, 10, 58, 25, 0, UTC)),
        ("2026-11-22T12:58:25.5+02:00", datetime(2026, 11, 22, 10, 58, 25, 500000, UTC)),
    ],
)
def test_the_engines_times(text: str, expected: datetime | None) -> None:
    assert records.time(text) == expected


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40)), max_size=8), st.data())
def test_frames_come_out_whole_whatever_the_pieces(
    frames: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    wire = b"".join(bytes([n, 0, 0, 0]) + len(b).to_bytes(4, "big") + b for n, b in frames)
    split, seen = Demultiplexer(tty=False), []
    while wire:
        size = data.draw(st.integers(1, len(wire)))
        seen += split.feed(wire[:size])
        wire = wire[size:]
    assert seen == [("stderr" if n == 2 else "stdout", b) for n, b in frames]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_accounts_of_cgroup_version_2(tmp_path: Path) -> None:
    write(tmp_path / "proc/7/cgroup", "0::/docker/abc\n")
    group = tmp_path / "cgroup/docker/abc"
    write(group / "memory.current", "1000\n")
    write(group / "memory.stat", "anon 600\ninactive_file 300\n")
    write(group / "cpu.stat", "usage_usec 25\nuser_usec 20\n")
    used = cgroups.usage(7, proc=tmp_path / "proc", root=tmp_path / "cgroup")
    assert (used.cpu_nanoseconds, used.memory_working_set_bytes) == (25_000, 700)
    assert cgroups.belongs(7, "abc", tmp_path / "proc")
    assert not cgroups.belongs(7, "def", tmp_path / "proc")
    assert not cgroups.belongs(8, "abc", tmp_path / "proc")


def test_accounts_of_cgroup_version_1(tmp_path: Path) -> None:
    lines = "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/system.slice/docker.service\n"
    write(tmp_path / "proc/7/cgroup", lines)
    write(tmp_path / "cgroup/cpuacct/docker/abc/cpuacct.usage", "77\n")
    write(tmp_path / "cgroup/memory/docker/abc/memory.usage_in_bytes", "100\n")
    write(tmp_path / "cgroup/memory/docker/abc/memory.stat", "total_inactive_file 150\n")
    used = cgroups.usage(7, proc=tmp_path / "proc", root=tmp_path / "cgroup")
    assert (used.cpu_nanoseconds, used.memory_working_set_bytes) == (77, 0)
    assert used.memory_usage_bytes == 100


@pytest.mark.parametrize(("capabilities", "lowest"), [("1ffffffffff", -1000), ("1fffeffffff", 3)])
def test_how_low_an_oom_score_may_be(tmp_path: Path, capabilities: str, lowest: int) -> None:
    write(tmp_path / "status", f"Name:\tx\nCapEff:\t{capabilities}\n")
    write(tmp_path / "oom_score_adj", "3\n")
    assert privileges.lowest_oom_score(tmp_path) == lowest


def test_a_kernel_log_that_cannot_be_read_tells_nothing(tmp_path: Path) -> None:
    assert not oom.killed("abc", tmp_path / "missing")
    write(tmp_path / "log", "6,1,1,-;oom-kill:oom_memcg=/docker/abc,task=x\n")
    assert oom.killed("abc", tmp_path / "log")
    assert not oom.killed("def", tmp_path / "log")
