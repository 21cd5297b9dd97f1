"""A Secret that real pods read is on no disk: not the server's, not the agent's, not Docker's; nor is a pod's token.

Searched before and after the keys are rotated, and after everything was killed and has come back.
"""

import os
import signal
from pathlib import Path

import docker
import pytest

from tests.canaries import found, new_canary
from tests.e2e.cli_runner import Cli, cluster
from tests.local_images import have_local_images
from tests.waiting import eventually

TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"
SECRET = """apiVersion: v1
kind: Secret
metadata: {{name: keys}}
stringData: {{password: {value}}}
"""
POD = """apiVersion: v1
kind: Pod
metadata: {name: reader}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: helmling/hello:v1
    volumeMounts:
    - {name: keys, mountPath: /keys}
    - {name: keys, mountPath: /one, subPath: password}
  volumes:
  - name: keys
    secret: {secretName: keys}
"""


def docker_s_records() -> Path:
    """Where the engine keeps how containers were made, and what they have said."""
    client = docker.from_env(version="auto")
    try:
        return Path(client.info()["DockerRootDir"]) / "containers"
    finally:
        client.close()


def kill_everything(cli: Cli) -> None:
    for part in cli.ok("status", "-o", "json").json()["parts"]:
        os.kill(part["pid"], signal.SIGKILL)


@pytest.mark.docker
@pytest.mark.root
def test_a_secret_in_use_is_on_no_disk(tmp_path: Path) -> None:
    have_local_images()
    records = docker_s_records()
    with cluster(tmp_path / "cluster") as cli:
        first, second = new_canary(), new_canary()
        hidden = [first, second]

        def is_read(value: str) -> bool:
            return cli.run("exec", "reader", "--", "cat", "/keys/password").out == value

        def clean() -> None:
            assert [at for each in hidden for at in found(each, cli.data_dir, records)] == []

        cli.ok("create", "-f", "-", stdin=SECRET.format(value=first))
        cli.ok("create", "-f", "-", stdin=POD)
        cli.ok("wait", "--for=condition=Ready", "pod/reader", "--timeout=50s")
        assert is_read(first)
        assert cli.ok("exec", "reader", "--", "cat", "/one").out == first
        hidden.append(cli.ok("exec", "reader", "--", "cat", TOKEN).out.rpartition(".")[2])
        cli.ok("describe", "secret", "keys")
        clean()
        cli.ok("secrets", "rotate-key")
        clean()
        kill_everything(cli)
        clean()
        cli.ok("up")
        cli.ok("replace", "-f", "-", stdin=SECRET.format(value=second))
        eventually(lambda: is_read(second))
        clean()
        cli.ok("delete", "pod", "reader")
        clean()
