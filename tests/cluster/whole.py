"""A whole cluster on fake time: API server over the memory store, all controllers, the scheduler, hollow nodes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from api.client import Client, Selection
from api.errors import NotFound
from api.informer import Informers
from control_plane import main
from control_plane.controllers import garbage
from control_plane.store.memory import MemoryStore
from node_agent.hollow import run_hollow
from node_agent.runtime.hollow import HollowRuntime
from proto.v1.apps_pb2 import Deployment, ReplicaSet, StatefulSet
from proto.v1.cluster_pb2 import Event, Node
from proto.v1.pod_pb2 import Pod
from tests import fake_time
from tests.apiserver import serving

PATIENCE = 6 * 3600  # fake seconds
Wrap = Callable[[Client], Client]


def as_is(client: Client) -> Client:
    return client


@dataclass
class Cluster:
    client: Client
    tasks: asyncio.TaskGroup
    parts: "Parts"
    controllers: asyncio.Task[None] | None = None
    nodes: asyncio.Task[None] | None = None

    def start_controllers(self, client: Client) -> None:
        self.controllers = self.tasks.create_task(_controllers(client, self.parts()))

    def stop_controllers(self) -> None:
        """As a crash would: whatever they were doing is cut off, and what they knew is lost."""
        if self.controllers is not None:
            self.controllers.cancel()

    def silence(self) -> None:
        """All agents are gone at once; what they ran goes on for all that anybody knows."""
        if self.nodes is not None:
            self.nodes.cancel()

    async def until(self, holds: Callable[[], Awaitable[object]], every: float = 0.1) -> None:
        """Asked `every` so many fake seconds, which is what a long scenario costs."""
        async with asyncio.timeout(PATIENCE):
            while not await holds():  # noqa: ASYNC110 (the server's to know)
                await asyncio.sleep(every)

    async def nodes_are_there(self, count: int) -> None:
        async def there() -> bool:
            return len((await self.client.list(Node)).items) == count

        await self.until(there)

    async def deployment(self, name: str = "web") -> Deployment:
        return await self.client.get(Deployment, name, "default")

    async def sets(self) -> list[ReplicaSet]:
        """Oldest first."""
        found = (await self.client.list(ReplicaSet)).items
        return sorted(
            found,
            key=lambda rs: int(
                rs.metadata.annotations.get("deployment.kubernetes.io/revision", "0")
            ),
        )

    async def pods(self) -> list[Pod]:
        """Those that do not end."""
        found = (await self.client.list(Pod)).items
        return [pod for pod in found if not pod.metadata.HasField("deletionTimestamp")]

    async def ready(self, count: int) -> bool:
        """So many pods, all of them ready."""
        pods = await self.pods()
        return len(pods) == count and all(map(is_ready, pods))

    async def complete(self, name: str = "web") -> bool:
        found = await self.deployment(name)
        wanted, status = found.spec.replicas, found.status
        counts = (status.replicas, status.updatedReplicas, status.availableReplicas)
        observed = status.observedGeneration == found.metadata.generation
        return observed and counts == (wanted,) * 3

    async def is_gone(self, kind: type[Any], name: str = "web") -> bool:
        try:
            await self.client.get(kind, name, "default")
        except NotFound:
            return True
        return False

    async def change(self, spec: dict[str, Any], kind: type[Any] = Deployment) -> None:
        await self.client.patch(kind, "web", "default", {"spec": spec}, patch_type="merge")

    async def image(self, image: str, kind: type[Any] = Deployment) -> None:
        patch = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": image}]}}}}
        await self.client.patch(kind, "web", "default", patch)

    async def said(self, name: str) -> list[tuple[str, str]]:
        """Reasons and messages of the events about an object, in order."""
        await asyncio.sleep(1)
        found = (await self.client.list(Event, Selection(namespace="default"))).items
        about = [each for each in found if each.involvedObject.name == name]
        about.sort(key=lambda each: int(each.metadata.resourceVersion))
        return [(each.reason, each.message) for each in about]


def is_ready(pod: Pod) -> bool:
    return any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions)


Scenario = Callable[[Cluster], Coroutine[Any, Any, None]]


class OneImageIsMissing(HollowRuntime):
    """Has every image but `bad`."""

    async def pull(self, reference: str, **login: Any) -> Any:
        if "bad" in reference:
            self._registry = set()
            try:
                return await super().pull(reference)
            finally:
                self._registry = None
        return await super().pull(reference)


Runtimes = Callable[[str], HollowRuntime]


def usual(name: str) -> HollowRuntime:
    return OneImageIsMissing()


Parts = Callable[[], tuple[main.Part, ...]]


def all_parts() -> tuple[main.Part, ...]:
    return (*main.PARTS, *main.NodeOptions().parts())


def only(*controllers: ModuleType) -> Parts:
    """These, with what no pod lives without: a scheduler, and a collector of what is owned."""
    runs = [main._schedule, garbage.run, *(module.run for module in controllers)]
    return lambda: tuple(main._recorded("controller", run) for run in runs)


def run(
    scenario: Scenario,
    *,
    nodes: int = 3,
    wrap: Wrap = as_is,
    runtime: Runtimes = usual,
    parts: Parts = all_parts,
) -> None:
    """Run it to its end. `wrap` stands between the controllers and the server; `runtime` makes that of a node."""

    async def whole() -> None:
        async with cluster(nodes, wrap, runtime, parts) as here, asyncio.timeout(PATIENCE):
            await scenario(here)

    fake_time.run(whole())


@asynccontextmanager
async def cluster(
    nodes: int, wrap: Wrap, runtime: Runtimes = usual, parts: Parts = all_parts
) -> AsyncIterator[Cluster]:
    names = [f"n{number}" for number in range(nodes)]
    async with serving(MemoryStore(), grpc=False) as api, asyncio.TaskGroup() as tasks:
        here = Cluster(api.client, tasks, parts)
        hollow = run_hollow(api.client, names, runtime=runtime)
        here.nodes = tasks.create_task(hollow)
        here.start_controllers(wrap(api.client))
        try:
            await here.nodes_are_there(nodes)
            yield here
        finally:
            here.silence()
            here.stop_controllers()


async def _controllers(client: Client, parts: tuple[main.Part, ...]) -> None:
    informers = Informers(client)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(informers.run())
        for part in parts:
            tasks.create_task(main._run(part, client, informers))


def _with_spec(obj: Any, replicas: int, spec: dict[str, Any]) -> Any:
    obj.metadata.name, obj.metadata.namespace = "web", "default"
    obj.spec.replicas = replicas
    obj.spec.selector.matchLabels["app"] = "web"
    obj.spec.template.metadata.labels["app"] = "web"
    obj.spec.template.spec.containers.add(name="app", image="registry.test/app:1")
    obj.spec.MergeFrom(type(obj.spec)(**spec))
    return obj


def deployment(replicas: int = 3, **spec: Any) -> Deployment:
    return _with_spec(Deployment(), replicas, spec)  # type: ignore[no-any-return]


def statefulset(replicas: int = 3, **spec: Any) -> StatefulSet:
    return _with_spec(StatefulSet(), replicas, spec)  # type: ignore[no-any-return]


def replicaset(replicas: int = 3, **spec: Any) -> ReplicaSet:
    return _with_spec(ReplicaSet(), replicas, spec)  # type: ignore[no-any-return]
