"""Pods on a real node: real containers, real network, real disk."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from proto.v1.pod_pb2 import (
    Container,
    ContainerPort,
    HostPathVolumeSource,
    Volume,
    VolumeMount,
)
from tests.agent_node import BOX, HELLO, RealNode, box, is_ready, on_node, pod

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


def test_init_containers_and_sidecars_in_their_order(tmp_path: Path) -> None:
    """S#39, S#40: init to success, sidecar up first and down last; all see one volume."""
    note = tmp_path / "note"

    def writes(name: str, **fields: Any) -> Container:
        said = f"echo {name} up >> /note"
        script = f"trap 'echo {name} down >> /note; exit 0' TERM; {said}; sleep 1000 & wait $!"
        mount = VolumeMount(name="note", mountPath="/note")
        return Container(
            name=name, image=BOX, command=["sh", "-c", script], volumeMounts=[mount], **fields
        )

    async def scenario(node: RealNode) -> None:
        made = pod(writes("app"), terminationGracePeriodSeconds=20)
        source = HostPathVolumeSource(path=str(note), type="FileOrCreate")
        made.spec.volumes.append(Volume(name="note", hostPath=source))
        init = writes("init")
        init.command[:] = ["sh", "-c", "echo init >> /note"]
        made.spec.initContainers.extend([init, writes("side", restartPolicy="Always")])
        await node.create(made)
        found = await node.until(is_ready)
        assert found.status.initContainerStatuses[0].state.terminated.reason == "Completed"
        while "app up" not in note.read_text():  # noqa: ASYNC110 - only then is its trap set
            await asyncio.sleep(0.05)
        await node.delete()
        lines = note.read_text().splitlines()
        assert lines == ["init", "side up", "app up", "app down", "side down"]

    on_node(tmp_path / "data", scenario)


def test_a_container_that_crashes_is_restarted_and_its_last_words_are_kept(tmp_path: Path) -> None:
    """S#37, S#49: restart count, last state, termination message, logs --previous."""

    async def scenario(node: RealNode) -> None:
        script = "echo run $(hostname); echo so long > /dev/termination-log; sleep 0.3; exit 3"
        await node.create(pod(Container(name="app", image=BOX, command=["sh", "-c", script])))
        found = await node.until(
            lambda p: (
                p.status.containerStatuses[0].state.waiting.reason == "CrashLoopBackOff"
                if p.status.containerStatuses
                else False
            )
        )
        status = found.status.containerStatuses[0]
        assert status.restartCount >= 1
        assert status.lastState.terminated.exitCode == 3
        assert status.lastState.terminated.reason == "Error"
        assert status.lastState.terminated.message == "so long\n"
        assert "run web" in await node.logs(previous=True)
        await node.until_event("BackOff")

    on_node(tmp_path, scenario)


def test_a_container_beyond_its_memory_limit_is_oomkilled(tmp_path: Path) -> None:
    """S#46: OOMKilled, 137."""

    async def scenario(node: RealNode) -> None:
        script = "x=a; while true; do x=$x$x; done"
        greedy = Container(name="app", image=BOX, command=["sh", "-c", script])
        greedy.resources.limits["memory"] = "16Mi"
        await node.create(pod(greedy, restartPolicy="Never"))
        found = await node.until(lambda p: p.status.phase == "Failed")
        ended = found.status.containerStatuses[0].state.terminated
        assert (ended.reason, ended.exitCode) == ("OOMKilled", 137)

    on_node(tmp_path, scenario)


def test_a_pod_that_ends_by_itself_succeeds_and_keeps_its_log(tmp_path: Path) -> None:
    """S#34: Succeeded; the dead container stays until the pod is deleted."""

    async def scenario(node: RealNode) -> None:
        done = Container(name="app", image=BOX, command=["sh", "-c", "echo done"])
        await node.create(pod(done, restartPolicy="Never"))
        found = await node.until(lambda p: p.status.phase == "Succeeded")
        assert found.status.containerStatuses[0].state.terminated.reason == "Completed"
        assert await node.logs() == "done\n"
        assert len(node.containers(all=True)) == 1

    on_node(tmp_path, scenario)


def test_a_hook_runs_before_the_signal(tmp_path: Path) -> None:
    """S#42: preStop, then TERM."""
    note = tmp_path / "note"

    async def scenario(node: RealNode) -> None:
        script = "trap 'echo term >> /note; exit 0' TERM; touch /ready; sleep 1000 & wait $!"
        mount = VolumeMount(name="note", mountPath="/note")
        made = Container(name="app", image=BOX, command=["sh", "-c", script], volumeMounts=[mount])
        hook = "until test -e /ready; do sleep 0.1; done; sleep 0.5; echo hook >> /note"
        made.lifecycle.preStop.exec.command.extend(["sh", "-c", hook])
        made.lifecycle.postStart.exec.command.extend(["sh", "-c", "echo start >> /note"])
        whole = pod(made, terminationGracePeriodSeconds=20)
        source = HostPathVolumeSource(path=str(note), type="FileOrCreate")
        whole.spec.volumes.append(Volume(name="note", hostPath=source))
        await node.create(whole)
        await node.until(is_ready)
        await node.delete()
        assert note.read_text().split() == ["start", "hook", "term"]

    on_node(tmp_path / "data", scenario)


