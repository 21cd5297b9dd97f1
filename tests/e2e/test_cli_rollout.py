"""Rollouts on the command line, on hollow nodes: forward, back, and to any revision."""

from collections.abc import Iterator

import pytest

from tests.e2e.cli_runner import Cli, cluster

PATIENCE = "--timeout=50s"
TEMPLATE = """apiVersion: apps/v1
kind: {kind}
metadata: {{name: db}}
spec:
  selector: {{matchLabels: {{app: db}}}}
  template:
    metadata: {{labels: {{app: db}}}}
    spec:
      containers: [{{name: main, image: "helmling/hello:v1"}}]
"""


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with cluster(tmp_path_factory.mktemp("rollouts"), "--hollow=2") as cli:
        yield cli


def image_of(cli: Cli, which: str) -> str:
    path = "jsonpath={.spec.template.spec.containers[0].image}"
    return cli.ok("get", which, "-o", path).out


def test_a_rollout_from_the_first_revision_and_back(cli: Cli) -> None:
    cli.ok("create", "deployment", "web", "--image=helmling/hello:v1")
    assert (
        "successfully rolled out" in cli.ok("rollout", "status", "deploy/web", "--timeout=50s").out
    )
    assert cli.ok("scale", "deploy/web", "--replicas=2").out == "deployment.apps/web scaled\n"
    said = cli.fails("scale", "deploy/web", "--replicas=3", "--current-replicas=9")
    assert said == "error: Expected replicas to be 9, was 2\n"
    cli.ok("set", "image", "deploy/web", "hello=helmling/hello:v2")
    cli.ok("rollout", "status", "deploy/web", "--timeout=50s")
    cli.ok("rollout", "pause", "deploy/web")
    assert "cannot rollback a paused" in cli.fails("rollout", "undo", "deploy/web")
    cli.ok("rollout", "resume", "deploy/web")
    assert cli.ok("rollout", "undo", "deploy/web").out == "deployment.apps/web rolled back\n"
    assert "unknown flag" in cli.fails("rollout", "status", "deploy/web", "--to-revision=1")


def test_any_revision_of_a_deployment(cli: Cli) -> None:
    cli.ok("apply", "-f", "-", stdin=TEMPLATE.format(kind="Deployment"))
    cli.ok("rollout", "status", "deploy/db", PATIENCE)
    for version in ("v2", "v3"):
        cli.ok("set", "image", "deploy/db", f"main=helmling/hello:{version}")
        cli.ok("annotate", "deploy/db", f"kubernetes.io/change-cause=to {version}", "--overwrite")
        cli.ok("rollout", "status", "deploy/db", PATIENCE)
    title, header, *revisions = cli.ok("rollout", "history", "deploy/db").lines()
    assert (title, header.split()) == ("deployment.apps/db", ["REVISION", "CHANGE-CAUSE"])
    assert [row.split()[0] for row in revisions if row] == ["1", "2", "3"]
    assert "to v2" in revisions[1]
    shown = cli.ok("rollout", "history", "deploy/db", "--revision=1").out
    assert shown.startswith("deployment.apps/db with revision #1\nPod Template:\n")
    assert "helmling/hello:v1" in shown
    assert (
        cli.ok("rollout", "history", "deploy/db", "--revision=1", "-o", "json").json()["kind"]
        == "ReplicaSet"
    )
    assert "unable to find" in cli.fails("rollout", "history", "deploy/db", "--revision=9")
    tried = cli.ok("rollout", "undo", "deploy/db", "--to-revision=1", "--dry-run=client").out
    assert "helmling/hello:v1" in tried
    cli.ok("rollout", "undo", "deploy/db", "--to-revision=1", "--dry-run=server")
    assert image_of(cli, "deploy/db") == "helmling/hello:v3"
    cli.ok("rollout", "undo", "deploy/db", "--to-revision=1")
    assert image_of(cli, "deploy/db") == "helmling/hello:v1"
    cli.ok("rollout", "status", "deploy/db", PATIENCE)
    cli.ok("rollout", "restart", "deploy/db")
    cli.ok("rollout", "status", "deploy/db", PATIENCE)
    cli.ok("delete", "deploy", "db")


