"""Starting, recognising and stopping a Docker Engine of our own, beside whatever runs on this machine."""

import contextlib
import http.server
import json
import os
import shutil
import socketserver
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from node_agent.engine import Engine, EngineError, ensure_engine, record, search_path, stop_engine
from node_agent.processes import Process, detach
from tests.waiting import eventually

needs_dockerd = [
    pytest.mark.docker,
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("dockerd", path=search_path()) is None,
        reason="only root can start dockerd, and only where it is installed",
    ),
]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, as socket paths must be. Its engine is stopped and its mounts are gone at the end."""
    with tempfile.TemporaryDirectory(prefix="hl-engine-", dir="/tmp") as name:
        path = Path(name)
        yield path
        stop_engine(path / "state")
        if f"{name}/data" in mounts_below(name):
            # Where / is a private mount, dockerd binds its disk onto itself, and may leave that.
            subprocess.run(["umount", path / "data"], check=True)
        assert mounts_below(name) == []


def mounts_below(folder: str) -> list[str]:
    points = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return [point for point in points if point.startswith(f"{folder}/")]


@pytest.fixture
def bridge() -> Iterator[str]:
    """A bridge for an engine of our own. (With --bridge=none it would remove docker0, which is another engine's.)"""
    name = f"hlt{os.getpid()}"
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
    try:
        subprocess.run(["ip", "address", "add", "198.18.77.1/24", "dev", name], check=True)
        yield name
    finally:
        subprocess.run(["ip", "link", "delete", name], check=True)


class Private:
    """An engine apart from the machine's own: its own socket, disk, run folder and bridge, and no firewall rules."""

    def __init__(self, folder: Path, bridge: str) -> None:
        self.state = folder / "state"
        self.address = f"unix://{folder}/docker.sock"
        self.arguments = [
            f"--data-root={folder}/data",
            f"--exec-root={folder}/exec",
            f"--pidfile={folder}/docker.pid",
            f"--bridge={bridge}",
            "--iptables=false",
            "--ip-forward=false",
        ]

    def ensure(self, *more: str) -> Engine:
        return ensure_engine(self.state, address=self.address, arguments=[*self.arguments, *more])

    def process(self) -> Process:
        return Process(**json.loads(record(self.state).read_text()))


@pytest.fixture
def private(bridge: str, folder: Path) -> Private:
    return Private(folder, bridge)


class TestOurOwn:
    pytestmark = needs_dockerd

    def test_it_is_started_once_and_stopped(self, private: Private) -> None:
        engine = private.ensure()
        process = private.process()
        assert engine.ours
        assert engine.version[0].isdigit()
        assert private.ensure() == engine
        assert private.process() == process
        assert stop_engine(private.state)
        assert not process.alive()
        assert not stop_engine(private.state)

    def test_it_does_not_hold_files_of_the_one_who_started_it(
        self, private: Private, folder: Path
    ) -> None:
        """An inherited file could be a lock, which would then never be released."""
        with (folder / "mine").open("w") as file:
            os.set_inheritable(file.fileno(), True)
            private.ensure()
            fds = Path(f"/proc/{private.process().pid}/fd")
            targets = {os.readlink(fd) for fd in fds.iterdir()}
        assert str(folder / "mine") not in targets
        assert os.getsid(private.process().pid) == private.process().pid

    def test_a_recycled_pid_is_not_taken_for_it(self, private: Private) -> None:
        """After a reboot the noted PID may be anybody's. Here it is this very test's."""
        private.state.mkdir()
        me = Process.of(os.getpid())
        assert me is not None
        for other in (replace(me, born=me.born - 1), replace(me, boot="an earlier one")):
            record(private.state).write_text(json.dumps(asdict(other)))
            assert not stop_engine(private.state)

    def test_stale_pid_files_do_not_keep_it_from_starting(
        self, private: Private, folder: Path
    ) -> None:
        """Where /run outlives a reboot, dockerd finds its old PID in use and refuses to start."""
        (folder / "docker.pid").write_text(str(os.getpid()))
        (folder / "exec/containerd").mkdir(parents=True)
        (folder / "exec/containerd/containerd.pid").write_text(str(os.getpid()))
        assert private.ensure().ours

    def test_a_record_torn_by_a_crash_means_that_nothing_is_ours(self, private: Private) -> None:
        private.state.mkdir()
        record(private.state).write_text('{"pid": 12')
        assert not stop_engine(private.state)

    def test_when_it_cannot_start_the_log_says_why(self, private: Private) -> None:
        with pytest.raises(EngineError, match=r"(?s)ended before it answered.*no-such-flag"):
            private.ensure("--no-such-flag")

    def test_without_dockerd_it_says_what_to_install(
        self, private: Private, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(shutil, "which", lambda *args, **options: None)
        with pytest.raises(EngineError, match=r"make setup.*docker\.io"):
            private.ensure()


class Answer(http.server.BaseHTTPRequestHandler):
    body = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *arguments: Any) -> None:
        """Quiet."""


@contextlib.contextmanager
def listening(path: Path, body: bytes) -> Iterator[str]:
    """Somebody else's engine, as far as one can see from its socket."""
    handler = type("Handler", (Answer,), {"body": body})
    with socketserver.ThreadingUnixStreamServer(str(path), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
            server.shutdown()
            thread.join()


def test_who_is_started_may_have_ended_before_we_look(tmp_path: Path) -> None:
    """It is a process all the same, and not alive; what it said is in its log."""
    process = detach(["sh", "-c", "echo $$"], tmp_path / "log", os.environ)
    eventually(lambda: not process.alive())
    assert (tmp_path / "log").read_text() == f"{process.pid}\n"
    with pytest.raises(OSError, match="nobody-has-this did not start"):
        detach(["/nobody-has-this"], tmp_path / "log", os.environ)


def test_an_engine_that_answers_is_used_and_never_stopped(folder: Path) -> None:
    with listening(folder / "sock", b'{"Version": "28.2.2"}') as address:
        engine = ensure_engine(folder / "state", address=address)
        assert engine == Engine(address, "28.2.2", ours=False)
        assert not stop_engine(folder / "state")
        assert not record(folder / "state").exists()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"Version": "19.03.1"}', r"version 19\.03\.1; Helmling needs Docker Engine 20\.10"),
        (b'{"Version": "dev"}', r"version dev"),
        (b"<html>", r"does not answer as a Docker Engine does"),
    ],
)
def test_an_engine_that_cannot_be_used_is_refused(folder: Path, body: bytes, message: str) -> None:
    with (
        listening(folder / "sock", body) as address,
        pytest.raises(EngineError, match=message),
    ):
        ensure_engine(folder / "state", address=address)


def test_docker_host_is_used_and_nothing_is_started_in_its_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{folder}/sock")
    with pytest.raises(EngineError, match=r"\$DOCKER_HOST .*unset"):
        ensure_engine(folder / "state")
    with listening(folder / "sock", b'{"Version": "20.10.24+dfsg1"}') as address:
        assert ensure_engine(folder / "state").address == address


def test_an_address_of_an_unknown_kind_is_refused(folder: Path) -> None:
    with pytest.raises(EngineError, match=r"ssh://elsewhere.*unix:// and tcp://"):
        ensure_engine(folder / "state", address="ssh://elsewhere")


def test_only_root_can_start_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(EngineError, match=r"only root can start one"):
        ensure_engine(folder / "state", address=f"unix://{folder}/sock")
