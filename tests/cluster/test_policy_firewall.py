"""No pod is wired before its policies are in the kernel: with a real API server, and a kernel that can be slow or refuse."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import pytest

from api.client import Client, Delete, Selection
from api.informer import Informer
from control_plane.store.memory import MemoryStore
from node_agent.guardednetwork import LONGEST, GuardedNetwork
from node_agent.network.policy.firewall import PolicyFirewall
from node_agent.network.proxy.keeper import TableKeeper
from node_agent.network.proxy.nft import NftRefused
from node_agent.network.proxy.table import Table
from node_agent.podnetwork import ImaginedNetwork, NetworkUnavailable
from proto.v1.network_pb2 import NetworkPolicy
from proto.v1.pod_pb2 import Pod
from tests import fake_time
from tests.apiserver import serving
from tests.manifests import read

ADDRESS = "10.244.0.2"
NODE = Selection(fields="spec.nodeName=n1")


class Kernel:
    """Stands for the keeper of the table."""

    def __init__(self) -> None:
        self.tables: list[Table] = []
        self.refuses = 0  # so many times
        self.takes = asyncio.Event()  # set: it works
        self.takes.set()

    async def put(self, producer: str, contents: Table) -> None:
        await self.takes.wait()
        if self.refuses:
            self.refuses -= 1
            raise NftRefused("the kernel is out of sorts")
        self.tables.append(contents)

    def isolates(self, address: str = ADDRESS) -> bool:
        return bool(self.tables) and address in self.tables[-1].sets["ingress_of"].elements


class LateWatch:
    """A client whose watch of policies tells nothing until it is let."""

    def __init__(self, client: Client) -> None:
        self._client, self.let = client, asyncio.Event()
        self.let.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def watch(self, kind: type[Any], which: Any, **how: Any) -> AsyncIterator[Any]:
        async for batch in self._client.watch(kind, which, **how):
            if kind is NetworkPolicy:
                await self.let.wait()
            yield batch


class Wires(ImaginedNetwork):
    """Remembers who is wired."""

    def __init__(self, pods: str) -> None:
        super().__init__(pods)
        self.wired: list[str] = []

    async def attach(self, pod_uid: str, netns: Any, ports: Any) -> None:
        self.wired.append(pod_uid)

    async def is_attached(self, pod_uid: str) -> bool:
        return pod_uid in self.wired


@dataclass
class Here:
    client: Client
    watch: LateWatch
    kernel: Kernel
    firewall: PolicyFirewall
    network: GuardedNetwork
    wires: Wires

    async def pod(self, name: str = "web") -> Pod:
        change = {"metadata": {"name": name}, "spec": {"nodeName": "n1"}}
        return await self.client.create(cast(Pod, read("Pod", change)))

    async def deny(self) -> NetworkPolicy:
        return await self.client.create(cast(NetworkPolicy, read("NetworkPolicy")))

    async def attach(self, pod: Pod) -> None:
        async def netns() -> str:
            return "/run/netns/none"

        await self.network.attach(pod.metadata.uid, netns, ())

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not holds():  # noqa: ASYNC110 (fake time)
                await asyncio.sleep(0.05)


Scenario = Callable[[Here], Coroutine[Any, Any, None]]


@asynccontextmanager
async def node() -> AsyncIterator[Here]:
    async with serving(MemoryStore(), grpc=False) as api, asyncio.TaskGroup() as tasks:
        watch, kernel = LateWatch(api.client), Kernel()
        client = cast(Client, watch)
        pods = Informer(api.client, Pod, NODE)
        firewall = PolicyFirewall(client, pods, cast(TableKeeper, kernel), "10.96.0.10")
        wires = Wires("10.244.0.0/24")
        network = GuardedNetwork(wires, firewall)
        running = [tasks.create_task(each.run()) for each in (pods, firewall)]
        yield Here(api.client, watch, kernel, firewall, network, wires)
        for task in running:
            task.cancel()


def play(scenario: Scenario) -> None:
    async def whole() -> None:
        async with node() as here:
            await scenario(here)

    fake_time.run(whole())


def test_a_pod_is_wired_when_the_kernel_has_its_policies_and_not_before() -> None:
    async def scenario(here: Here) -> None:
        here.network.adopt({}, ())
        await here.deny()
        pod = await here.pod()
        await here.until(lambda: bool(here.kernel.tables))
        here.kernel.takes.clear()
        wiring = asyncio.create_task(here.attach(pod))
        await asyncio.sleep(5)
        assert here.wires.wired == []
        here.kernel.takes.set()
        await wiring
        assert here.kernel.isolates()
        assert here.wires.wired == [pod.metadata.uid]

    play(scenario)


def test_a_policy_that_was_there_before_the_pod_counts_even_if_its_news_are_late() -> None:
    async def scenario(here: Here) -> None:
        here.network.adopt({}, ())
        await here.until(lambda: bool(here.kernel.tables))
        here.watch.let.clear()
        await here.deny()
        pod = await here.pod()
        await asyncio.sleep(1)
        wiring = asyncio.create_task(here.attach(pod))
        await asyncio.sleep(5)
        assert here.wires.wired == []
        here.watch.let.set()
        await wiring
        assert here.kernel.isolates()

    play(scenario)


def test_nothing_is_touched_before_it_is_known_which_pods_are_here() -> None:
    """Rules that an agent before us left would be taken away."""

    async def scenario(here: Here) -> None:
        await here.deny()
        pod = await here.pod()
        await asyncio.sleep(5)
        assert here.kernel.tables == []
        here.network.adopt({pod.metadata.uid: ADDRESS, "forgotten": "10.244.0.9"}, ())
        await here.until(lambda: bool(here.kernel.tables))
        assert here.kernel.isolates()
        assert here.kernel.isolates("10.244.0.9")  # nobody knows it any more
        assert len(here.kernel.tables) == 1

    play(scenario)


def test_a_pod_that_the_server_has_forgotten_stays_isolated_until_it_is_unwired() -> None:
    async def scenario(here: Here) -> None:
        here.network.adopt({}, ())
        await here.deny()
        pod = await here.pod()
        await here.until(lambda: bool(here.firewall._pods))
        await here.attach(pod)
        how = Delete(grace=0)
        await here.client.delete(Pod, pod.metadata.name, "default", how)
        await asyncio.sleep(5)
        assert here.kernel.isolates()
        await here.network.detach(pod.metadata.uid)
        await here.until(lambda: not here.kernel.isolates())
        assert here.firewall._pods == {}

    play(scenario)


def test_a_pod_that_is_wired_already_waits_for_nobody_and_a_new_one_does() -> None:
    """An agent that comes back while no server answers looks after its pods; their rules are in the kernel."""

    async def scenario(here: Here) -> None:
        old, new = await here.pod("old"), await here.pod("new")
        here.wires.wired.append(old.metadata.uid)
        await here.attach(old)
        with pytest.raises(NetworkUnavailable):
            await here.attach(new)
        assert new.metadata.uid not in here.wires.wired
        assert here.kernel.tables == []

    play(scenario)


def test_what_the_kernel_refused_is_tried_again_and_the_pod_waits() -> None:
    async def scenario(here: Here) -> None:
        here.network.adopt({}, ())
        await here.deny()
        pod = await here.pod()
        await here.until(lambda: bool(here.kernel.tables))
        here.kernel.refuses = 3
        await here.attach(pod)
        assert here.kernel.refuses == 0
        assert here.kernel.isolates()

    play(scenario)


def test_a_pod_that_waits_for_long_says_for_what() -> None:
    async def scenario(here: Here) -> None:
        here.network.adopt({}, ())
        pod = await here.pod()
        await here.until(lambda: bool(here.kernel.tables))
        here.kernel.takes.clear()
        with pytest.raises(NetworkUnavailable, match=f"not in force after {LONGEST:g} s"):
            await here.attach(pod)
        assert here.wires.wired == []
        here.kernel.takes.set()
        await here.attach(pod)

    play(scenario)


def test_labels_that_change_change_the_kernel() -> None:
    async def scenario(here: Here) -> None:
        here.network.adopt({}, ())
        spec = {"podSelector": {"matchLabels": {"role": "closed"}}}
        await here.client.create(cast(NetworkPolicy, read("NetworkPolicy", {"spec": spec})))
        pod = await here.pod()
        await here.until(lambda: bool(here.firewall._pods))
        await here.attach(pod)
        assert not here.kernel.isolates()
        for role, closed in (("closed", True), (None, False)):
            patch = {"metadata": {"labels": {"role": role}}}
            await here.client.patch(Pod, "web", "default", patch, patch_type="merge")
            await here.until(lambda closed=closed: here.kernel.isolates() == closed)  # type: ignore[misc]

    play(scenario)
