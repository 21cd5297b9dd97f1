"""What kubectl is asked to do, one row per command, and what must come of it: the table in docs/kubectl.md is made of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tests.e2e.cli_runner import Answer

POD = """apiVersion: v1
kind: Pod
metadata: {name: hello, annotations: {note: before-the-edit}}
spec: {containers: [{name: app, image: "helmling/hello:v1"}]}
"""
CHANGED = POD.replace("before-the-edit", "by apply")
MISSPELT = POD.replace("image:", "imag: x, image:").replace("hello,", "misspelt,")


@dataclass(frozen=True)
class Row:
    command: str  # as it is typed, without "kubectl"
    expect: str  # a pattern in what it prints
    stdin: str = ""
    missing: str = ""  # it does not work yet, and this is why; `expect` is what it says then
    since: int = 0  # the first minor version of kubectl that has it
    until: int = 100  # the first minor version of kubectl for which this is not so any more
    later: bool = (
        False  # it is to be asked again until it works: it shows what is reported now and then
    )
    refused: bool = False  # it is to be refused, and `expect` is how

    def verdict(self, answer: Answer) -> str:
        """What came of it: empty, or what is wrong with that."""
        failed = answer.code != 0
        said = answer.out + answer.err
        if failed != bool(self.missing or self.refused):
            return f"kubectl {self.command}: exit code {answer.code}: {said}"
        if not re.search(self.expect, said):
            return f"kubectl {self.command}: no {self.expect!r} in: {said}"
        return ""


# In this order: later rows find what earlier ones have made.
ROWS = (
    Row("version", r"Server Version.*v1\.\d+\.0\+helmling"),
    Row("cluster-info", "control plane.* is running at"),
    Row("api-versions", "apps/v1\n"),
    Row("api-resources", r"deployments +deploy +apps/v1 +true +Deployment"),
    Row("config get-contexts", r"\* +helmling"),
    Row("auth whoami", "kubernetes-admin", since=28),
    Row("auth can-i create pods", "^yes"),
    Row("auth can-i --list", r"\*\.\*"),
    Row("auth can-i get pods --as=nobody", "^no", refused=True),
    Row("get pods --as=nobody", r'pods is forbidden: User "nobody" cannot list', refused=True),
    Row("explain pod.spec.containers", "FIELDS:", since=29),
    Row("explain deploy --recursive", "maxSurge", since=29),
    Row("create -f -", "pod/hello created", POD, since=29),
    Row("create -f -", 'unknown field "spec.containers\\[0\\].imag"', MISSPELT, since=29, refused=True),
    Row("get pods", r"NAME +READY +STATUS +RESTARTS +AGE\nhello"),
    Row("get pods -o wide", "NODE"),
    Row("get pods -o name", "^pod/hello$"),
    Row("get pod hello -o yaml", "kind: Pod"),
    Row("get pod hello -o json", '"kind": "Pod"'),
    Row("get pod hello -o jsonpath={.metadata.name}", "^hello$"),
    Row("get pods -o custom-columns=N:.metadata.name", "^N\nhello"),
    Row("get pods -o go-template={{range.items}}{{.metadata.name}}{{end}}", "^hello$"),
    Row("get pods --sort-by=.metadata.name", "hello"),
    Row("get pods -l app=none", "No resources found"),
    Row("get pods --field-selector=metadata.name=hello", "hello"),
    Row("get pods -A", "NAMESPACE"),
    Row("get pods --watch --request-timeout=2s", "hello"),
    Row("get all", "pod/hello"),
    Row("get pod nosuch", r'Error from server \(NotFound\): pods "nosuch" not found', refused=True),
    Row("get nosuch", "the server doesn't have a resource type", refused=True),
    Row("describe pod hello", "Name: +hello"),
    Row("describe node n-1", "Allocatable"),
    Row("describe namespace default", "Status: +Active"),
    Row("edit pod hello", "pod/hello edited", since=29),
    Row("apply -f -", "pod/hello configured", CHANGED, since=29),
    Row("apply -f -", "pod/hello unchanged", CHANGED, since=29),
    Row("diff -f -", "^$", CHANGED, since=29),
    Row("apply --dry-run=server -f -", "dry run", CHANGED, since=29),
    Row("apply --server-side -f -", "Server-side apply not available", CHANGED, since=29,
        missing="server-side apply"),
    Row("replace --dry-run=server -f -", "replaced", "{pod}", since=29),
    Row("""patch pod hello -p '{"metadata":{"labels":{"a":"1"}}}'""", "pod/hello patched"),
    Row("""patch pod hello --type=merge -p '{"metadata":{"labels":{"a":"2"}}}'""", "pod/hello patched"),
    Row("""patch pod hello --type=json -p '[{"op":"remove","path":"/metadata/labels/a"}]'""", "pod/hello patched"),
    Row("label pod hello app=web", "pod/hello labeled"),
    Row("annotate pod hello note=new --overwrite", "pod/hello annotated"),
    Row("wait --for=condition=Ready pod/hello --timeout=60s", "condition met"),
    Row("events", "LAST SEEN", since=26),
    Row("create configmap settings --from-literal=a=b", "configmap/settings created"),
    Row("create secret generic keys --from-literal=a=b", "secret/keys created"),
    Row("create serviceaccount robot", "serviceaccount/robot created"),
    Row("create token robot", r"^ey", since=24),
    Row("create role reader --verb=get --resource=pods", "role.*/reader created"),
    Row("create rolebinding reads --role=reader --user=jane", "rolebinding.*/reads created"),
    Row("create quota limits --hard=pods=50", "resourcequota/limits created"),
    Row("create job once --image=helmling/hello:v1", "job.batch/once created", since=21),
    Row("create cronjob often --image=helmling/hello:v1 --schedule='0 4 * * *'", "cronjob.batch/often created", since=21),
    Row("create cronjob never --image=helmling/hello:v1 --schedule='0 4'", 'CronJob.* "never" is invalid', since=21,
        refused=True),
    Row("create deployment web --image=helmling/hello:v1 --replicas=2", "deployment.apps/web created"),
    Row("rollout status deploy/web --timeout=60s", "successfully rolled out"),
    Row("scale deploy/web --replicas=3", "deployment.apps/web scaled"),
    Row("set image deploy/web hello=helmling/hello:v2", "image updated"),
    Row("set env deploy/web A=B", "env updated"),
    Row("set resources deploy/web --requests=cpu=10m", "resource requirements updated"),
    Row("rollout history deploy/web", "REVISION"),
    Row("rollout pause deploy/web", "paused"),
    Row("rollout resume deploy/web", "resumed"),
    Row("rollout restart deploy/web", "restarted"),
    Row("rollout undo deploy/web", "rolled back"),
    Row("describe deploy web", "RollingUpdateStrategy"),
    Row("autoscale deploy web --max=5", "could not find the requested resource", missing="HorizontalPodAutoscaler v1 (kubectl 1.33 asks for v2)",
        until=33),
    Row("expose deploy web --port=80", "service/web exposed"),
    Row("run one --image=helmling/hello:v1", "pod/one created"),
    Row("port-forward pod/hello 18080:80", "error", missing="port-forward", since=29),
    Row("top nodes", "n-1 .*%", later=True),
    Row("taint node n-1 a=b:PreferNoSchedule", "node/n-1 tainted"),
    Row("taint node n-1 a-", "node/n-1 untainted"),
    Row("cordon n-1", "node/n-1 cordoned"),
    Row("drain n-1 --force --ignore-daemonsets --delete-emptydir-data --pod-selector=app=web", "drained|evicted"),
    Row("uncordon n-1", "node/n-1 uncordoned"),
    Row("delete configmap settings", 'configmap "settings" deleted'),
    Row("delete pod one --now", 'pod "one" deleted'),
    Row("delete deploy,svc --all", "deployment.apps \"web\" deleted"),
    Row("get --raw /readyz", "^ok$"),
    Row("get --raw /metrics", "apiserver_storage_objects"),
)  # fmt: skip

HEAD = """# kubectl

