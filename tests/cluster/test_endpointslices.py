"""EndpointSlices of a whole cluster: they follow pods as these come, become ready, end and go (S#81, S#85; 4f, 4g)."""

import asyncio

from api import services
from api.client import Client, Delete, Selection
from control_plane.apiserver.allocation.ranges import DEFAULT
from control_plane.controllers import wellknown
from control_plane.controllers.endpointslice import main as endpointslices
from control_plane.controllers.wellknown import Here
from proto.v1.cluster_pb2 import Event, Lease, Node
from proto.v1.limits_pb2 import ResourceQuota
from proto.v1.network_pb2 import Endpoint, EndpointSlice, Service
from proto.v1.pod_pb2 import Pod
from tests.apiserver import pod
from tests.cluster.machines import Machines
from tests.cluster.test_disruption_failures import parts as with_nodes
from tests.cluster.whole import Cluster, deployment, run


def service(name: str = "web", **selector: str) -> Service:
    made = Service()
    made.metadata.name, made.metadata.namespace = name, "default"
    made.spec.selector.update(selector or {"app": "web"})
    made.spec.ports.add(port=80)
    return made


async def slices(client: Client, name: str = "web") -> list[EndpointSlice]:
    which = Selection(namespace="default", labels=f"{services.SERVICE_NAME}={name}")
    return list((await client.list(EndpointSlice, which)).items)


async def endpoints(client: Client, name: str = "web") -> list[Endpoint]:
    return [each for slice in await slices(client, name) for each in slice.endpoints]


async def ready(world: Cluster, count: int, name: str = "web") -> bool:
    found = await endpoints(world.client, name)
    return len(found) == count and all(each.conditions.ready for each in found)


def test_the_pods_of_a_deployment_stand_behind_its_service() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(service())
        await world.until(lambda: is_empty(world))
        await world.client.create(deployment(3))
        await world.until(lambda: ready(world, 3))
        pods = {pod.metadata.uid: pod for pod in await world.pods()}
        for each in await endpoints(world.client):
            pod = pods.pop(each.targetRef.uid)
            assert list(each.addresses) == [pod.status.podIP]
            assert each.nodeName == pod.spec.nodeName
        await world.change({"replicas": 1})
        await world.until(lambda: ready(world, 1))
        await world.client.delete(Service, "web", "default")
        await world.until(lambda: nothing(world))

    run(scenario)


async def is_empty(world: Cluster) -> bool:
    return [len(each.endpoints) for each in await slices(world.client)] == [0]


async def nothing(world: Cluster) -> bool:
    return not await slices(world.client)


def test_a_pod_that_ends_is_no_longer_ready_and_still_there() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(service())
        wanted = pod("web", app="web")
        wanted.metadata.finalizers.append("example.com/wait")
        made = await world.client.create(wanted)
        await world.until(lambda: ready(world, 1))
        await world.client.delete(Pod, "web", "default", Delete(grace=600))

        async def told() -> bool:
            [each] = await endpoints(world.client)
            assert each.targetRef.uid == made.metadata.uid
            return each.conditions.terminating and not each.conditions.ready

        await world.until(told)

    run(scenario, nodes=1)


def test_a_change_of_the_selector_changes_who_is_there() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(service(app="other"))
        await world.client.create(deployment(2))
        await world.until(lambda: world.ready(2))
        assert await endpoints(world.client) == []
        patch = {"spec": {"selector": {"app": "web"}}}
        await world.client.patch(Service, "web", "default", patch, patch_type="merge")
        await world.until(lambda: ready(world, 2))
        [pod, _] = await world.pods()
        patch = {"metadata": {"labels": {"app": "debug"}}}
        await world.client.patch(Pod, pod.metadata.name, "default", patch)

        async def let_go() -> bool:
            found = await endpoints(world.client)
            return pod.metadata.uid not in {each.targetRef.uid for each in found} and await ready(
                world, 2
            )

        await world.until(let_go)

    run(scenario)


