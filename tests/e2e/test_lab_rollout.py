"""Services on three machines: from every node to every pod, and a rollout under load that drops no request."""

import subprocess
import sys

import pytest

from tests.e2e.cli_runner import PROGRAM, ROOT
from tests.lab import TestLab

pytestmark = [pytest.mark.docker, pytest.mark.root]
MANIFEST = """apiVersion: apps/v1
kind: Deployment
metadata: {name: spread}
spec:
  replicas: 9
  selector: {matchLabels: {app: spread}}
  template:
    metadata: {labels: {app: spread}}
    spec:
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: kubernetes.io/hostname
        whenUnsatisfiable: ScheduleAnyway
        labelSelector: {matchLabels: {app: spread}}
      containers:
      - name: hello
        image: helmling/hello:v1
        readinessProbe: {httpGet: {path: /healthz, port: 80}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: spread}
spec:
  type: NodePort
  selector: {app: spread}
  ports: [{port: 80}]
"""
REQUESTS = 6000


def load(lab: TestLab, node: str, url: str, *more: str) -> subprocess.Popen[str]:
    """Requests from this node, until there were enough."""
    generator = f"{sys.executable} -m tests.load {url} --clients=2 {' '.join(more)}"
    words = [
        "lab",
        "exec",
        f"--name={lab.name}",
        node,
        "--",
        "sh",
        "-c",
        f"cd {ROOT} && {generator}",
    ]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*PROGRAM, *words], env=lab.cli.env(), stdout=pipe, stderr=pipe, text=True
    )


def test_a_rollout_over_three_nodes_drops_no_request(lab: TestLab) -> None:
    """4g, S#81, S#82, S#85: through the ClusterIP from one node, through a node port of another from the third."""
    lab.apply(MANIFEST)
    lab.ok("rollout", "status", "deploy/spread", "--timeout=180s")
    assert {pod.node for pod in lab.pods("spread")} == {"n1", "n2", "n3"}
    spec = lab.get("service", "spread")["spec"]
    vip, port = spec["clusterIP"], spec["ports"][0]["nodePort"]
    address = lab.nodes()["n2"]["status"]["addresses"][0]["address"]
    clients = [
        load(lab, "n1", f"http://{vip}/version", f"--requests={REQUESTS}"),
        load(lab, "n3", f"http://{address}:{port}/version", f"--requests={REQUESTS}"),
        load(
            lab, "n2", f"http://127.0.0.1:{port}/version", f"--requests={REQUESTS}", "--keep-alive"
        ),
    ]
    try:
        lab.ok("set", "image", "deploy/spread", "hello=helmling/hello:v2")
        lab.ok("rollout", "status", "deploy/spread", "--timeout=180s")
        told = [client.communicate(timeout=300) for client in clients]
    finally:
        for client in clients:
            client.kill()
            client.wait()
        lab.ok("delete", "deploy/spread", "svc/spread")
    for client, (out, err) in zip(clients, told, strict=True):
        assert client.returncode == 0, out + err
        assert " 0 failed" in out
        assert "'v1'" in out
    assert all("'v2'" in out for out, _ in told[:2]), told
