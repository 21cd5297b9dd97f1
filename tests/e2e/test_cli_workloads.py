"""Deployments and ReplicaSets through the program, against a real server with hollow nodes."""

from collections.abc import Iterator

import pytest

from tests.e2e.cli_runner import Cli, cluster

DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: {replicas}
  selector:
    matchLabels: {{app: web}}
  template:
    metadata:
      labels: {{app: web}}
    spec:
      containers:
      - name: main
        image: helmling/hello:{version}
"""


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with cluster(tmp_path_factory.mktemp("workloads"), "--hollow=1", "--node-name=n") as cli:
        yield cli


def manifest(replicas: int = 2, version: str = "v1") -> str:
    return DEPLOYMENT.format(replicas=replicas, version=version)


def test_a_deployment_from_apply_to_delete(cli: Cli) -> None:
    apply = ("apply", "-f", "-")
    assert cli.ok(*apply, stdin=manifest()).out == "deployment.apps/web created\n"
    assert cli.ok(*apply, stdin=manifest()).out == "deployment.apps/web unchanged\n"
    assert cli.ok(*apply, stdin=manifest(3)).out == "deployment.apps/web configured\n"
    header, row = cli.ok("get", "deploy", "-o", "wide").lines()
    columns = "NAME READY UP-TO-DATE AVAILABLE AGE CONTAINERS IMAGES SELECTOR"
    assert header.split() == columns.split()
    assert row.split()[-3:] == ["main", "helmling/hello:v1", "app=web"]
    assert "deployment.apps/web" in cli.ok("get", "all").out
    told = cli.ok("describe", "deploy", "web").out
    assert "RollingUpdateStrategy:  25% max unavailable, 25% max surge" in told
    assert cli.ok("delete", "deployment", "web").out.startswith('deployment.apps "web" deleted')


def test_all_mistakes_are_told_at_once_with_their_lines(cli: Cli) -> None:
    wrong = manifest(-1).replace("labels: {app: web}", "labels: {app: shop}")
    said = cli.fails("apply", "-f", "-", stdin=wrong)
    assert "spec.replicas: Invalid value: -1" in said
    assert "`selector` does not match template `labels`" in said


def test_what_a_field_means(cli: Cli) -> None:
    assert (
        "percentages are rounded up"
        in cli.ok("explain", "deployment.spec.strategy.rollingUpdate.maxSurge").out
    )
