"""Taking nodes out of service through the program, against a real server with hollow nodes (S#61)."""

from collections.abc import Iterator

import pytest

from tests.e2e.cli_runner import Cli, background, cluster, read_until

WORKLOAD = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 3
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: main
        image: helmling/hello:v1
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: web
spec:
  minAvailable: 2
  selector:
    matchLabels: {app: web}
"""
BARE = """apiVersion: v1
kind: Pod
metadata:
  name: bare
spec:
  nodeName: n-0
  volumes:
  - name: scratch
    emptyDir: {}
  containers:
  - name: main
    image: helmling/hello:v1
"""


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with cluster(tmp_path_factory.mktemp("nodes"), "--hollow=2", "--node-name=n") as cli:
        yield cli


@pytest.fixture
def nodes(cli: Cli) -> Iterator[list[str]]:
    """Their names; in service again afterwards."""
    names = [each.removeprefix("node/") for each in cli.ok("get", "nodes", "-o", "name").lines()]
    yield names
    cli.ok("delete", "deployment,pdb", "--all")
    cli.ok("delete", "pod", "bare", "--ignore-not-found", "--now")
    cli.ok("uncordon", *names)


def test_cordon_and_uncordon(cli: Cli, nodes: list[str]) -> None:
    first = nodes[0]
    assert cli.ok("cordon", first).out == f"node/{first} cordoned\n"
    assert cli.ok("cordon", f"node/{first}").out == f"node/{first} already cordoned\n"
    assert "Ready,SchedulingDisabled" in cli.ok("get", "node", first).out
    dry = cli.ok("uncordon", first, "--dry-run=server").out
    assert dry == f"node/{first} uncordoned (server dry run)\n"
    everywhere = cli.ok("uncordon", "-l", "kubernetes.io/os=linux").lines()
    assert sorted(everywhere) == [f"node/{first} uncordoned", f"node/{nodes[1]} already uncordoned"]
    assert 'nodes "none" not found' in cli.fails("cordon", "none")
    assert "which node?" in cli.fails("cordon")
    assert 'expected resource of type node, got "pods"' in cli.fails("cordon", "pod/web")


def test_taints(cli: Cli, nodes: list[str]) -> None:
    first, everything = nodes[0], "jsonpath={.spec.taints[*].key}"
    assert cli.ok("taint", "nodes", first, "a=b:NoSchedule").out == f"node/{first} tainted\n"
    again = cli.fails("taint", "nodes", first, "a=c:NoSchedule")
    assert (
        f"node {first} already has a taint(s) with same effect(s) and --overwrite is false" in again
    )
    over = cli.ok("taint", "nodes", first, "a=c:NoSchedule", "--overwrite")
    assert over.out == f"node/{first} modified\n"
    cli.ok("taint", "nodes", first, "x:PreferNoSchedule")
    assert cli.ok("get", "node", first, "-o", everything).out == "a x"
    both = cli.ok("taint", "node", first, "x-", "y:PreferNoSchedule")
    assert both.out == f"node/{first} modified\n"
    assert cli.ok("taint", "nodes", first, "a:NoSchedule-", "y-").out == f"node/{first} untainted\n"
    assert cli.ok("get", "node", first, "-o", everything).out == ""
    assert 'taint "a" not found' in cli.fails("taint", "nodes", first, "a-")
    assert "only node types are supported" in cli.fails("taint", "pods", "web", "a:NoSchedule")
    assert "unsupported taint effect" in cli.fails("taint", "nodes", first, "a:Never")


def test_drain_obeys_the_budget_and_says_what_it_does(cli: Cli, nodes: list[str]) -> None:
    first, second = nodes
    cli.ok("cordon", second)
    cli.ok("apply", "-f", "-", stdin=WORKLOAD)
    cli.ok("rollout", "status", "deployment/web", "--timeout=60s")
    cli.ok("wait", "pdb/web", "--for=jsonpath={.status.disruptionsAllowed}=1", "--timeout=60s")
    names = cli.ok("get", "pods", "-o", "name").lines()
    stuck = cli.fails("drain", first, "--timeout=2s")
    assert "Cannot evict pod as it would violate the pod's disruption budget." in stuck
    assert "(will retry after 5s)" in stuck
    assert "global timeout reached: 2s" in stuck
    assert f'There are pending pods in node "{first}"' in stuck
    with background(cli, "drain", first) as draining:
        read_until(draining, "(will retry after 5s)", draining.stderr)
        cli.ok("uncordon", second)  # now there is room
        said = read_until(draining, f"node/{first} drained")
        assert draining.wait(60) == 0
    assert f"node/{first} already cordoned" in said
    assert {line for line in said.splitlines() if line.endswith(" evicted")} <= {
        f"{name} evicted" for name in cli_names(cli, names, said)
    }
    cli.ok("rollout", "status", "deployment/web", "--timeout=60s")
    where = cli.ok("get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}").out
    assert set(where.split()) == {second}
    assert cli.ok("drain", first).out.endswith(f"node/{first} drained\n")  # nothing is left to do


def cli_names(cli: Cli, names: list[str], said: str) -> set[str]:
    """All pods that were ever asked to go."""
    asked = {line.rpartition("/")[2] for line in said.splitlines() if line.startswith("evicting")}
    return {*names, *(f"pod/{name}" for name in asked)}


def test_drain_refuses_what_would_be_lost(cli: Cli, nodes: list[str]) -> None:
    first = nodes[0]
    cli.ok("apply", "-f", "-", stdin=BARE.replace("n-0", first))
    cli.ok("wait", "--for=condition=Ready", "pod/bare", "--timeout=60s")
    lost = "cannot delete Pods with local storage (use --delete-emptydir-data to override): default/bare"
    said = cli.fails("drain", first)
    assert (
        f'error: unable to drain node "{first}" due to error: {lost}, continuing command...' in said
    )
    assert said.endswith(f"There are pending nodes to be drained:\n {first}\n{lost}\n")
    nobodys = (
        "cannot delete Pods that declare no controller (use --force to override): default/bare"
    )
    assert nobodys in cli.fails("drain", first, "--delete-emptydir-data")
    lossy = ("drain", first, "--delete-emptydir-data", "--force")
    assert "evicting pod default/bare (dry run)" in cli.ok(*lossy, "--dry-run=client").out
    assert "evicting pod default/bare (server dry run)" in cli.ok(*lossy, "--dry-run=server").out
    done = cli.ok(*lossy, "--disable-eviction", "--grace-period=1")
    assert "Warning: deleting Pods that declare no controller: default/bare" in done.err
    assert done.out.splitlines()[-3:] == [
        "deleting pod default/bare",
        "pod/bare deleted",
        f"node/{first} drained",
    ]


def test_describe_and_get_a_budget(cli: Cli, nodes: list[str]) -> None:
    cli.ok("apply", "-f", "-", stdin=WORKLOAD)
    cli.ok("rollout", "status", "deployment/web", "--timeout=60s")
    cli.ok("wait", "pdb/web", "--for=jsonpath={.status.disruptionsAllowed}=1", "--timeout=60s")
    header, row = cli.ok("get", "pdb").lines()
    assert header.split() == [
        "NAME",
        "MIN",
        "AVAILABLE",
        "MAX",
        "UNAVAILABLE",
        "ALLOWED",
        "DISRUPTIONS",
        "AGE",
    ]
    assert row.split()[:4] == ["web", "2", "N/A", "1"]
    told = cli.ok("describe", "pdb", "web").out
    assert "Allowed disruptions:  1" in told
    assert "DisruptionAllowed" in told
