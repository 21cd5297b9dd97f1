"""PeerSlices of a whole cluster: they follow policies, pods and the labels of namespaces (S#91)."""

from typing import Any

import pytest

from api.client import Client
from control_plane.controllers.networkpolicy import main as networkpolicies
from control_plane.controllers.replicaset import main as replicasets
from control_plane.main import Part
from proto.v1.apps_pb2 import ReplicaSet
from proto.v1.cluster_pb2 import Namespace
from proto.v1.network_pb2 import NetworkPolicy, PeerSlice
from proto.v1.pod_pb2 import Pod
from tests.cluster.faults import (
    Fault,
    crash_at_every_call,
    fail_at_every_call,
    reply_lost,
    request_lost,
)
from tests.cluster.whole import Cluster, only, replicaset, run
from tests.manifests import read


def parts() -> tuple[Part, ...]:
    return (*only(replicasets)(), networkpolicies.run)


WEB = {"podSelector": {"matchLabels": {"app": "web"}}}
SHOP = {"namespaceSelector": {"matchLabels": {"team": "shop"}}}


def policy(*peers: dict[str, Any], name: str = "p") -> NetworkPolicy:
    spec = {"podSelector": {}, "ingress": [{"from": list(peers)}]}
    made: NetworkPolicy = read("NetworkPolicy", {"metadata": {"name": name}, "spec": spec})
    return made


async def slices(client: Client) -> list[PeerSlice]:
    return list((await client.list(PeerSlice)).items)


async def said(world: Cluster) -> list[str]:
    return sorted(each.ip for one in await slices(world.client) for each in one.addresses)


async def agrees(world: Cluster, count: int) -> bool:
    """So many pods, all of them with addresses, and the slices say the same."""
    pods = (await world.client.list(Pod)).items
    there = sorted(pod.status.podIP for pod in pods if pod.status.podIP)
    return len(there) == count and await said(world) == there


async def label(world: Cluster, **labels: str | None) -> None:
    patch = {"metadata": {"labels": labels}}
    await world.client.patch(Namespace, "default", "", patch, patch_type="merge")


async def nobody(world: Cluster) -> bool:
    return not await slices(world.client)


async def life(world: Cluster) -> None:
    await world.client.create(policy(WEB))
    await world.client.create(replicaset(3))
    await world.until(lambda: agrees(world, 3))
    await world.client.create(policy(WEB, {"ipBlock": {"cidr": "10.0.0.0/8"}}, name="q"))
    await world.client.delete(NetworkPolicy, "p", "default")
    await world.change({"replicas": 4}, ReplicaSet)
    await world.until(lambda: agrees(world, 4))
    patch = {"spec": {"ingress": [{"from": [SHOP]}]}}
    await world.client.patch(NetworkPolicy, "q", "default", patch, patch_type="merge")
    await world.until(lambda: nobody(world))
    await label(world, team="shop")
    await world.until(lambda: agrees(world, 4))
    await world.change({"replicas": 1}, ReplicaSet)
    await world.until(lambda: agrees(world, 1))
    await label(world, team=None)
    await world.until(lambda: nobody(world))
    await label(world, team="shop")
    await world.until(lambda: agrees(world, 1))
    await world.client.delete(NetworkPolicy, "q", "default")
    await world.until(lambda: nobody(world))


def test_slices_follow_policies_pods_and_namespaces() -> None:
    run(life, nodes=1, parts=parts)


@pytest.mark.parametrize("fault", [request_lost, reply_lost])
def test_any_call_that_fails_is_healed(fault: Fault) -> None:
    fail_at_every_call(life, fault, least=10, parts=parts)


def test_a_controller_that_crashes_at_any_call_is_followed_by_another() -> None:
    crash_at_every_call(life, parts=parts)


def test_policies_that_ask_the_same_share_the_answer() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(replicaset(2))
        for name in ("p", "q"):
            await world.client.create(policy(WEB, name=name))
        await world.until(lambda: agrees(world, 2))
        assert len(await slices(world.client)) == 1
        await world.client.delete(NetworkPolicy, "p", "default")
        await world.change({"replicas": 3}, ReplicaSet)
        await world.until(lambda: agrees(world, 3))

    run(scenario, nodes=1, parts=parts)


def test_what_somebody_else_changes_is_put_right() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(replicaset(2))
        await world.client.create(policy(WEB))
        await world.until(lambda: agrees(world, 2))
        [one] = await slices(world.client)
        one.addresses.add(ip="192.0.2.66")
        await world.client.update(one)
        await world.until(lambda: agrees(world, 2))
        await world.client.delete(PeerSlice, one.metadata.name)
        await world.until(lambda: agrees(world, 2))

    run(scenario, nodes=1, parts=parts)


def test_pods_that_have_ended_are_not_meant() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(replicaset(2))
        await world.client.create(policy(WEB))
        await world.until(lambda: agrees(world, 2))
        pod = (await world.pods())[0]
        world.silence()
        pod.status.phase = "Failed"
        await world.client.update(pod, subresource="status")

        async def gone() -> bool:
            return pod.status.podIP not in await said(world)

        await world.until(gone)

    run(scenario, nodes=1, parts=parts)
