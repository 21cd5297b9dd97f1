"""A rollout under load: ten real pods behind a ClusterIP and a node port change their version, and no request fails.

The pods have no preStop hook and nobody sleeps: a pod leaves the rules of the node before it is told to end.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from bench.load import Account, Connection, load
from node_agent.images import ensure
from node_agent.images.recipes import PAUSE, hello
from tests.addresses import service_range
from tests.e2e.cli_runner import Cli, cluster
from tests.waiting import eventually

pytestmark = [pytest.mark.docker, pytest.mark.root]
MANIFEST = """apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: web}}}}
  strategy: {{rollingUpdate: {{maxSurge: {surge}, maxUnavailable: {unavailable}}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers:
      - name: hello
        image: helmling/hello:v1
        readinessProbe: {{httpGet: {{path: /healthz, port: 80}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec:
  type: NodePort
  selector: {{app: web}}
  ports: [{{port: 80}}]
"""


@pytest.fixture(scope="module", autouse=True)
def _images() -> None:
    engine = docker.from_env()
    for recipe in (PAUSE, hello("v1"), hello("v2")):
        ensure(engine, recipe)
    engine.close()


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with cluster(tmp_path_factory.mktemp("rollout"), f"--service-cidr={service_range()}") as one:
        yield one


def address(cli: Cli) -> str:
    return str(cli.ok("get", "service", "web", "-o", "json").json()["spec"]["clusterIP"])


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "keep"),
    [(10, 3, 2, False), (10, 3, 2, True), (1, 1, 0, False)],
)
def test_a_rollout_drops_no_request(
    cli: Cli, replicas: int, surge: int, unavailable: int, keep: bool
) -> None:
    """4g. With one replica, too: the new pod is in the rules before the old one leaves them."""
    manifest = MANIFEST.format(replicas=replicas, surge=surge, unavailable=unavailable)
    cli.ok("apply", "-f", "-", stdin=manifest)
    cli.ok("rollout", "status", "deploy/web", "--timeout=120s")
    url = f"http://{address(cli)}/version"
    account = Account()

    async def scenario() -> None:
        done = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(load(url, account, clients=4, keep=keep, enough=done.is_set))
            while account.requests < 100:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await asyncio.to_thread(cli.ok, "set", "image", "deploy/web", "hello=helmling/hello:v2")
            await asyncio.to_thread(cli.ok, "rollout", "status", "deploy/web", "--timeout=180s")
            until = account.requests + 100
            while account.requests < until:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            done.set()

    try:
        asyncio.run(scenario())
    finally:
        cli.ok("delete", "deploy/web", "svc/web")
    print(account)
    assert account.failures == []
    assert account.answers.keys() == {"v1", "v2"}


def test_services_go_on_without_agent_and_without_server(cli: Cli) -> None:
    """Both are killed. What is open stays open, what is new is led; when they are back, changes are led again."""
    cli.ok("apply", "-f", "-", stdin=MANIFEST.format(replicas=2, surge=1, unavailable=0))
    cli.ok("rollout", "status", "deploy/web", "--timeout=120s")
    vip, known = address(cli), pids(cli)
    url = f"http://{vip}/version"
    account, kept = Account(), Account()

    async def scenario() -> None:
        done, open_one = asyncio.Event(), Connection(vip, 80)
        assert await open_one.ask("/version", keep=True) == "v1"
        async with asyncio.TaskGroup() as tasks:
            for one, keep in ((account, False), (kept, True)):
                tasks.create_task(load(url, one, clients=1, keep=keep, enough=done.is_set))
            for part in ("agent", "server"):
                os.kill(known[part], signal.SIGKILL)
                await more(account)
            await asyncio.to_thread(cli.ok, "up", "--port=0")
            assert await open_one.ask("/version", keep=True) == "v1"
            await asyncio.to_thread(cli.ok, "scale", "deploy/web", "--replicas=3")
            await asyncio.to_thread(cli.ok, "rollout", "status", "deploy/web", "--timeout=120s")
            await more(account)
            done.set()
            await open_one.close()

    asyncio.run(scenario())
    assert account.failures == kept.failures == []
    assert kept.again == 0
    assert f"{vip} . tcp . 80 : goto tcp-spread-3" in ruleset()
    cli.ok("delete", "deploy/web", "svc/web")


async def more(account: Account) -> None:
    until = account.requests + 100
    while account.requests < until:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def pids(cli: Cli) -> dict[str, int]:
    return {part["name"]: part["pid"] for part in cli.ok("status", "-o", "json").json()["parts"]}


def test_down_takes_the_rules_away(tmp_path: Path) -> None:
    with cluster(tmp_path / "cluster", f"--service-cidr={service_range()}") as cli:
        vip = cli.ok("get", "service", "kubernetes", "-o", "json").json()["spec"]["clusterIP"]
        eventually(lambda: f"{vip} . tcp . 443" in ruleset())
        cli.ok("down", "--keep-pods")
        assert f"{vip} . tcp . 443" in ruleset()
        cli.ok("down")
        assert f"{vip} . tcp . 443" not in ruleset()


def ruleset() -> str:
    shown = subprocess.run(["nft", "list", "ruleset"], check=True, capture_output=True, text=True)
    return shown.stdout
