"""Quotas, bounds, Pod Security, the audit log and `why` through the program, on a cluster with hollow nodes."""

import json
import secrets
from typing import Any

from tests.e2e.cli_runner import ROOT, Cli

BAD = """apiVersion: apps/v1
kind: Deployment
metadata: {name: bad}
spec:
  replicas: 1
  selector: {matchLabels: {app: bad}}
  template:
    metadata: {labels: {app: bad}}
    spec:
      hostPID: true
      containers: [{name: app, image: "helmling/hello:v1"}]
"""
READER = """apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [""], resources: [secrets], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: readers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: anna}]
---
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: app
    image: helmling/hello:v1
    envFrom: [{secretRef: {name: keys}}]
"""


def lines(cli: Cli) -> list[dict[str, Any]]:
    text = (cli.data_dir / "audit" / "audit.log").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_a_quota_from_create_to_refusal(cli: Cli) -> None:
    assert cli.ok("create", "quota", "q", "--hard=pods=1").out == "resourcequota/q created\n"
    cli.ok("run", "one", "--image=helmling/hello:v1")
    refused = cli.fails("run", "two", "--image=helmling/hello:v1")
    assert (
        'pods "two" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1'
        in refused
    )
    header, row = cli.ok("get", "quota").lines()
    assert header.split() == ["NAME", "REQUEST", "LIMIT", "AGE"]
    assert row.split()[:3] == ["q", "pods:", "1/1"]
    described = [each.split() for each in cli.ok("describe", "quota", "q").lines()]
    assert described[2:5] == [
        ["Resource", "Used", "Hard"],
        ["--------", "----", "----"],
        ["pods", "1", "1"],
    ]
    cli.ok("delete", "pod", "one", "--now")
    cli.ok("wait", "quota/q", "--for=jsonpath={.status.used.pods}=0", "--timeout=60s")
    cli.ok("run", "two", "--image=helmling/hello:v1")


def test_why_a_deployment_has_too_few_pods(cli: Cli) -> None:
    cli.ok("create", "quota", "q", "--hard=pods=1")
    cli.ok("create", "deployment", "web", "--image=helmling/hello:v1", "--replicas=2")
    waited = ("wait", "deployment/web", "--for=condition=ReplicaFailure", "--timeout=60s")
    cli.ok(*waited)
    assert "exceeded quota: q, requested: pods=1" in cli.ok("why", "deployment/web").out


def test_warnings_are_shown_and_labels_checked(cli: Cli) -> None:
    cli.ok("create", "namespace", "soft")
    level = "pod-security.kubernetes.io"
    cli.ok("label", "namespace", "soft", f"{level}/warn=baseline")
    told = cli.run("apply", "-n", "soft", "-f", "-", stdin=BAD)
    assert told.code == 0
    assert told.err == (
        'Warning: would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)\n'
    )
    refused = cli.fails("label", "namespace", "soft", f"{level}/enforce=strict")
    assert "must be one of privileged, baseline, restricted" in refused


def test_why_a_secret_is_exposed_and_no_log_has_it(cli: Cli) -> None:
    canary = secrets.token_hex(16)
    cli.ok("create", "secret", "generic", "keys", f"--from-literal=password={canary}")
    cli.ok("apply", "-f", "-", stdin=READER)
    told = cli.ok("why", "secret/keys").out
    assert "user anna: get secrets  (RoleBinding" in told
    assert "pod web: all keys as variables of container app" in told
    mine = [each for each in lines(cli) if each["objectRef"].get("name") == "keys"]
    assert ("create", 201) in [(each["verb"], each["responseStatus"]["code"]) for each in mine]
    for file in [*cli.data_dir.glob("audit/*"), *cli.data_dir.glob("logs/*")]:
        assert canary not in file.read_text()


def test_the_example_describes_its_namespace(cli: Cli) -> None:
    cli.ok("apply", "-f", str(ROOT / "examples" / "19-policies.yaml"))
    told = cli.ok("describe", "namespace", "guarded").out
    assert "Resource Quotas\n  Name:  budget\n" in told
    assert "Resource Limits\n" in told
    annotation = "{.metadata.annotations.kubernetes\\.io/limit-ranger}"
    path = f"jsonpath={annotation}"
    assert (
        "LimitRanger plugin set" in cli.ok("get", "pod", "modest", "-n", "guarded", "-o", path).out
    )