def test_slices_of_others_are_left_alone_and_ours_are_put_back() -> None:
    async def scenario(world: Cluster) -> None:
        by_hand = EndpointSlice(addressType="IPv4")
        by_hand.metadata.name, by_hand.metadata.namespace = "by-hand", "default"
        by_hand.metadata.labels[services.SERVICE_NAME] = "web"
        by_hand.endpoints.add(addresses=["192.0.2.9"]).conditions.ready = True
        kept = await world.client.create(by_hand)
        await world.client.create(service())
        await world.client.create(deployment(2))
        await world.until(lambda: ready(world, 3))
        [ours] = [each for each in await slices(world.client) if each.metadata.name != "by-hand"]
        await world.client.delete(EndpointSlice, ours.metadata.name, "default")
        await world.until(lambda: ready(world, 3))
        patch = {"spec": {"selector": None}}
        await world.client.patch(Service, "web", "default", patch, patch_type="merge")
        await world.until(lambda: ready(world, 1))
        assert await slices(world.client) == [kept]

    run(scenario)


def test_the_pods_of_a_node_that_falls_silent_leave() -> None:
    """And they are back as soon as the node is."""

    async def scenario(world: Cluster) -> None:
        machines = Machines(world)
        for name in ("n0", "n1"):
            machines.start(name)
        try:
            await world.until(lambda: machines.says("True", "n0", "n1"))
            await world.client.create(service())
            await world.client.create(deployment(4))
            await world.until(lambda: ready(world, 4))
            machines.cut("n0")

            async def left() -> bool:
                found = await endpoints(world.client)
                up = {each.nodeName for each in found if each.conditions.ready}
                return len(found) == 4 and up == {"n1"}

            await world.until(left)
            machines.mend("n0")
            await world.until(lambda: ready(world, 4))
        finally:
            machines.stop(*list(machines.agents))

    def parts():  # type: ignore[no-untyped-def]
        from control_plane import main

        return (*with_nodes(), main._recorded("endpointslice", endpointslices.run))

    run(scenario, nodes=0, parts=parts)


def test_a_burst_of_pods_is_few_writes() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(service())
        await world.until(lambda: is_empty(world))
        before = (await slices(world.client))[0].metadata.generation
        writes = 0
        listing = await world.client.list(EndpointSlice)

        async def count() -> None:
            nonlocal writes
            async for batch in world.client.watch(
                EndpointSlice, version=listing.version, bookmarks=False
            ):
                writes += len(batch)

        counting = world.tasks.create_task(count())
        await world.client.create(deployment(60))
        await world.until(lambda: ready(world, 60))
        counting.cancel()
        assert writes <= 30, f"60 pods that start together took {writes} writes"
        assert before == (await slices(world.client))[0].metadata.generation

    run(scenario)


def test_an_endpoint_knows_the_zone_of_its_node() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(service())
        await world.client.create(deployment(1))
        await world.until(lambda: ready(world, 1))
        [before] = await endpoints(world.client)
        assert not before.zone
        patch = {"metadata": {"labels": {endpointslices.ZONE: "attic"}}}
        await world.client.patch(Node, before.nodeName, "", patch)

        async def told() -> bool:
            return [each.zone for each in await endpoints(world.client)] == ["attic"]

        await world.until(told)

    run(scenario)


def test_who_may_not_write_slices_says_so_in_an_event() -> None:
    async def scenario(world: Cluster) -> None:
        quota = ResourceQuota()
        quota.metadata.name, quota.metadata.namespace = "none", "default"
        quota.spec.hard["count/endpointslices.discovery.k8s.io"] = "0"
        await world.client.create(quota)
        await world.client.create(service())

        async def told() -> bool:
            events = (await world.client.list(Event, Selection(namespace="default"))).items
            return any(
                each.reason == "FailedToUpdateEndpointSlices" and "exceeded quota" in each.message
                for each in events
                if each.involvedObject.kind == "Service"
            )

        await world.until(told)
        await world.client.delete(ResourceQuota, "none", "default")
        await world.until(lambda: is_empty(world))

    run(scenario, nodes=0)


