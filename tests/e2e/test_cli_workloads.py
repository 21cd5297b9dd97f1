"""Deployments and ReplicaSets through the program, against a real server with hollow nodes."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cli_runner import Cli, background, cluster

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


def test_what_is_made_by_name(cli: Cli) -> None:
    """Words and manifests are kubectl's."""
    made = cli.ok("create", "job", "once", "--image=helmling/hello:v1", "--", "date", "-u")
    assert made.out == "job.batch/once created\n"
    [container] = cli.ok("get", "job", "once", "-o", "json").json()["spec"]["template"]["spec"][
        "containers"
    ]
    assert (container["name"], container["command"]) == ("once", ["date", "-u"])
    every = ("--image=helmling/hello:v1", "--schedule=0 3 1 1 *")
    assert cli.ok("create", "cj", "tidy", *every).out == "cronjob.batch/tidy created\n"
    assert cli.ok("create", "job", "now", "--from=cronjob/tidy").out == "job.batch/now created\n"
    now = cli.ok("get", "job", "now", "-o", "json").json()["metadata"]
    assert now["annotations"]["cronjob.kubernetes.io/instantiate"] == "manual"
    assert [owner["name"] for owner in now["ownerReferences"]] == ["tidy"]
    budget = cli.ok(
        "create", "pdb", "web", "--selector=app=web", "--min-available=50%", "-o", "json"
    )
    assert budget.json()["spec"]["minAvailable"] == "50%"
    for words, complaint in (
        (("job", "x"), "either --image or --from must be specified"),
        (("job", "x", "--from=cronjob/tidy", "--", "date"), "cannot specify --from and command"),
        (("job", "x", "--from=pod/tidy"), "from must be an existing cronjob"),
        (("job", "x", "--from=cj/none"), 'cronjobs.batch "none" not found'),
        (("cronjob", "x"), 'required flag(s) "image", "schedule" not set'),
        (("pdb", "x"), "a selector must be specified"),
        (
            ("pdb", "x", "--selector=a=b"),
            "one of min-available or max-unavailable must be specified",
        ),
        (("namespace", "x", "--image=a"), "unknown flag: --image"),
        (("pod", "x"), "helmling create makes these by name"),
    ):
        assert complaint in cli.fails("create", *words)
    cli.ok("delete", "job/once", "cj/tidy", "pdb/web")
    cli.ok("wait", "--for=delete", "job/now", "--timeout=50s")  # it goes with its owner


def test_the_fate_of_each_slot_is_told(cli: Cli) -> None:
    cli.ok("apply", "-f", "-", stdin=CRONJOB.replace("0 3 1 1 *", "@every 1s"))
    cli.ok(
        "wait", "cj/tidy", "--for=jsonpath={.status.recentSlots[0].decision}=Ran", "--timeout=50s"
    )
    cli.ok("patch", "cj", "tidy", "-p", "spec: {suspend: true}")
    suspended = "--for=jsonpath={.status.recentSlots[9].reason}=Suspended"
    cli.ok("wait", "cj/tidy", suspended, "--timeout=50s")
    told = cli.ok("describe", "cj", "tidy").lines()
    begin = told.index("Recent Slots:")
    assert told[begin + 1].split() == ["Slot", "Decision", "Job", "Why"]
    assert re.search(r" \+0000   Skipped +<none> +suspended$", told[begin + 12])
    cli.ok("delete", "cj", "tidy")


OTHERS = """apiVersion: apps/v1
kind: {kind}
metadata: {{name: db}}
spec:
  selector: {{matchLabels: {{app: db}}}}
  template:
    metadata: {{labels: {{app: db}}}}
    spec:
      containers:
      - {{name: main, image: "helmling/hello:v1"}}
      - {{name: side, image: "helmling/hello:v1"}}
"""


@pytest.mark.parametrize("kind", ["Deployment", "DaemonSet", "StatefulSet"])
def test_set_changes_whatever_makes_pods(cli: Cli, kind: str) -> None:
    cli.ok("apply", "-f", "-", stdin=OTHERS.format(kind=kind))
    which, full = f"{kind.lower()}/db", f"{kind.lower()}.apps/db"
    said = cli.ok("set", "image", which, "side=helmling/hello:v2").out
    assert said == f"{full} image updated\n"
    assert cli.ok("set", "image", which, "side=helmling/hello:v2").out == ""
    assert cli.ok("set", "env", which, "-c", "ma*", "A=1", "B=2").out == f"{full} env updated\n"
    cli.ok("set", "env", which, "-c", "main", "-e", "-", stdin="C=3\nD=4\n")
    cli.ok("set", "env", which, "A-")
    listed = cli.ok("set", "env", which, "--list", "E=5").lines()
    assert listed == [
        f"# {kind} db, container main", "B=2", "C=3", "D=4", "E=5", f"# {kind} db, container side", "E=5",
    ]  # fmt: skip
    said = cli.ok("set", "resources", which, "--requests=cpu=1m").out
    assert said == f"{full} resource requirements updated\n"
    images = "jsonpath={.spec.template.spec.containers[*].image}"
    assert cli.ok("get", which, "-o", images).out == "helmling/hello:v1 helmling/hello:v2"
    assert "already has a value" in cli.fails("set", "env", which, "B=9", "--overwrite=false")
    cli.ok("delete", which)


