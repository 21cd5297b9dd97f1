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
    scale = cli.ok("patch", "deploy", "web", "--subresource=scale", "-p", "spec: {replicas: 4}")
    assert scale.out == "deployment.apps/web patched\n"
    assert cli.ok("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}").out == "4"
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


JOB = """apiVersion: batch/v1
kind: Job
metadata:
  name: pi
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: main
        image: helmling/hello:v1
"""
CRONJOB = """apiVersion: batch/v1
kind: CronJob
metadata:
  name: tidy
spec:
  schedule: "0 3 1 1 *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: OnFailure
          containers:
          - name: main
            image: helmling/hello:v1
"""


def test_a_job_and_a_cronjob(cli: Cli) -> None:
    """The Job may be applied again, although the server has added to its template."""
    for text in (JOB, CRONJOB):
        assert cli.ok("apply", "-f", "-", stdin=text).out.endswith(" created\n")
        assert cli.ok("apply", "-f", "-", stdin=text).out.endswith(" unchanged\n")
    header = cli.ok("get", "jobs").lines()[0]
    assert header.split() == ["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"]
    assert "batch.kubernetes.io/job-name=pi" in cli.ok("describe", "job", "pi").out
    assert cli.ok("get", "cj").lines()[1].split()[:6] == ["tidy", "0", "3", "1", "1", "*"]
    assert "Concurrency Policy:            Allow" in cli.ok("describe", "cj", "tidy").out
    said = cli.fails("patch", "job", "pi", "-p", "spec: {completions: 3}")
    assert "spec.completions: Invalid value: 3: field is immutable" in said
    cli.ok("delete", "cj", "tidy")
    cli.ok("delete", "job", "pi")
