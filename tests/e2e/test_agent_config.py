"""ConfigMaps and Secrets in real containers: variables, files that follow, and files that no disk sees (S#44, S#92–S#94)."""

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import grpc.aio
import pytest

from api.errors import NotFound
from api.jsonform import from_json
from proto.v1.config_pb2 import ConfigMap, Secret
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.pod_pb2 import Container, Pod, Volume, VolumeMount
from tests.agent_node import AgentProcess, RealNode, box, is_ready, on_node, pod
from tests.registry import Registry, registry

pytestmark = [pytest.mark.docker, pytest.mark.root]
CANARY = "kq7Zx2VfW9-canary-Tq81mPd3"


def config(name: str = "settings", **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default"), data=data)


def secret(name: str = "keys", **data: str) -> Secret:
    values = {key: text.encode() for key, text in data.items()}
    return Secret(metadata=ObjectMeta(name=name, namespace="default"), data=values)


def volume(name: str, **source: Any) -> Volume:
    made, causes = from_json(Volume, {"name": name, **source})
    assert causes == []
    return made


def mounted(name: str, path: str, **fields: Any) -> VolumeMount:
    return VolumeMount(name=name, mountPath=path, **fields)


def sleeper(*mounts: VolumeMount, name: str = "app", script: str = "sleep 1000") -> Container:
    return box(name, script, volumeMounts=mounts)


def tmpfs_of(data_dir: Path) -> list[str]:
    """Mount points below the directory that are memory, on the node."""
    lines = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    return [point for _, point, kind, *_ in lines if kind == "tmpfs" and str(data_dir) in point]


def files_on_disk(directory: Path) -> Iterator[Path]:
    """All files that lie on the same file system as the directory, so that nothing in memory counts."""
    disk = directory.stat().st_dev
    for parent, _, names in os.walk(directory):
        found = (Path(parent, name) for name in names)
        yield from (path for path in found if path.is_file() and path.stat().st_dev == disk)


async def reads(node: RealNode, path: str, text: str) -> None:
    """Until the file in the container says so."""
    while await node.run("cat", path) != (0, text):  # noqa: ASYNC110 - a file tells nobody
        await asyncio.sleep(0.1)


def test_variables_from_both(tmp_path: Path) -> None:
    """S#44: env, envFrom, and what is missing; the container starts when it comes."""

    async def scenario(node: RealNode) -> None:
        await node.client.create(config(color="blue", **{"1st": "x"}))
        made = sleeper()
        made.envFrom.add(prefix="APP_").configMapRef.name = "settings"
        variable = made.env.add(name="PASSWORD").valueFrom.secretKeyRef
        variable.name, variable.key = "keys", "password"
        await node.create(pod(made))
        found = await node.until(
            lambda p: any(c.state.waiting.message for c in p.status.containerStatuses)
        )
        state = found.status.containerStatuses[0].state.waiting
        assert (state.reason, state.message) == (
            "CreateContainerConfigError",
            'secret "keys" not found',
        )
        await node.client.create(secret(password=CANARY))
        await node.until(is_ready)
        shown = (await node.run("env"))[1].splitlines()
        assert {"APP_color=blue", "APP_1st=x", f"PASSWORD={CANARY}"} <= set(shown)
        messages = " ".join(event.message for event in await node.events())
        assert CANARY not in messages + str(await node.pod())

    on_node(tmp_path, scenario)


def test_files_that_follow_within_seconds(tmp_path: Path) -> None:
    """S#92: by an exchange of the whole directory; a subPath stays as it was; nobody in the pod can write."""

    async def scenario(node: RealNode) -> None:
        await node.client.create(config(color="blue", size="big"))
        made = pod(sleeper(mounted("v", "/config"), mounted("v", "/one/color", subPath="color")))
        made.spec.volumes.append(volume("v", configMap={"name": "settings", "defaultMode": 0o440}))
        await node.create(made)
        await node.until(is_ready)
        assert (await node.run("cat", "/config/color", "/config/size"))[1] == "bluebig"
        listed = (await node.run("ls", "-lL", "/config/color"))[1]
        assert listed.startswith("-r--r-----")
        assert (await node.run("readlink", "/config/color"))[1].strip() == "..data/color"
        assert (await node.run("touch", "/config/x"))[0] != 0
        await node.client.update(config(color="red", shape="round"))
        await reads(node, "/config/color", "red")
        assert (await node.run("ls", "/config"))[1].split() == ["color", "shape"]
        assert (await node.run("cat", "/one/color"))[1] == "blue"
        assert (await node.pod()).status.containerStatuses[0].restartCount == 0

    on_node(tmp_path, scenario)


def test_secret_files_are_in_memory_only_and_gone_with_the_pod(tmp_path: Path) -> None:
    """S#94: seen through /proc/mounts inside and outside; nothing on the disk; sized; unmounted."""

    async def scenario(node: RealNode) -> None:
        await node.client.create(secret(password=CANARY))
        await node.client.create(config(color="blue"))
        made = pod(
            sleeper(
                mounted("s", "/secret"),
                mounted("p", "/all"),
                mounted("s", "/one/password", subPath="password"),
            )
        )
        made.spec.securityContext.fsGroup = 4242
        made.spec.volumes.extend(
            [
                volume("s", secret={"secretName": "keys", "defaultMode": 0o400}),
                volume(
                    "p",
                    projected={
                        "sources": [
                            {"secret": {"name": "keys"}},
                            {"configMap": {"name": "settings"}},
                        ]
                    },
                ),
            ]
        )
        await node.create(made)
        await node.until(is_ready)
        assert tmpfs_of(tmp_path)
        inside = (await node.run("cat", "/proc/mounts"))[1].splitlines()
        for place in ("/secret", "/all", "/one/password"):
            [line] = [each.split() for each in inside if each.split()[1] == place]
            assert line[2] == "tmpfs"
            assert "ro" in line[3].split(",")
        for path in ("/secret/password", "/all/password", "/one/password"):
            assert (await node.run("cat", path))[1] == CANARY
        listed = (await node.run("ls", "-lnL", "/secret/password"))[1].split()
        assert (listed[0], listed[3]) == ("-r--r-----", "4242")
        assert (await node.run("cat", "/all/color"))[1] == "blue"
        for file in files_on_disk(tmp_path):
            assert CANARY.encode() not in file.read_bytes(), file
        await node.client.update(secret(password="other-" + CANARY))
        await reads(node, "/all/password", "other-" + CANARY)
        await reads(node, "/secret/password", "other-" + CANARY)
        assert (await node.run("cat", "/one/password"))[1] == CANARY
        client = docker.APIClient()
        try:
            for each in node.containers(all=True):
                assert CANARY not in str(client.inspect_container(each["Id"]))
        finally:
            client.close()
        await node.delete()
        assert tmpfs_of(tmp_path) == []

    on_node(tmp_path, scenario)


def test_a_secret_that_grows_gets_the_room(tmp_path: Path) -> None:
    """S#94: the memory is bounded by what is there, and follows it up to the largest Secret that can be."""

    async def scenario(node: RealNode) -> None:
        await node.client.create(secret(password="small"))
        made = pod(sleeper(mounted("s", "/secret")))
        made.spec.volumes.append(volume("s", secret={"secretName": "keys"}))
        await node.create(made)
        await node.until(is_ready)
        [point] = tmpfs_of(tmp_path)
        assert os.statvfs(point).f_blocks * os.statvfs(point).f_frsize < 128 * 1024
        for size in (1024 * 1024, 1024 * 1024 - 1):
            await node.client.update(secret(password="x" * size))
            while (await node.run("wc", "-c", "/secret/password"))[1].split()[0] != str(size):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert tmpfs_of(tmp_path) == [point]

    on_node(tmp_path, scenario)


# Reads a whole set through one look at ..data, until the file /tmp/stop is there; a set whose parts differ is torn.
READER = """
torn=0; sets=0
while [ ! -e /tmp/stop ]; do
  d=$(readlink /config/..data) || continue
  a=$(cat /config/$d/a 2>/dev/null) || continue
  b=$(cat /config/$d/b 2>/dev/null) || continue
  sets=$((sets+1))
  [ "$a" = "$b" ] || torn=$((torn+1))
done
echo "torn=$torn sets=$sets" > /tmp/result
sleep 1000
"""


def test_no_reader_ever_sees_half_a_change(tmp_path: Path) -> None:
    """S#94: two files always change together, however often."""

    async def scenario(node: RealNode) -> None:
        await node.client.create(config(a="0", b="0"))
        reader = sleeper(mounted("v", "/config"), script=f"( {READER} )")
        made = pod(reader)
        made.spec.volumes.append(volume("v", configMap={"name": "settings"}))
        await node.create(made)
        await node.until(is_ready)
        for number in range(1, 20):
            await node.client.update(config(a=str(number), b=str(number)))
            await reads(node, "/config/a", str(number))
        await node.run("touch", "/tmp/stop")
        while (await node.run("test", "-e", "/tmp/result"))[0]:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        told = (await node.run("cat", "/tmp/result"))[1].split()
        assert told[0] == "torn=0"
        assert int(told[1].removeprefix("sets=")) > 0

    on_node(tmp_path, scenario)


def test_a_crash_of_the_agent_leaves_no_secret(tmp_path: Path) -> None:
    """S#94: files live on while the agent is dead; of a pod that is deleted meanwhile nothing stays."""

    async def scenario(node: RealNode) -> None:
        await node.client.create(secret(password=CANARY))
        for name in ("stays", "goes"):
            made = pod(sleeper(mounted("s", "/secret")), name=name)
            made.spec.volumes.append(volume("s", secret={"secretName": "keys"}))
            await node.create(made)
        first = AgentProcess(node.options)
        try:
            await node.until(is_ready, "stays")
            await node.until(is_ready, "goes")
        finally:
            first.kill()
        assert len(tmpfs_of(tmp_path)) == 2
        await node.client.update(secret(password="new-" + CANARY))
        await node.client.delete(Pod, "goes", "default")
        second = AgentProcess(node.options)
        try:
            await _gone(node, "goes")
            while len(tmpfs_of(tmp_path)) != 1:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            await _says(node, "stays", "new-" + CANARY)
        finally:
            assert second.stop() == 0

    on_node(tmp_path, scenario, agent=False)


def test_secrets_as_files_do_without_a_server(tmp_path: Path) -> None:
    """An agent that is started while no server answers restarts what crashes, with the files that are still there.

    What has its Secrets as variables waits: nobody but the server knows them.
    """

    async def scenario(node: RealNode) -> None:
        await node.client.create(secret(password=CANARY))
        variable = box("variable", "sleep 1000")
        variable.envFrom.add().secretRef.name = "keys"
        made = pod(sleeper(mounted("s", "/secret"), name="file"), variable)
        made.spec.volumes.append(volume("s", secret={"secretName": "keys"}))
        await node.create(made)
        agent = AgentProcess(node.options)
        client = docker.APIClient()
        try:
            await node.until(is_ready)
            agent.kill()
            agent = AgentProcess(replace(node.options, server="127.0.0.1:1"))
            for each in node.containers():
                client.kill(each["Id"])
            while not (ids := _second_runs(node)):  # noqa: ASYNC110 - by Docker's own account
                await asyncio.sleep(0.1)
            assert [name for name, _ in ids] == ["file"]
            run = client.exec_create(ids[0][1], ["cat", "/secret/password"])
            assert client.exec_start(run["Id"]) == CANARY.encode()
            agent.kill()
            agent = AgentProcess(node.options)
            await node.until(lambda p: all(s.restartCount == 1 for s in p.status.containerStatuses))
            await node.until(is_ready)
            await node.delete()
            assert agent.stop() == 0
        finally:
            client.close()
            agent.kill()

    on_node(tmp_path, scenario, agent=False)


def test_a_pull_logs_in_with_the_pod_s_secret(tmp_path: Path) -> None:
    """S#93: without it, or with a wrong one, the registry refuses; the pod's own Secret opens it."""

    async def scenario(node: RealNode, here: Registry) -> None:
        await node.create(_pulling("none", here.image))
        await node.until(_is_refused, "none")
        wrong = {"auths": {here.address: {"username": "shop", "password": "wrong"}}}
        right = {"auths": {here.address: {"username": "shop", "password": CANARY}}}
        for name, login in (("wrong", wrong), ("right", right)):
            made = secret(name, **{".dockerconfigjson": json.dumps(login)})
            made.type = "kubernetes.io/dockerconfigjson"
            await node.client.create(made)
        await node.create(_pulling("wrong", here.image, "wrong"))
        await node.until(_is_refused, "wrong")
        await node.create(_pulling("right", here.image, "missing", "wrong", "right"))
        told = await node.until_event("FailedToRetrieveImagePullSecret", "right")
        assert "(missing)" in told.message
        pulled = await node.until_event("Pulled", "right")
        assert "Successfully pulled" in pulled.message
        for name in ("none", "wrong", "right"):
            assert CANARY not in str(await node.events(name)) + str(await node.pod(name))

    with registry("shop", CANARY) as here:
        client = docker.APIClient()
        try:
            on_node(tmp_path, lambda node: scenario(node, here))
            assert "shop" in here.attempts
        finally:
            with suppress(docker.errors.ImageNotFound):
                client.remove_image(here.image)
            client.close()


def _is_refused(pod: Pod) -> bool:
    return any("wants a login" in s.state.waiting.message for s in pod.status.containerStatuses)


def _pulling(name: str, image: str, *secrets: str) -> Pod:
    made = pod(Container(name="app", image=image, imagePullPolicy="Always"), name=name)
    for each in secrets:
        made.spec.imagePullSecrets.add(name=each)
    return made


def _second_runs(node: RealNode) -> list[tuple[str, str]]:
    """(name, id) of the containers that were started again."""
    labels = [(each["Labels"], each["Id"]) for each in node.containers()]
    return [
        (told["helmling.dev/container"], id)
        for told, id in labels
        if told["helmling.dev/attempt"] == "1"
    ]


async def _gone(node: RealNode, name: str) -> None:
    while True:
        try:
            await node.pod(name)
        except NotFound:
            return
        await asyncio.sleep(0.1)


async def _says(node: RealNode, name: str, text: str) -> None:
    """Until the pod's file holds the text (the agent has just begun to listen)."""
    while True:
        try:
            if await node.run("cat", "/secret/password", pod=name) == (0, text):
                return
        except grpc.aio.AioRpcError:
            pass
        await asyncio.sleep(0.1)
