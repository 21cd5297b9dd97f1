"""kubectl's streams into real containers: logs, exec, attach and cp, through the gateway's WebSockets."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import kubectl
from tests.e2e.cli_runner import LONG, Cli, cluster
from tests.e2e.kubectl import Kubectl
from tests.local_images import have_local_images

pytestmark = [pytest.mark.docker, pytest.mark.root]
POD = """apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: helmling/box:1
    command: [sh, -c, "echo one; echo two; while read line; do echo got $line; done; exec sleep 3600"]
    stdin: true
"""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    have_local_images()
    with cluster(tmp_path_factory.mktemp("real"), "--node-name=real") as cli:
        cli.ok("apply", "-f", "-", stdin=POD)
        cli.ok("wait", "--for=condition=Ready", "pod/web", f"--timeout={LONG}s")
        yield cli


@pytest.fixture
def kube(real: Cli, tmp_path: Path) -> Kubectl:
    if kubectl.minor(kubectl.program()) < 31:
        pytest.skip(
            "this kubectl speaks SPDY only, and the gateway WebSocket: from 1.31 on it does"
        )
    return Kubectl.of(real, tmp_path)


def test_logs(kube: Kubectl) -> None:
    assert kube.ok("logs", "web").out.splitlines()[:2] == ["one", "two"]
    assert kube.ok("logs", "web", "--tail=1", "--timestamps").out.count("Z ") == 1
    refused = kube.run("logs", "web", "-c", "nosuch")
    assert "container nosuch is not valid for pod web" in refused.err


def test_logs_that_are_followed_end_when_the_reader_goes(kube: Kubectl) -> None:
    words = [kubectl.program(), "logs", "-f", "web"]
    with subprocess.Popen(words, env=kube.env(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "one\n"
        process.terminate()


def test_exec_tells_output_errors_and_the_exit_code(kube: Kubectl) -> None:
    assert kube.ok("exec", "web", "--", "echo", "hello").out == "hello\n"
    answer = kube.run("exec", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (answer.code, answer.out) == (7, "out\n")
    assert "err\n" in answer.err


def test_exec_takes_input_to_its_end(kube: Kubectl) -> None:
    text = "a line\n" * 20_000
    assert kube.ok("exec", "-i", "web", "--", "wc", "-c", stdin=text).out.strip() == str(len(text))


def test_what_is_wrong_is_said_before_the_socket_opens(kube: Kubectl) -> None:
    assert 'pods "nosuch" not found' in kube.run("exec", "nosuch", "--", "true").err
    assert "forbidden" in kube.run("exec", "--as=jane", "web", "--", "true").err.lower()


def test_attach_talks_to_what_runs_already(kube: Kubectl) -> None:
    words, pipe = [kubectl.program(), "attach", "-i", "web"], subprocess.PIPE
    with subprocess.Popen(words, env=kube.env(), stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("a word\n")
        process.stdin.flush()
        assert process.stdout.readline() == "got a word\n"
        process.terminate()


def test_cp_brings_files_in_and_out(kube: Kubectl) -> None:
    (kube.folder / "in").write_text("text")
    kube.ok("cp", "in", "web:/tmp/file")
    kube.ok("cp", "web:/tmp/file", "out")
    assert (kube.folder / "out").read_text() == "text"
