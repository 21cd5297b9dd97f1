"""A program in a container asks the API server with what it finds in its files, and no longer when its pod is gone."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.certificates import fingerprint, read
from tests.e2e.cli_runner import LONG, Cli, cluster
from tests.local_images import have_local_images

pytestmark = [pytest.mark.docker, pytest.mark.root]
ROOT = "/var/run/secrets/kubernetes.io/serviceaccount"
POD = """apiVersion: v1
kind: Pod
metadata: {name: NAME}
spec:
  terminationGracePeriodSeconds: 1
  serviceAccountName: ACCOUNT
  MORE
  containers:
  - name: main
    image: helmling/box:1
    command: [sh, -c, "exec sleep 3600"]
"""


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    have_local_images()
    with cluster(tmp_path_factory.mktemp("real"), "--node-name=real") as cli:
        cli.ok("create", "serviceaccount", "robot")
        cli.ok("create", "role", "reader", "--verb=list", "--resource=pods")
        cli.ok("create", "rolebinding", "reads", "--role=reader", "--serviceaccount=default:robot")
        yield cli


def run_pod(cli: Cli, name: str, more: str = "enableServiceLinks: false") -> None:
    manifest = POD.replace("NAME", name).replace("ACCOUNT", "robot").replace("MORE", more)
    cli.ok("apply", "-f", "-", stdin=manifest)
    cli.ok("wait", "--for=condition=Ready", f"pod/{name}", f"--timeout={LONG}s")


def door(cli: Cli) -> str:
    command = cli.ok("token", "create", "--print-join-command").out.split()
    (where,) = (word.removeprefix("--join=") for word in command if word.startswith("--join="))
    return where


def test_what_is_in_the_container_opens_the_door(cli: Cli) -> None:
    run_pod(cli, "web")

    def file(name: str) -> str:
        return cli.ok("exec", "web", "--", "cat", f"{ROOT}/{name}").out

    assert file("namespace") == "default"
    authority = read((cli.data_dir / "pki" / "ca.crt").read_bytes())
    assert fingerprint(read(file("ca.crt").encode())) == fingerprint(authority)
    token, where = file("token"), door(cli)
    mounted = cli.ok("exec", "web", "--", "sh", "-c", f"grep {ROOT} /proc/mounts").out.split()
    assert mounted[2] == "tmpfs"
    listed = cli.ok("get", "pods", f"--server={where}", f"--token={token}", "-o", "name").out
    assert "pod/web" in listed
    who = cli.ok("auth", "whoami", f"--server={where}", f"--token={token}", "-o", "json").json()
    extra = who["status"]["userInfo"]["extra"]
    assert extra["authentication.kubernetes.io/pod-name"] == ["web"]
    assert extra["authentication.kubernetes.io/node-name"] == ["real"]
    refused = cli.fails("get", "secrets", f"--server={where}", f"--token={token}")
    assert 'User "system:serviceaccount:default:robot" cannot list resource "secrets"' in refused
    cli.ok("delete", "pod", "web")
    said = cli.fails("get", "pods", f"--server={where}", f"--token={token}")
    assert "You must be logged in to the server" in said


def test_who_wants_no_token_gets_none(cli: Cli) -> None:
    run_pod(cli, "bare", "automountServiceAccountToken: false")
    assert cli.run("exec", "bare", "--", "ls", ROOT).code != 0
    pod = json.loads(cli.ok("get", "pod", "bare", "-o", "json").out)
    assert "volumes" not in pod["spec"]


def test_no_token_is_left_on_the_nodes_disk(cli: Cli) -> None:
    run_pod(cli, "secretive")
    token = cli.ok("exec", "secretive", "--", "cat", f"{ROOT}/token").out
    signature = token.rpartition(".")[2].encode()
    disk = cli.data_dir.stat().st_dev
    for path in Path(cli.data_dir).rglob("*"):
        if path.is_file() and path.stat().st_dev == disk:
            assert signature not in path.read_bytes(), path
