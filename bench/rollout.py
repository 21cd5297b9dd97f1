"""Rollouts under load in a lab of three machines: how many requests fail? (Docker Swarm: 0 to 17 of 3,000.)

Ten pods change their version, again and again, while clients ask without a pause in each of the ways that lead to them:
through the ClusterIP from a node, with and without keep-alive, through another node's port, and through the Ingress.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAB = "bench-rollout"
HOST = "rollout.test"
MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 10
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: hello
        image: helmling/hello:v1
        readinessProbe: {httpGet: {path: /healthz, port: 80}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{port: 80}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules:
  - host: rollout.test
    http:
      paths:
      - path: /
        pathType: Prefix
        backend: {service: {name: web, port: {number: 80}}}
"""
_ACCOUNT = re.compile(r"(\d+) requests in .*?, (\d+) failed")


@dataclass(frozen=True)
class Way:
    what: str
    node: str  # who asks
    url: str
    how: tuple[str, ...] = ()


@dataclass
class Result:
    """Of one way in one round."""

    what: str
    requests: int
    failed: int


@dataclass
class Round:
    rollouts: int
    seconds: float
    results: list[Result]


class Lab:
    """The lab, and its cluster's administrator."""

    def __init__(self, folder: Path) -> None:
        self._environment = {"KUBECONFIG": str(folder / "server" / "admin.conf")}

    def helmling(self, *words: str, stdin: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", *words], input=stdin, capture_output=True, text=True, cwd=ROOT,
            env={**os.environ, **self._environment}, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"helmling {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def address(self, node: str) -> str:
        found = json.loads(self.helmling("get", "node", node, "-o", "json"))
        addresses = found["status"]["addresses"]
        return str(next(each["address"] for each in addresses if each["type"] == "InternalIP"))

    def ways(self) -> list[Way]:
        spec = json.loads(self.helmling("get", "service", "web", "-o", "json"))["spec"]
        inside = f"http://{spec['clusterIP']}/version"
        port = f"http://{self.address('n2')}:{spec['ports'][0]['nodePort']}/version"
        ingress = f"http://{self.address('n3')}/version"
        return [
            Way("ClusterIP, new connections", "n1", inside),
            Way("ClusterIP, keep-alive", "n1", inside, ("--keep-alive",)),
            Way("node port of another node", "n3", port),
            Way("Ingress, keep-alive", "n1", ingress, ("--keep-alive", f"--host={HOST}")),
        ]

    def load(self, way: Way, requests: int, enough: Path) -> Result:
        """At least so many, and until the file is there."""
        program = (
            *(sys.executable, "-m", "bench.load", way.url, "--clients=2"),
            *(f"--requests={requests}", f"--until={enough}"),
        )
        inside = ("lab", "exec", f"--name={LAB}", way.node, "--", "env", f"PYTHONPATH={ROOT}")
        try:
            told = self.helmling(*inside, *program, *way.how)
        except RuntimeError as error:  # some have failed; the account says how many
            told = str(error)
            print(told, file=sys.stderr)
        match = _ACCOUNT.search(told)
        if match is None:
            raise RuntimeError(f"{way.what}: {told}")
        return Result(way.what, int(match[1]), int(match[2]))


@contextmanager
def lab() -> Iterator[Lab]:
    folder = Path(tempfile.mkdtemp(prefix="helmling-bench-"))
    made = Lab(folder / "lab")
    try:
        made.helmling("lab", "up", f"--name={LAB}", "--nodes=3", f"--data-dir={folder / 'lab'}")
        yield made
    finally:
        made.helmling("lab", "down", f"--name={LAB}")
        shutil.rmtree(folder)


def measure(rounds: int = 3, requests: int = 20_000) -> Iterator[Round]:
    """A round has at least so many requests, as many in each way, and rollouts for as long as anybody asks."""
    with lab() as there:
        there.helmling("apply", "-f", "-", stdin=MANIFEST)
        there.helmling("rollout", "status", "deploy/web", "--timeout=180s")
        versions, ways = cycle(("v2", "v1")), there.ways()
        for _ in range(rounds):
            yield _round(there, ways, versions, -(-requests // len(ways)))


def _round(there: Lab, ways: list[Way], versions: Iterator[str], requests: int) -> Round:
    began, rollouts = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(len(ways)) as threads:
        enough = Path(folder, "enough")
        clients: list[Future[Result]] = [
            threads.submit(there.load, way, requests, enough) for way in ways
        ]
        try:
            while not all(client.done() for client in clients):
                version = next(versions)
                there.helmling("set", "image", "deploy/web", f"hello=helmling/hello:{version}")
                there.helmling("rollout", "status", "deploy/web", "--timeout=300s")
                rollouts += 1
                enough.touch()
        finally:
            enough.touch()
        results = [client.result() for client in clients]
    return Round(rollouts, time.monotonic() - began, results)