# default/kubernetes and kube-system/kube-dns


def keeping(*here: Here):  # type: ignore[no-untyped-def]
    from functools import partial

    return lambda: tuple(partial(wellknown.run, here=each) for each in here)


HERE = Here(DEFAULT.services, "192.0.2.1", 6441)


async def api_slice(world: Cluster) -> dict[str, list[str]]:
    found = await world.client.list(EndpointSlice, Selection(namespace="default"))
    return {
        each.metadata.name: sorted(a for e in each.endpoints for a in e.addresses)
        for each in found.items
    }


def test_every_cluster_has_the_services_kubernetes_and_kube_dns() -> None:
    async def scenario(world: Cluster) -> None:
        async def there() -> bool:
            return await api_slice(world) == {"kubernetes": ["192.0.2.1"]}

        await world.until(there)
        made = await world.client.get(Service, "kubernetes", "default")
        assert made.spec.clusterIP == "10.96.0.1"
        assert [(port.name, port.port) for port in made.spec.ports] == [("https", 443)]
        slice = await world.client.get(EndpointSlice, "kubernetes", "default")
        assert [port.port for port in slice.ports] == [6441]
        dns = await world.client.get(Service, "kube-dns", "kube-system")
        assert dns.spec.clusterIP == "10.96.0.10"
        assert [(port.protocol, port.port) for port in dns.spec.ports] == [("UDP", 53), ("TCP", 53)]

    run(scenario, nodes=0, parts=keeping(HERE))


def test_whatever_somebody_does_to_them_is_put_right() -> None:
    async def scenario(world: Cluster) -> None:
        async def there() -> bool:
            found = await world.client.list(Service)
            names = {each.metadata.name: each.spec.clusterIP for each in found.items}
            right = names == {"kubernetes": "10.96.0.1", "kube-dns": "10.96.0.10"}
            return right and await api_slice(world) == {"kubernetes": ["192.0.2.1"]}

        await world.until(there)
        await world.client.delete(Service, "kubernetes", "default")
        await world.client.delete(EndpointSlice, "kubernetes", "default")
        await world.client.delete(Service, "kube-dns", "kube-system")
        await world.until(there)
        patch = {"spec": {"ports": [{"name": "https", "port": 444}], "selector": {"a": "b"}}}
        await world.client.patch(Service, "kubernetes", "default", patch, patch_type="merge")

        async def right() -> bool:
            found = await world.client.get(Service, "kubernetes", "default")
            return [port.port for port in found.spec.ports] == [443] and not found.spec.selector

        await world.until(right)

    run(scenario, nodes=0, parts=keeping(HERE))


def test_a_server_that_dies_leaves_and_one_that_only_listens_at_home_never_comes() -> None:
    other = Here(DEFAULT.services, "192.0.2.2", 6441)
    home = Here(DEFAULT.services, "127.0.0.1", 6441)

    async def scenario(world: Cluster) -> None:
        async def shows(*addresses: str) -> bool:
            return await api_slice(world) == {"kubernetes": [*addresses]}

        await world.until(lambda: shows("192.0.2.1", "192.0.2.2"))
        world.stop_controllers()
        world.parts = keeping(other, home)
        world.start_controllers(world.client)
        await world.until(lambda: shows("192.0.2.2"))
        await asyncio.sleep(2 * 3600)

        async def forgotten() -> bool:
            leases = (await world.client.list(Lease, wellknown.LEASES)).items
            return [each.spec.holderIdentity for each in leases] == ["192.0.2.2:6441"]

        await world.until(forgotten)
        assert await shows("192.0.2.2")

    run(scenario, nodes=0, parts=keeping(HERE, other))