An unmodified kubectl works against a Helmling cluster: the server speaks Kubernetes' HTTP API on a port of its own (6443),
beside gRPC. It is the same server: the same authentication, authorization, admission, validation and audit log.

```console
$ helmling kubeconfig --write=kubectl.conf
$ kubectl --kubeconfig=kubectl.conf get nodes
```

The file serves both: in it, `server` says where kubectl connects, and an extension says where helmling does.

`control_plane/gateway/` is the code: [gateway.py](../control_plane/gateway/gateway.py) is what every request passes.
A request becomes the message that a gRPC client would have sent (paths.py, parameters.py, bodies.py), the answer becomes
JSON, and each version of an object is converted once (objects.py). Go clients since 1.32 send protobuf in Kubernetes'
own encoding; it is read (protobuf.py) and never written.

## What works

This table is made by the test that runs each of these commands (tests/e2e/test_kubectl.py), with kubectl {version}.

"""


def table(rows: Sequence[Row]) -> str:
    lines = ["| kubectl | |", "|---|---|"]
    for row in rows:
        told = (
            f"missing: {row.missing}"
            if row.missing
            else "refused, as it must be"
            if row.refused
            else "works"
        )
        command = row.command.replace("|", "\\|")
        lines.append(f"| `{command}` | {told} |")
    return "\n".join(lines) + "\n"
