"""The agent is killed, the server is away: containers do not care."""

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import docker
import pytest

from api.errors import NotFound
from proto.v1.cluster_pb2 import Node
from tests.agent_node import AgentProcess, RealNode, box, is_ready, on_node, pod

pytestmark = [pytest.mark.docker, pytest.mark.root]


def ids(node: RealNode) -> set[str]:
    return {str(each["Id"]) for each in node.containers()}


def kill_container(container_id: str) -> None:
    """From outside, as a crash of the program would."""
    client = docker.APIClient()
    try:
        os.kill(client.inspect_container(container_id)["State"]["Pid"], signal.SIGKILL)
    finally:
        client.close()


async def until_restarted(node: RealNode, attempt: int) -> None:
    """By Docker's own account."""
    while True:
        if str(attempt) in [each["Labels"]["helmling.dev/attempt"] for each in node.containers()]:
            return
        await asyncio.sleep(0.1)


def test_a_killed_agent_is_followed_by_one_that_goes_on(tmp_path: Path) -> None:
    """kill -9, start again: no container is restarted, counts go on, a deletion in between is done."""

    async def scenario(node: RealNode) -> None:
        agent = AgentProcess(node.options)
        try:
            await node.create(pod(box("a", "sleep 1000"), box("b", "sleep 1000")))
            await node.create(pod(name="doomed"))
            await node.until(is_ready)
            await node.until(is_ready, "doomed")
            first = next(
                e for e in node.containers() if "/hl" in e["Names"][0] and ".a.0" in e["Names"][0]
            )
            kill_container(first["Id"])
            before = await node.until(lambda p: p.status.containerStatuses[0].restartCount == 1)
            before = await node.until(is_ready)
            there = ids(node)
            agent.kill()
            await node.client.delete(type(before), "doomed", "default")
            agent = AgentProcess(node.options)
            await node.delete("doomed")
            after = await node.pod()
            assert ids(node) < there
            assert after.status.podIP == before.status.podIP
            assert [s.containerID for s in after.status.containerStatuses] == [
                s.containerID for s in before.status.containerStatuses
            ]
            assert after.status.conditions == before.status.conditions
            assert after.status.containerStatuses[0].restartCount == 1
            assert agent.stop() == 0
            assert len(ids(node)) == 2  # a polite end leaves the pods too
        finally:
            agent.kill()

    on_node(tmp_path, scenario, agent=False)


def test_pods_are_looked_after_while_no_server_answers(tmp_path: Path) -> None:
    """S#111: an agent started without a server restarts what crashes, and tells when the server is back."""

    async def scenario(node: RealNode) -> None:
        agent = AgentProcess(node.options)
        try:
            await node.create(pod())
            await node.until(is_ready)
            agent.kill()
            agent = AgentProcess(replace(node.options, server="127.0.0.1:1"))
            (container,) = ids(node)
            kill_container(container)
            await until_restarted(node, 1)
            agent.kill()
            agent = AgentProcess(node.options)
            found = await node.until(lambda p: p.status.containerStatuses[0].restartCount == 1)
            assert found.status.containerStatuses[0].lastState.terminated.exitCode == 137
            await node.delete()
            assert ids(node) == set()
        finally:
            agent.kill()

    on_node(tmp_path, scenario, agent=False)


def test_a_pod_that_was_removed_while_the_agent_was_away_is_cleaned_up(tmp_path: Path) -> None:
    """Orphans: containers, addresses and files of pods that nobody wants any more."""

    async def scenario(node: RealNode) -> None:
        agent = AgentProcess(node.options)
        try:
            await node.create(pod())
            await node.until(is_ready)
            agent.kill()
            await node.delete(grace=0)
            agent = AgentProcess(node.options)
            while (  # noqa: ASYNC110 - nobody tells us
                bool(node.containers(all=True)) or any(node.options.pods_dir.iterdir())
            ):
                await asyncio.sleep(0.1)
        finally:
            agent.kill()

    on_node(tmp_path, scenario, agent=False)


def test_the_node_registers_and_is_ready(tmp_path: Path) -> None:
    """S#58, S#59."""

    async def scenario(node: RealNode) -> None:
        found = Node()
        while not any(c.type == "Ready" and c.status == "True" for c in found.status.conditions):
            await asyncio.sleep(0.05)
            with suppress(NotFound):
                found = await node.client.get(Node, "n1")
        assert found.metadata.labels["kubernetes.io/hostname"] == "n1"
        assert found.spec.podCIDR == node.options.pod_cidr
        assert found.status.nodeInfo.containerRuntimeVersion.startswith("docker://")
        assert {"cpu", "memory", "pods", "ephemeral-storage"} <= set(found.status.allocatable)

    on_node(tmp_path, scenario)
