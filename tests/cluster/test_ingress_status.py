"""The status of an Ingress has the addresses of the nodes that serve it, and loses those that do not (S#90)."""

from typing import Any

from api.ingresses import PORTS
from control_plane.controllers import ingressstatus
from control_plane.controllers.ingressstatus import addresses, shown
from proto.v1.cluster_pb2 import Node, NodeAddress, NodeCondition
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.network_pb2 import Ingress
from tests.cluster.whole import Cluster, run


def node(name: str, *, ready: bool = True, serves: bool = True, external: str = "") -> Node:
    made = Node(metadata=ObjectMeta(name=name))
    if serves:
        made.metadata.annotations[PORTS] = "80,443"
    made.status.conditions.append(
        NodeCondition(type="Ready", status="True" if ready else "Unknown")
    )
    made.status.addresses.append(NodeAddress(type="InternalIP", address=f"10.0.0.{name[1:]}"))
    if external:
        made.status.addresses.append(NodeAddress(type="ExternalIP", address=external))
    return made


def test_only_nodes_that_are_ready_and_serve_count() -> None:
    nodes = [
        node("n3"),
        node("n1", external="192.0.2.7"),
        node("n2", ready=False),
        node("n4", serves=False),
    ]
    assert addresses(nodes) == ["10.0.0.3", "192.0.2.7"]


def an_ingress(**spec: Any) -> Ingress:
    made = Ingress(metadata=ObjectMeta(name="in", namespace="default"))
    made.spec.defaultBackend.service.name = "web"
    made.spec.defaultBackend.service.port.number = 80
    for name, value in spec.items():
        setattr(made.spec, name, value)
    return made


def test_nothing_is_written_that_is_there_or_is_not_ours() -> None:
    fresh = shown(an_ingress(), [], ["10.0.0.1"])
    assert fresh is not None
    assert shown(fresh, [], ["10.0.0.1"]) is None
    assert shown(an_ingress(ingressClassName="nginx"), [], ["10.0.0.1"]) is None


def test_the_status_follows_the_nodes() -> None:
    async def scenario(world: Cluster) -> None:
        async def shows(*expected: str) -> bool:
            found = await world.client.get(Ingress, "in", "default")
            return [each.ip for each in found.status.loadBalancer.ingress] == list(expected)

        for name in ("n1", "n2"):
            made = await world.client.create(node(name))
            made.status.CopyFrom(node(name).status)
            await world.client.update(made, subresource="status")
        await world.client.create(an_ingress())
        await world.until(lambda: shows("10.0.0.1", "10.0.0.2"))
        silent = await world.client.get(Node, "n1")
        silent.status.CopyFrom(node("n1", ready=False).status)
        await world.client.update(silent, subresource="status")
        await world.until(lambda: shows("10.0.0.2"))
        stopped = {"metadata": {"annotations": {PORTS: None}}}
        await world.client.patch(Node, "n2", "", stopped, patch_type="merge")
        await world.until(shows)

    run(scenario, nodes=0, parts=lambda: (ingressstatus.run,))
