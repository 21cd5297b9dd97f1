"""Volumes on a real disk, seen from real containers."""

import asyncio
import os
from pathlib import Path

import pytest

from proto.v1.pod_pb2 import (
    Container,
    DownwardAPIVolumeFile,
    DownwardAPIVolumeSource,
    EmptyDirVolumeSource,
    HostPathVolumeSource,
    ObjectFieldSelector,
    Volume,
    VolumeMount,
)
from tests.agent_node import RealNode, box, is_ready, on_node, pod

pytestmark = [pytest.mark.docker, pytest.mark.root]


def mounted(name: str, path: str, **fields: object) -> VolumeMount:
    return VolumeMount(name=name, mountPath=path, **fields)  # type: ignore[arg-type]


def empty(name: str, **fields: str) -> Volume:
    return Volume(name=name, emptyDir=EmptyDirVolumeSource(**fields))


def sleeper(name: str, *mounts: VolumeMount) -> Container:
    return box(name, "sleep 1000", volumeMounts=mounts)


def test_an_empty_dir_is_shared_and_may_be_memory(tmp_path: Path) -> None:
    """S#48: two containers, one directory; medium Memory is a tmpfs of the size asked for."""

    async def scenario(node: RealNode) -> None:
        mounts = [mounted("disk", "/disk"), mounted("memory", "/memory")]
        made = pod(sleeper("a", *mounts), sleeper("b", mounted("disk", "/d", readOnly=True)))
        made.spec.volumes.extend([empty("disk"), empty("memory", medium="Memory", sizeLimit="1Mi")])
        made.spec.securityContext.fsGroup = 4242
        await node.create(made)
        await node.until(is_ready)
        assert await node.run("sh", "-c", "echo x > /disk/f", container="a") == (0, "")
        assert await node.run("cat", "/d/f", container="b") == (0, "x\n")
        assert (await node.run("touch", "/d/g", container="b"))[0] != 0
        assert "4242" in (await node.run("ls", "-nd", "/disk", container="a"))[1]
        kind = (await node.run("sh", "-c", "df /memory | tail -1", container="a"))[1].split()
        assert kind[0] == "tmpfs"
        assert kind[1] == "1024"

    on_node(tmp_path, scenario)


def test_a_downward_volume_follows_the_labels(tmp_path: Path) -> None:
    """S#48: files that change together, without a restart."""

    async def scenario(node: RealNode) -> None:
        item = DownwardAPIVolumeFile(path="all/labels")
        item.fieldRef.CopyFrom(ObjectFieldSelector(fieldPath="metadata.labels"))
        made = pod(sleeper("app", mounted("facts", "/facts")))
        made.metadata.labels["tier"] = "one"
        source = DownwardAPIVolumeSource(items=[item])
        made.spec.volumes.append(Volume(name="facts", downwardAPI=source))
        await node.create(made)
        found = await node.until(is_ready)
        assert await node.run("cat", "/facts/all/labels") == (0, 'tier="one"')
        patch = {"metadata": {"labels": {"tier": "two"}}}
        await node.client.patch(type(found), "web", "default", patch)
        while await node.run("cat", "/facts/all/labels") != (0, 'tier="two"'):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        assert (await node.pod()).status.containerStatuses[0].restartCount == 0

    on_node(tmp_path, scenario)


def test_sub_paths_stay_inside_their_volume(tmp_path: Path) -> None:
    """S#48: subPath and subPathExpr; a symbolic link out of the volume is refused."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    volume = tmp_path / "volume"
    volume.mkdir()
    os.symlink(outside, volume / "escape")

    async def scenario(node: RealNode) -> None:
        good = sleeper(
            "good",
            mounted("v", "/one", subPath="made/here"),
            mounted("v", "/two", subPathExpr="for-$(NAME)"),
        )
        good.env.add(name="NAME").valueFrom.fieldRef.fieldPath = "metadata.name"
        bad = sleeper("bad", mounted("v", "/out", subPath="escape"))
        made = pod(good, bad)
        source = HostPathVolumeSource(path=str(volume), type="Directory")
        made.spec.volumes.append(Volume(name="v", hostPath=source))
        await node.create(made)
        found = await node.until(
            lambda p: (
                len(p.status.containerStatuses) == 2
                and p.status.containerStatuses[0].ready
                and bool(p.status.containerStatuses[1].state.waiting.message)
            )
        )
        waiting = found.status.containerStatuses[1].state.waiting
        assert waiting.reason == "CreateContainerConfigError"
        assert "escape" in waiting.message
        assert await node.run("touch", "/one/a", "/two/b", container="good") == (0, "")
        assert (volume / "made/here/a").exists()
        assert (volume / "for-web/b").exists()

    on_node(tmp_path / "data", scenario)
    assert (outside / "secret").read_text() == "secret"
    assert (volume / "made/here/a").exists()  # what is on the node stays on the node


def test_a_host_path_of_the_wrong_kind_is_told(tmp_path: Path) -> None:
    """S#48: FailedMount, and the pod does not start."""

    async def scenario(node: RealNode) -> None:
        made = pod(sleeper("app", mounted("v", "/v")))
        source = HostPathVolumeSource(path=str(tmp_path / "none"), type="Directory")
        made.spec.volumes.append(Volume(name="v", hostPath=source))
        await node.create(made)
        event = await node.until_event("FailedMount")
        assert "does not exist on this node" in event.message
        (tmp_path / "none").mkdir()
        await node.until(is_ready)

    on_node(tmp_path / "data", scenario)
