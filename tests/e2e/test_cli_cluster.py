"""`up`, `status`, `down`, and `server` and `agent` by hand: a cluster's life on one machine."""

import json
import os
import signal
import socket
from pathlib import Path

import pytest

from node_agent.processes import Process
from tests import pki
from tests.e2e.cli_runner import Cli, background, cluster, read_until


def process_of(cli: Cli, part: str) -> Process:
    return Process(**json.loads((cli.data_dir / "run" / f"{part}.json").read_text()))


def test_up_status_down(tmp_path: Path) -> None:
    """What was there before `down` is there after `up`; a second `up` changes nothing."""
    with cluster(tmp_path / "c", "--hollow=1", "--node-name=solo") as cli:
        report = cli.ok("status", "-o", "json").json()
        assert report["up"] is True
        assert [part["state"] for part in report["parts"]] == ["running", "running"]
        assert all(part["rss"] > 0 for part in report["parts"])
        assert report["nodes"] == [{"name": "solo-1", "ready": "Ready"}]
        server = process_of(cli, "server")
        assert "up already" in cli.ok("up").out
        assert process_of(cli, "server") == server
        cli.ok("create", "namespace", "kept")
        down = cli.ok("down")
        assert "Stopped the server." in down.out
        assert "its state stays" in down.out.lower()
        assert not server.alive()
        assert "cluster is down" in cli.run("status").out
        assert cli.run("status").code == 3
        assert "was refused - is the cluster up? start one with: helmling up" in cli.fails(
            "get", "pods"
        )
        assert "HOLLOW" in cli.ok("up").out
        assert cli.ok("get", "ns", "kept", "-o", "name").out == "namespace/kept\n"
    assert not (tmp_path / "c").exists()


def test_up_mends_what_died(tmp_path: Path) -> None:
    """Only what does not run is started."""
    with cluster(tmp_path / "c", "--hollow=1") as cli:
        server, agent = process_of(cli, "server"), process_of(cli, "agent")
        os.kill(agent.pid, signal.SIGKILL)
        cli.ok("up")
        assert process_of(cli, "server") == server
        assert process_of(cli, "agent") != agent
        assert cli.ok("status").code == 0


def test_up_refuses_another_shape_while_it_runs(tmp_path: Path) -> None:
    with cluster(tmp_path / "c", "--hollow=1") as cli:
        assert "runs with another --hollow: helmling down first" in cli.fails("up", "--hollow=2")


def test_a_pid_that_is_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    """The record names a process that is not the one we started: it must survive `down`."""
    with cluster(tmp_path / "c", "--hollow=1") as cli:
        cli.ok("down")
        record = cli.data_dir / "run" / "agent.json"
        me = Process.of(os.getpid())
        assert me is not None
        record.write_text(json.dumps({"pid": me.pid, "born": me.born - 1, "boot": me.boot}))
        assert "Stopped" not in cli.ok("down").out


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = cli.fails("up", "--hollow=1", f"--port={port}")
    assert f"port {port} on 127.0.0.1 cannot be used: Address already in use" in said
    assert "--port=0" in said


def test_a_part_that_cannot_start_is_explained(tmp_path: Path) -> None:
    """With the end of its log, and nothing left running."""
    cli = Cli(tmp_path / "c")
    said = cli.fails("up", "--hollow=1", "--port=0", "--store=nonsense://x")
    assert "the server ended right after its start" in said
    assert "there is no kind of store called 'nonsense'" in said
    report = cli.run("status", "-o", "json").json()
    assert [part["state"] for part in report["parts"]] == ["down", "down"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["up", "now"], "up takes no arguments"),
        (["up", "--port=99999"], "--port must be between"),
        (["up", "--hollow=-1"], "--hollow takes a number"),
        (["up", "--pod-cidr=banana"], "--pod-cidr banana"),
        (["up", "--pod-cidr=10.0.0.0/30"], "has no room for pods"),
        (["down", "--wipe", "--keep-pods"], "cannot be used together"),
        (["server", "--listen=everywhere"], "expected HOST:PORT"),
        (["server", "--listen=0.0.0.0:99999"], "expected HOST:PORT"),
        (["server", "--token-port=99999"], "--token-port must be between 0 and 65535"),
        (["agent", "--join=127.0.0.1:6441"], "--join and --token go together"),
        (["agent", "--join=127.0.0.1:6441", "--token=half"], "is to be copied whole"),
        (["server", "--log-level=loud"], "--log-level must be one of"),
        (["server", "--store=foo://"], "there is no kind of store called 'foo'"),
        (["agent", "--server=nowhere"], "is no server address"),
        (["agent", "x"], "agent takes no arguments"),
    ],
)
def test_wrong_input(tmp_path: Path, words: list[str], said: str) -> None:
    assert said in Cli(tmp_path).fails(*words)


def test_down_where_nothing_is(tmp_path: Path) -> None:
    assert "There is no cluster in" in Cli(tmp_path / "nothing").ok("down").out


def test_wipe_asks_first(tmp_path: Path) -> None:
    with cluster(tmp_path / "c", "--hollow=1") as cli:
        assert "say so with --yes" in cli.fails("down", "--wipe")
        assert cli.ok("status").code == 0


def test_server_and_agent_in_the_foreground(tmp_path: Path) -> None:
    """The two by hand, as a lab does it."""
    cli = Cli(tmp_path)
    with background(cli, "server", "--listen=127.0.0.1:0") as server:
        read_until(server, "Control plane at", server.stderr)
        with background(cli, "agent", "--hollow=2", "--node-name=h") as agent:
            cli.ok("wait", "--for=create", "node/h-1", "node/h-2", "--timeout=60s")
            cli.ok("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s")
            agent.send_signal(signal.SIGINT)
            assert agent.wait(60) == 0
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0


def test_which_cluster(tmp_path: Path) -> None:
    """--kubeconfig before $KUBECONFIG before the data directory; what cannot be trusted is told."""
    cli = Cli(tmp_path)
    assert "no cluster found" in cli.fails("get", "pods")
    other = tmp_path / "other.conf"
    other.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: k\n"
        "clusters: [{name: k, cluster: {server: 'https://10.0.0.1:6443'}}]\n"
        "contexts: [{name: k, context: {cluster: k, namespace: x}}]\n"
    )
    nobody = "has no certificate-authority-data"
    assert nobody in cli.fails("get", "pods", f"--kubeconfig={other}")
    cli.environment["KUBECONFIG"] = str(other)
    assert nobody in cli.fails("get", "pods")
    good = pki.kubeconfig(tmp_path / "good.conf", "127.0.0.1:1")
    assert "was refused" in cli.fails("get", "pods", f"--kubeconfig={good}")
    plain = ("get", "pods", f"--kubeconfig={good}", "--server=http://127.0.0.1:2")
    assert "never speaks plain text" in cli.fails(*plain)
    assert 'context "z" does not exist' in cli.fails("get", "pods", "--context=z")
    other.write_text("a: [")
    assert "is not valid YAML" in cli.fails("get", "pods")
