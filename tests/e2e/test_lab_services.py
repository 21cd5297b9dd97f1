"""Services on several machines: found by name across nodes, without a gap in rollouts, and without nodes that are cut off."""

import base64
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cli_runner import ROOT, Answer
from tests.lab import TestLab
from tests.waiting import eventually

pytestmark = [pytest.mark.root, pytest.mark.docker]
WEB = """apiVersion: apps/v1
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
"""


def service(lab: TestLab, name: str) -> Any:
    return lab.get("service", name)["spec"]


def node_port(lab: TestLab, node: str, name: str) -> str:
    return (
        f"http://{lab.plan.machine(node).address.ip}:{service(lab, name)['ports'][0]['nodePort']}"
    )


def ready_nodes(lab: TestLab, name: str) -> set[str]:
    """Where those are who may get new connections."""
    slices = lab.get("endpointslices", "-l", f"kubernetes.io/service-name={name}")["items"]
    endpoints = [each for one in slices for each in one.get("endpoints") or ()]
    return {each["nodeName"] for each in endpoints if each["conditions"]["ready"]}


def asked(lab: TestLab, node: str, url: str, *how: str) -> Answer:
    """bench/load.py in a machine."""
    load = (sys.executable, "-m", "bench.load", url, *how)
    words = ("lab", "exec", f"--name={lab.name}", node, "--", "env", f"PYTHONPATH={ROOT}", *load)
    return lab.cli.run(*words, patience=600)


def test_a_guestbook_finds_its_store_by_name_from_every_node(lab: TestLab, tmp_path: Path) -> None:
    lab.ok("apply", "-f", str(Path(ROOT, "examples/22-guestbook.yaml")))
    try:
        for name in ("guestbook", "guestbook-store"):
            lab.ok("rollout", "status", f"deploy/{name}", "--timeout=180s")
        lab.ok("wait", "--for=condition=Ready", "pod/guest", "--timeout=120s")
        fronts = [pod for pod in lab.pods("guestbook") if "store" not in pod.name]
        assert {pod.node for pod in fronts} == {"n1", "n2", "n3"}
        for pod in fronts:
            told = lab.ok("exec", "guest", "--", "wget", "-qO-", f"http://{pod.ip}/store/").out
            assert told.startswith("hello from guestbook-store-"), pod
        told = lab.ok("exec", "guest", "--", "wget", "-qO-", "http://guestbook/").out
        assert told == "the guestbook's front page\n"
        for node in ("n1", "n2", "n3"):
            url = f"{node_port(lab, node, 'guestbook')}/store/"
            assert "hello from guestbook-store-" in lab.wget("n1", url)
        known = tmp_path / "guestbook.crt"
        secret = lab.get("secret", "guestbook-test")
        known.write_bytes(base64.b64decode(secret["data"]["tls.crt"]))
        for node in ("n1", "n2", "n3"):  # whose certificate is checked, and the name in it
            there = f"guestbook.test:443:{lab.plan.machine(node).address.ip}"
            curl = ("curl", "-sf", "-m", "10", "--cacert", str(known), "--resolve", there)
            eventually(
                lambda curl=curl: lab.succeeds("n1", *curl, "https://guestbook.test/")  # type: ignore[misc]
            )
            told = lab.inside("n1", *curl, "https://guestbook.test/store/")
            assert told.startswith("hello from guestbook-store-")
    finally:
        lab.ok("delete", "-f", str(Path(ROOT, "examples/22-guestbook.yaml")), "--now")


def test_a_rollout_over_three_nodes_drops_no_request(lab: TestLab, tmp_path: Path) -> None:
    """Ten pods change their version while clients ask without a pause: inside, by a node's port, with and without keep-alive."""
    lab.apply(WEB)
    enough = tmp_path / "enough"
    try:
        lab.ok("rollout", "status", "deploy/web", "--timeout=180s")
        inside = f"http://{service(lab, 'web')['clusterIP']}/version"
        outside = f"{node_port(lab, 'n2', 'web')}/version"
        ways = (("n1", inside), ("n1", inside, "--keep-alive"), ("n3", outside))
        with ThreadPoolExecutor(len(ways)) as threads:
            until = ("--clients=2", f"--until={enough}")
            clients = [threads.submit(asked, lab, *way, *until) for way in ways]
            try:
                for version in ("v2", "v1"):
                    lab.ok("set", "image", "deploy/web", f"hello=helmling/hello:{version}")
                    lab.ok("rollout", "status", "deploy/web", "--timeout=300s")
            finally:
                enough.touch()
        for way, client in zip(ways, clients, strict=True):
            answer = client.result()
            assert answer.code == 0, f"{way}: {answer.out}{answer.err}"
            for version in ("v1", "v2"):
                assert f"'{version}'" in answer.out, f"{way}: {answer.out}"
            print(*way, answer.out)
    finally:
        lab.ok("delete", "deploy/web", "svc/web", "--now")


def test_who_is_cut_off_stands_behind_no_service_until_he_is_back(lab: TestLab) -> None:
    """Pods of a DaemonSet: they stay where they are, and nobody makes others for them."""
    everywhere = WEB.replace("kind: Deployment", "kind: DaemonSet").replace("  replicas: 10\n", "")
    lab.apply(everywhere)
    try:
        lab.ok("rollout", "status", "ds/web", "--timeout=180s")
        eventually(lambda: ready_nodes(lab, "web") == {"n1", "n2", "n3"})
        lab.power("partition", "n3")
        eventually(lambda: ready_nodes(lab, "web") == {"n1", "n2"})
        url = f"http://{service(lab, 'web')['clusterIP']}/version"
        ask = ("n1", "curl", "-sf", "-m", "3", url)
        eventually(lambda: all(lab.succeeds(*ask) for _ in range(20)))
        lab.power("heal")
        eventually(lambda: ready_nodes(lab, "web") == {"n1", "n2", "n3"})
    finally:
        lab.power("heal")
        lab.ok("delete", "ds/web", "svc/web", "--now")