def test_set_env_from_a_secret_and_back(cli: Cli) -> None:
    """The variable refers to the key; no value is copied, and what it was before is gone."""
    cli.ok(
        "create",
        "secret",
        "generic",
        "keys",
        "--from-literal=db-user=u",
        "--from-literal=db.user=v",
    )
    cli.ok("create", "configmap", "keys", "--from-literal=level=debug")
    cli.ok("create", "deployment", "taker", "--image=helmling/hello:v1")
    which = "deployment/taker"
    made = cli.ok("set", "env", which, "--from=secret/keys", "--keys=db-user", "--prefix=A_")
    assert made.out == "deployment.apps/taker env updated\n"
    assert "environment variables from Secrets can be seen on the node" in made.err
    listed = cli.ok("set", "env", which, "--list", "--from=configmap/keys").lines()
    assert listed[1:] == ["# A_DB_USER from secret keys, key db-user", "# LEVEL from configmap keys, key level"]  # fmt: skip
    cli.ok("set", "env", which, "A_DB_USER=plain")
    assert cli.ok("set", "env", which, "--list").lines()[1:] == ["A_DB_USER=plain"]
    cli.ok("set", "env", which, "--from=configmap/keys", "--prefix=A_DB_")
    cli.ok("set", "env", which, "--from=secret/keys", "--keys=db-user", "--prefix=A_")
    env = cli.ok("get", which, "-o", "jsonpath={.spec.template.spec.containers[0].env}").json()
    assert {
        "name": "A_DB_USER",
        "valueFrom": {"secretKeyRef": {"name": "keys", "key": "db-user"}},
    } in env
    for words, told in {
        ("--from=secret/keys",): "two keys of secret/keys would be the variable DB_USER",
        ("--from=secret/keys", "--keys=db-usr"): 'secret/keys has no key "db-usr", did you mean "db-user"?',
        ("--from=secret/nobodys",): 'secrets "nobodys" not found',
        ("--from=secrets",): "--from takes one ConfigMap or Secret",
        ("--from=pod/web",): "--from takes one ConfigMap or Secret",
        ("A=1", "--prefix=X"): "--prefix says more about --from",
        (): "See 'helmling set env -h'",
    }.items():  # fmt: skip
        assert told in cli.fails("set", "env", which, *words)
    after = cli.ok("get", which, "-o", "jsonpath={.spec.template.spec.containers[0].env}").json()
    assert after == env
    cli.ok("delete", which, "secret/keys", "configmap/keys")


def test_get_a_part_of_an_object(cli: Cli) -> None:
    cli.ok("create", "deployment", "parts", "--image=helmling/hello:v1", "--replicas=0")
    part = ("get", "deployment/parts", "--subresource=scale")
    assert [line.split() for line in cli.ok(*part).lines()] == [
        ["NAME", "DESIRED", "AVAILABLE"],
        ["parts", "0", "0"],
    ]
    assert cli.ok(*part, "-o", "json").json()["kind"] == "Scale"
    assert cli.ok("get", "deploy", "parts", "--subresource=status").lines()[1].split()[0] == "parts"
    for words, told in (
        (("deploy", "parts", "--subresource=spec"), 'invalid subresource value: "spec"'),
        (("deploy", "--subresource=scale"), "--subresource is of objects that are named"),
        (("configmap/kube-root-ca.crt", "--subresource=scale"), "Error from server"),
    ):
        assert told in cli.fails("get", *words)
    cli.ok("delete", "deployment/parts")


def test_set_serviceaccount_and_subject(cli: Cli) -> None:
    cli.ok("create", "deployment", "who", "--image=helmling/hello:v1", "--replicas=0")
    said = cli.ok("set", "serviceaccount", "deployment/who", "robot").out
    assert said == "deployment.apps/who serviceaccount updated\n"
    account = "jsonpath={.spec.template.spec.serviceAccountName}"
    assert cli.ok("get", "deployment/who", "-o", account).out == "robot"
    cli.ok("create", "rolebinding", "reads", "--clusterrole=view", "--user=jane")
    said = cli.ok(
        "set", "subject", "rolebinding/reads", "--user=jane,joe", "--serviceaccount=a:b"
    ).out
    assert said == "rolebinding.rbac.authorization.k8s.io/reads subjects updated\n"
    names = "jsonpath={.subjects[*].name}"
    assert cli.ok("get", "rolebinding/reads", "-o", names).out == "jane joe b"
    assert cli.ok("set", "subject", "rolebinding/reads", "--user=joe").out == ""
    assert "only supported for RoleBindings" in cli.fails(
        "set", "subject", "deployment/who", "--user=x"
    )
    assert "at least one value of user, group" in cli.fails("set", "subject", "rolebinding/reads")
    cli.ok("delete", "deployment/who", "rolebinding/reads")


