"""logs, exec, attach, port-forward, cp and run -it, into real containers."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cli_runner import LONG, PROGRAM, Cli, background, cluster, read_until
from tests.local_images import have_local_images

pytestmark = [pytest.mark.docker, pytest.mark.root]
BOX = "helmling/box:1"
PODS = """apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: helmling/box:1
    command: [sh, -c, "mkdir -p /srv; echo page > /srv/index.html; echo started; exec httpd -f -p 8000 -h /srv"]
    ports: [{name: http, containerPort: 8000}]
  - name: other
    image: helmling/box:1
    command: [sh, -c, "echo one; echo two; echo three; exec sleep 3600"]
"""


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    have_local_images()
    folder = tmp_path_factory.mktemp("real")
    with cluster(folder, "--node-name=real") as cli:
        cli.ok("apply", "-f", "-", stdin=PODS)
        cli.ok("wait", "--for=condition=Ready", "pod/web", f"--timeout={LONG}s")
        yield cli


def test_logs(cli: Cli) -> None:
    assert cli.ok("logs", "web", "-c", "other").out == "one\ntwo\nthree\n"
    assert cli.ok("logs", "web", "other", "--tail=1").out == "three\n"
    assert cli.ok("logs", "web").out == "started\n"
    assert re.match(
        r"\d{4}-\d\d-\d\dT.*Z one\n", cli.ok("logs", "web", "-c", "other", "--timestamps").out
    )
    together = cli.ok("logs", "web", "--all-containers", "--prefix").lines()
    assert together == [
        "[pod/web/main] started",
        *(f"[pod/web/other] {w}" for w in ("one", "two", "three")),
    ]
    assert cli.ok("logs", "-l", "app=web", "-c", "other", "--since=1h").out == "one\ntwo\nthree\n"
    assert 'pods "nobody" not found' in cli.fails("logs", "nobody")
    assert "nothere" in cli.fails("logs", "web", "-c", "nothere")
    assert "at most one of" in cli.fails("logs", "web", "--since=1s", "--since-time=x")
    assert "POD or TYPE/NAME is a required argument" in cli.fails("logs")


def test_logs_follow(cli: Cli) -> None:
    loop = "while true; do echo tick; sleep 0.2; done"
    cli.ok(
        "run", "ticker", f"--image={BOX}", "--labels=app=tick", "--command", "--", "sh", "-c", loop
    )
    cli.ok("wait", "--for=condition=Ready", "pod/ticker", f"--timeout={LONG}s")
    with background(cli, "logs", "-f", "-l", "app=tick", "--prefix") as follow:
        read_until(follow, "[pod/ticker/ticker] tick")
        follow.send_signal(signal.SIGINT)
        assert follow.wait() == 130
    cli.ok("delete", "pod", "ticker", "--now")


def test_exec_without_a_terminal(cli: Cli) -> None:
    """The two outputs stay apart, the exit code passes, standard input has an end."""
    done = cli.run("exec", "web", "-c", "main", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.code, done.out) == (7, "out\n")
    assert done.err == "err\ncommand terminated with exit code 7\n"
    data = os.urandom(300_000)
    counted = cli.ok("exec", "-i", "web", "-c", "main", "--", "wc", "-c", stdin=data)
    assert counted.out.strip() == "300000"
    assert (
        'Defaulted container "main" out of: main, other' in cli.ok("exec", "web", "--", "true").err
    )
    assert "you must specify at least one command" in cli.fails("exec", "web")
    assert "(BadRequest): container nope is not valid for pod web" in cli.fails(
        "exec", "web", "-c", "nope", "--", "ls"
    )
    missing = cli.run("exec", "web", "-c", "main", "--", "no-such-program")
    assert missing.code != 0


class Terminal:
    """A program on a pseudo-terminal of its own."""

    def __init__(self, cli: Cli, *words: str) -> None:
        self.fd, theirs = pty.openpty()
        # `setsid` and not pty.fork(): this process has threads, and those do not survive a fork.
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *PROGRAM, *words],
            env=cli.env(),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)

    def until(self, text: str) -> str:
        seen = b""
        deadline = time.monotonic() + LONG
        while text.encode() not in seen and time.monotonic() < deadline:
            if select.select([self.fd], [], [], 1)[0]:
                try:
                    seen += os.read(self.fd, 4096)
                except OSError:  # the other side is gone
                    break
        assert text in seen.decode(), seen.decode()
        return seen.decode()

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def code(self) -> int:
        return self.process.wait(LONG)


@contextlib.contextmanager
def on_a_terminal(cli: Cli, *words: str) -> Iterator[Terminal]:
    terminal = Terminal(cli, *words)
    try:
        yield terminal
    finally:
        os.close(terminal.fd)  # it hangs up, which ends what still runs
        terminal.code()


def test_exec_on_a_terminal(cli: Cli) -> None:
    """A real one: it has a size that follows the window, Ctrl-C goes to the program, and the exit code comes out."""
    with on_a_terminal(cli, "exec", "-it", "web", "-c", "main", "--", "sh") as terminal:
        terminal.until("#")
        terminal.resize(44, 123)
        terminal.type("until [ \"$(stty size)\" = '44 123' ]; do sleep 0.1; done; echo si''zed\n")
        terminal.until("sized")
        terminal.type("sh -c 'echo wait\"\"ing; exec sleep 1000'\n")
        terminal.until("waiting")
        terminal.type("\x03")
        terminal.type("echo al''ive; exit 42\n")
        terminal.until("alive")
        assert terminal.code() == 42


def test_run_and_forget(cli: Cli) -> None:
    """`run -it --rm`: a shell that is gone afterwards, with its exit code."""
    words = (
        "run",
        "pad",
        f"--image={BOX}",
        "-it",
        "--rm",
        "--restart=Never",
        "--command",
        "--",
        "sh",
    )
    with on_a_terminal(cli, *words) as terminal:
        terminal.type("echo he''re; exit 3\n")
        terminal.until("here")
        terminal.until('pod "pad" deleted')
        assert terminal.code() == 3
    cli.ok("wait", "--for=delete", "pod/pad", "--timeout=60s")


def test_attach(cli: Cli) -> None:
    cat = (
        "run",
        "echo",
        f"--image={BOX}",
        "-i",
        "--attach=false",
        "--restart=Never",
        "--command",
        "--",
        "cat",
    )
    cli.ok(*cat)
    cli.ok("wait", "--for=condition=Ready", "pod/echo", f"--timeout={LONG}s")
    assert cli.ok("attach", "-i", "-q", "echo", stdin="hello\n").out == "hello\n"
    cli.ok("delete", "pod", "echo", "--now")
    assert 'pods "nobody" not found' in cli.fails("attach", "nobody")


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=LONG) as answer:
        return str(answer.read().decode())


def test_port_forward(cli: Cli) -> None:
    """By number and by name, many connections; a port where nobody listens harms only its own connection."""
    with background(
        cli, "port-forward", "--address=127.0.0.1", "pod/web", ":8000", ":http", ":9"
    ) as forward:
        ports = re.findall(r"127.0.0.1:(\d+) -> (\d+)", read_until(forward, "-> 9"))
        assert [remote for _, remote in ports] == ["8000", "8000", "9"]
        for _ in range(3):
            assert fetch(f"http://127.0.0.1:{ports[0][0]}/") == "page\n"
        with pytest.raises(OSError):  # noqa: PT011 - reset or closed, as it comes
            fetch(f"http://127.0.0.1:{ports[2][0]}/")
        assert fetch(f"http://127.0.0.1:{ports[1][0]}/") == "page\n"
        forward.send_signal(signal.SIGINT)
        assert forward.wait() == 130
    assert "at least 1 PORT is required" in cli.fails("port-forward", "web")
    assert 'no port named "https"' in cli.fails("port-forward", "web", "8080:https")
    assert "must be between" in cli.fails("port-forward", "web", "99999:80")
    assert 'pods "nobody" not found' in cli.fails("port-forward", "nobody", "80")


SITE = """apiVersion: apps/v1
kind: Deployment
metadata: {name: site}
spec:
  replicas: 2
  selector: {matchLabels: {app: site}}
  template:
    metadata: {labels: {app: site}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: main
        image: helmling/box:1
        command: [sh, -c, "mkdir -p /srv; echo page > /srv/index.html; echo ready; exec httpd -f -p 8000 -h /srv"]
        ports: [{name: http, containerPort: 8000}]
"""


def test_what_keeps_pods_stands_for_one_of_them(cli: Cli) -> None:
    """`deploy/site` is whichever of its pods is best; with --all-pods or a selector it is all of them."""
    cli.ok("apply", "-f", "-", stdin=SITE)
    cli.ok("rollout", "status", "deploy/site", f"--timeout={LONG - 5}s")
    names = cli.ok("get", "pods", "-l", "app=site", "-o", "name").lines()
    found = cli.ok("logs", "deploy/site")
    assert found.out == "ready\n"
    chosen = re.fullmatch(r"Found 2 pods, using (pod/\S+)\n", found.err)
    assert chosen is not None
    assert chosen[1] in names
    everywhere = sorted(f"[{name}/main] ready" for name in names)
    assert sorted(cli.ok("logs", "deploy/site", "--all-pods").lines()) == everywhere
    by_label = ("logs", "-l", "app=site", "--prefix")
    assert sorted(cli.ok(*by_label, "--max-log-requests=1").lines()) == everywhere
    assert "attempting to follow 2 log streams, but maximum allowed concurrency is 1" in cli.fails(
        *by_label, "-f", "--max-log-requests=1"
    )
    host = cli.ok("exec", "deploy/site", "--", "hostname").out.strip()
    assert f"pod/{host}" in names
    assert cli.ok("exec", "rs/" + names[0].split("/")[1].rpartition("-")[0], "--", "true").out == ""
    with background(cli, "port-forward", "--address=127.0.0.1", "deploy/site", ":http") as forward:
        [port] = re.findall(r"127.0.0.1:(\d+) -> 8000", read_until(forward, "-> 8000"))
        assert fetch(f"http://127.0.0.1:{port}/") == "page\n"
        forward.send_signal(signal.SIGINT)
        assert forward.wait() == 130
    assert 'deployments.apps "nobody" not found' in cli.fails("exec", "deploy/nobody", "--", "true")
    cli.ok("delete", "deploy", "site")


def test_the_log_of_a_job(cli: Cli) -> None:
    cli.ok("create", "job", "once", f"--image={BOX}", "--", "echo", "done")
    cli.ok("wait", "--for=condition=complete", "job/once", f"--timeout={LONG - 5}s")
    assert cli.ok("logs", "job/once").out == "done\n"
    assert "completed pod" in cli.fails("exec", "job/once", "--", "true")
    cli.ok("delete", "job", "once")


def test_cp(cli: Cli, tmp_path: Path) -> None:
    """Files and directories, both ways."""
    source = tmp_path / "site"
    (source / "inner").mkdir(parents=True)
    (source / "inner" / "data").write_bytes(os.urandom(200_000))
    (source / "run.sh").write_text("#!/bin/sh\necho hi\n")
    (source / "run.sh").chmod(0o755)
    target = ("-c", "main")
    cli.ok("cp", str(source), "web:/srv", *target)
    assert cli.ok("exec", "web", *target, "--", "/srv/site/run.sh").out == "hi\n"
    cli.ok("cp", str(source / "run.sh"), "default/web:/tmp/other.sh", *target)
    cli.ok("cp", "web:/srv/site", str(tmp_path / "back"), *target)
    back = tmp_path / "back"
    assert (back / "inner" / "data").read_bytes() == (source / "inner" / "data").read_bytes()
    assert (back / "run.sh").stat().st_mode & 0o777 == 0o755
    cli.ok("cp", "web:/tmp/other.sh", str(tmp_path), *target)
    assert (tmp_path / "other.sh").read_text() == (source / "run.sh").read_text()
    assert "doesn't exist in local filesystem" in cli.fails("cp", "/nowhere", "web:/tmp")
    assert "No such file" in cli.fails("cp", "web:/nowhere", str(tmp_path / "x"), *target)
    assert "must be a remote file" in cli.fails("cp", "/a", "/b")
    assert "source and destination are required" in cli.fails("cp", "/a")


def test_describe_a_crash(cli: Cli) -> None:
    """What a user looks at first when a container does not stay."""
    cli.ok(
        "run", "broken", f"--image={BOX}", "--command", "--", "sh", "-c", "echo last words; exit 3"
    )
    cli.ok(
        "wait",
        "--for=jsonpath={.status.containerStatuses[0].restartCount}=1",
        "pod/broken",
        f"--timeout={LONG}s",
    )
    cli.ok(
        "wait",
        "--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=CrashLoopBackOff",
        "pod/broken",
        f"--timeout={LONG}s",
    )
    text = cli.ok("describe", "pod", "broken").out
    for expected in (
        "CrashLoopBackOff",
        "Last State:",
        "Exit Code:",
        "Restart Count:  1",
        "BackOff",
    ):
        assert expected in text
    assert cli.ok("logs", "broken", "--previous").out == "last words\n"
    cli.ok("delete", "pod", "broken", "--now")


def test_keep_pods(cli: Cli) -> None:
    """`down --keep-pods`: the containers go on, and the next `up` takes them up again."""
    before = cli.ok(
        "get", "pod", "web", "-o", "jsonpath={.status.containerStatuses[*].containerID}"
    ).out
    assert "go on running" in cli.ok("down", "--keep-pods").out
    cli.ok("up")
    cli.ok("wait", "--for=condition=Ready", "pod/web", f"--timeout={LONG}s")
    after = cli.ok(
        "get", "pod", "web", "-o", "jsonpath={.status.containerStatuses[*].containerID}"
    ).out
    assert after == before
