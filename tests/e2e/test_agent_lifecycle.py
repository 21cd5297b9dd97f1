"""Pods on a real node: real containers, real network, real disk."""

from pathlib import Path

import pytest

from tests.agent_node import RealNode, box, is_ready, on_node, pod

pytestmark = [pytest.mark.docker, pytest.mark.root]


def test_a_pod_lives_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """From apply to Running to gone: status, events, logs, exec."""

    async def scenario(node: RealNode) -> None:
        await node.create(pod(box("app", "echo hello; sleep 1000")))
        found = await node.until(is_ready)
        assert found.status.phase == "Running"
        assert found.status.podIP
        status = found.status.containerStatuses[0]
        assert status.containerID.startswith("docker://")
        assert status.imageID
        assert await node.logs() == "hello\n"
        code, output = await node.run("hostname")
        assert (code, output.strip()) == (0, "web")
        for reason in ("Pulled", "Created", "Started"):
            await node.until_event(reason)
        await node.delete()
        await node.until_event("Killing")
        assert node.containers(all=True) == []

    on_node(tmp_path, scenario)