def test_a_file_is_changed_without_a_server(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "tidy.yaml"
    file.write_text(CRONJOB)
    alone = Cli(tmp_path / "nobody")
    changed = alone.ok("set", "image", "-f", str(file), "main=x:2", "--local", "-o", "yaml").out
    assert "image: x:2" in changed
    assert alone.ok("set", "env", "-f", "-", "A=1", "--local", stdin=changed).out == (
        "cronjob.batch/tidy env updated\n"
    )
    labelled = alone.ok("label", "-f", str(file), "a=b", "--local", "-o", "json").json()
    assert labelled["metadata"]["labels"] == {"a": "b"}
    made = alone.ok(
        "create", "deploy", "web", "--image=x:1", "--dry-run=client", "-o", "json"
    ).json()
    assert "namespace" not in made["metadata"]
    assert "--filename when --local" in alone.fails("set", "image", "cj/tidy", "main=x", "--local")
    both = ("--local", "--dry-run=server")
    assert "did you mean --dry-run=client?" in alone.fails(
        "set", "image", "-f", str(file), "main=x", *both
    )


def test_scale_several_and_only_if(cli: Cli) -> None:
    for kind, name in (("Deployment", "db"), ("ReplicaSet", "old")):
        cli.ok("apply", "-f", "-", stdin=OTHERS.format(kind=kind).replace("db", name))
    scaled = cli.ok("scale", "deploy/db", "rs/old", "--replicas=2", "--timeout=50s").out
    assert scaled == "deployment.apps/db scaled\nreplicaset.apps/old scaled\n"
    for which in ("deploy/db", "rs/old"):
        cli.ok("wait", which, "--for=jsonpath={.status.readyReplicas}=2", "--timeout=50s")
    said = cli.fails("scale", "rs", "old", "--replicas=1", "--resource-version=1")
    assert said.startswith("error: Expected resource version to be 1, was ")
    version = cli.ok("get", "rs", "old", "-o", "jsonpath={.metadata.resourceVersion}").out
    only_if = (f"--resource-version={version}", "--current-replicas=2")
    assert (
        cli.ok("scale", "rs", "old", "--replicas=1", *only_if).out == "replicaset.apps/old scaled\n"
    )
    said = cli.fails("scale", "deploy/db", "rs/old", "--replicas=3", "--resource-version=1")
    assert "cannot use --resource-version with multiple resources" in said
    assert "cannot be scaled" in cli.fails("scale", "ns/default", "--replicas=1")
    assert 'required flag(s) "replicas" not set' in cli.fails("scale", "rs/old")
    cli.ok("delete", "deploy/db", "rs/old")


def test_waiting_for_any_kind(cli: Cli) -> None:
    """Also for what does not exist yet; and a condition of an older spec does not count."""
    with background(cli, "wait", "--for=create", "deploy/db", "--timeout=50s") as waiting:
        cli.ok("apply", "-f", "-", stdin=OTHERS.format(kind="Deployment"))
        assert waiting.wait() == 0
    said = cli.ok("wait", "--for=condition=Available", "deploy/db", "--timeout=50s").out
    assert said == "deployment.apps/db condition met\n"
    cli.ok("wait", "--for=jsonpath={.status.phase}=Active", "ns", "--all", "--timeout=50s")
    cli.ok("wait", "--for=condition=Ready", "pods", "-l", "app=db", "--timeout=50s")
    cli.ok("delete", "deploy", "db", "--wait=false")
    cli.ok("wait", "--for=delete", "deploy/db", "--timeout=50s")
    assert "timed out waiting for the condition" in cli.fails(
        "wait", "--for=create", "deploy/db", "--timeout=0"
    )


def test_what_keeps_no_pods_has_no_logs(cli: Cli) -> None:
    cli.ok("apply", "-f", "-", stdin=CRONJOB)
    assert "cronjobs.batch keep no pods" in cli.fails("logs", "cj/tidy")
    cli.ok("create", "deploy", "none", "--image=helmling/hello:v1", "--replicas=0")
    said = cli.fails("logs", "deploy/none", "--pod-running-timeout=1ms")
    assert "timed out waiting for the condition: deployments/none has no pods" in said
    cli.ok("delete", "cj/tidy", "deploy/none")