@pytest.mark.parametrize(
    ("kind", "over"),
    [
        ("DaemonSet", 'daemon set "db" successfully rolled out'),
        ("StatefulSet", "partitioned roll out complete: 1 new pods have been updated..."),
    ],
)
def test_rollouts_of_those_who_keep_pods_themselves(cli: Cli, kind: str, over: str) -> None:
    which, full = f"{kind.lower()}/db", f"{kind.lower()}.apps/db"
    cli.ok("apply", "-f", "-", stdin=TEMPLATE.format(kind=kind))
    assert cli.ok("rollout", "status", which, PATIENCE).lines()[-1] == over
    assert "no last revision to roll back to" in cli.fails("rollout", "undo", which)
    cli.ok("set", "image", which, "main=helmling/hello:v2")
    assert cli.ok("rollout", "status", which, PATIENCE).lines()[-1] == over
    title, _, *rows = cli.ok("rollout", "history", which).lines()
    assert (title, [row.split()[0] for row in rows if row]) == (full, ["1", "2"])
    assert "helmling/hello:v1" in cli.ok("rollout", "history", which, "--revision=1").out
    old = cli.ok("rollout", "history", which, "--revision=1", "-o", "json").json()
    assert (old["kind"], old["metadata"]["name"]) == (kind, "db")
    assert cli.ok("rollout", "undo", which).out == f"{full} rolled back\n"
    assert image_of(cli, which) == "helmling/hello:v1"
    assert cli.ok("rollout", "status", which, PATIENCE).lines()[-1] == over
    again = cli.ok("rollout", "undo", which, "--to-revision=3").out
    assert again == f"{full} skipped rollback (current template already matches revision 3)\n"
    assert "unable to find specified revision 1 in history" in cli.fails(
        "rollout", "undo", which, "--to-revision=1"
    )
    assert cli.ok("rollout", "restart", which).out == f"{full} restarted\n"
    assert cli.ok("rollout", "status", which, PATIENCE).lines()[-1] == over
    images = "jsonpath={.items[*].spec.containers[0].image}"
    assert set(cli.ok("get", "pods", "-l", "app=db", "-o", images).out.split()) == {
        "helmling/hello:v1"
    }
    plural = f"{kind.lower()}s.apps"
    assert (
        cli.fails("rollout", "pause", which) == f'error: {plural} "db" pausing is not supported\n'
    )
    cli.ok("patch", which, "-p", "spec: {updateStrategy: {type: OnDelete, rollingUpdate: null}}")
    said = cli.fails("rollout", "status", which, PATIENCE)
    assert said == "error: rollout status is only available for RollingUpdate strategy type\n"
    cli.ok("delete", kind, "db")


def test_a_partition_holds_back_some_pods(cli: Cli) -> None:
    cli.ok("apply", "-f", "-", stdin=TEMPLATE.format(kind="StatefulSet"))
    assert cli.ok("scale", "sts/db", "--replicas=3", PATIENCE).out == "statefulset.apps/db scaled\n"
    cli.ok("rollout", "status", "sts/db", PATIENCE)
    cli.ok("patch", "sts", "db", "-p", "spec: {updateStrategy: {rollingUpdate: {partition: 2}}}")
    cli.ok("set", "image", "sts/db", "main=helmling/hello:v2")
    told = cli.ok("rollout", "status", "sts/db", PATIENCE).lines()[-1]
    assert told == "partitioned roll out complete: 1 new pods have been updated..."
    images = "jsonpath={.items[*].spec.containers[0].image}"
    found = cli.ok("get", "pods", "-l", "app=db", "--sort-by=.metadata.name", "-o", images).out
    assert found.split() == ["helmling/hello:v1", "helmling/hello:v1", "helmling/hello:v2"]
    cli.ok("delete", "sts", "db")


def test_what_rolls_nothing_out(cli: Cli) -> None:
    cli.ok("create", "job", "once", "--image=helmling/hello:v1")
    for action, said in (
        ("status", "no status viewer has been implemented for Job"),
        ("history", 'no history viewer has been implemented for "Job"'),
        ("undo", 'no rollbacker has been implemented for "Job"'),
        ("restart", 'jobs.batch "once" restarting is not supported'),
        ("resume", 'jobs.batch "once" resuming is not supported'),
    ):
        assert cli.fails("rollout", action, "job/once") == f"error: {said}\n"
    cli.ok("delete", "job", "once")