def test_probes_over_the_pod_network(tmp_path: Path) -> None:
    """S#41: http and tcp to the pod's address, exec inside; liveness restarts."""

    async def scenario(node: RealNode) -> None:
        hello = Container(name="app", image=HELLO)
        hello.ports.append(ContainerPort(name="http", containerPort=80))
        hello.readinessProbe.httpGet.port.string_value = "http"
        hello.readinessProbe.periodSeconds = 1
        hello.startupProbe.tcpSocket.port.number_value = 80
        hello.startupProbe.periodSeconds = 1
        sick = box("sick", "sleep 1000")
        sick.livenessProbe.exec.command.extend(["test", "-e", "/tmp/none"])
        sick.livenessProbe.periodSeconds = 1
        sick.livenessProbe.failureThreshold = 2
        await node.create(pod(hello, sick))
        found = await node.until(
            lambda p: (
                len(p.status.containerStatuses) == 2
                and p.status.containerStatuses[0].ready
                and p.status.containerStatuses[1].restartCount >= 1
            )
        )
        assert found.status.containerStatuses[0].restartCount == 0
        event = await node.until_event("Unhealthy", container="sick")
        assert event.message.startswith("Liveness probe failed")

    on_node(tmp_path, scenario)


def test_who_a_container_is_and_what_it_knows(tmp_path: Path) -> None:
    """S#44, S#45, S#47: environment, command and args, user and groups, read-only root."""

    async def scenario(node: RealNode) -> None:
        script = 'echo "$1"; sleep 1000'
        made = Container(name="app", image=BOX, command=["sh", "-c", script], args=["", "$(SAY)"])
        made.env.add(name="NAME").valueFrom.fieldRef.fieldPath = "metadata.name"
        made.env.add(name="SAY", value="I am $(NAME), not $$(NAME)")
        made.env.add(name="MEM").valueFrom.resourceFieldRef.resource = "limits.memory"
        made.resources.limits["memory"] = "32Mi"
        made.securityContext.readOnlyRootFilesystem = True
        made.securityContext.runAsUser = 1234
        whole = pod(made)
        whole.spec.securityContext.runAsGroup = 55
        whole.spec.securityContext.fsGroup = 66
        whole.spec.hostAliases.add(ip="10.9.8.7", hostnames=["far.example"])
        await node.create(whole)
        await node.until(is_ready)
        while not (said := await node.logs()):  # noqa: ASYNC110 (it is Ready before it has said a word)
            await asyncio.sleep(0.1)
        assert said == "I am web, not $(NAME)\n"
        assert (await node.run("sh", "-c", "echo $(id -u) $(id -g) $(id -G)"))[1].split()[:2] == [
            "1234",
            "55",
        ]
        assert "66" in (await node.run("id", "-G"))[1].split()
        assert (await node.run("sh", "-c", "echo $MEM"))[1].strip() == str(32 * 1024 * 1024)
        assert (await node.run("touch", "/x"))[0] != 0
        assert "10.9.8.7" in (await node.run("cat", "/etc/hosts"))[1]

    on_node(tmp_path, scenario)


def test_an_image_that_nobody_has_says_what_to_do(tmp_path: Path) -> None:
    """S#38."""

    async def scenario(node: RealNode) -> None:
        await node.create(pod(Container(name="app", image="helmling/none:1")))
        found = await node.until(
            lambda p: (
                p.status.containerStatuses[0].state.waiting.reason == "ImagePullBackOff"
                if p.status.containerStatuses
                else False
            )
        )
        assert "make images" in found.status.containerStatuses[0].state.waiting.message

    on_node(tmp_path, scenario)


def test_a_program_that_does_not_exist_cannot_run(tmp_path: Path) -> None:
    """The end says ContainerCannotRun, 127."""

    async def scenario(node: RealNode) -> None:
        await node.create(pod(Container(name="app", image=BOX, command=["/none"])))
        found = await node.until(
            lambda p: (
                bool(p.status.containerStatuses)
                and p.status.containerStatuses[0].lastState.HasField("terminated")
            )
        )
        ended = found.status.containerStatuses[0].lastState.terminated
        assert (ended.reason, ended.exitCode) == ("ContainerCannotRun", 127)

    on_node(tmp_path, scenario)
