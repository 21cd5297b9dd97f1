"""Agents and the ConfigMaps and Secrets of their pods, on fake time: who waits for what, and what is watched (S#44, S#94)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from api.client import EVERYTHING, Client, Selection, WatchEvent
from api.errors import Unavailable
from proto.v1.cluster_pb2 import Event
from proto.v1.config_pb2 import ConfigMap, Secret
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.pod_pb2 import Container, Pod, Volume
from tests import agent_world
from tests.agent_world import World, container, eventually, is_ready, pod, simulate


def config(name: str = "settings", **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default"), data=data)


def secret(**data: bytes) -> Secret:
    return Secret(metadata=ObjectMeta(name="keys", namespace="default"), data=data)


def with_variable(name: str = "app") -> Container:
    made = container(name)
    source = made.env.add(name="COLOR").valueFrom.configMapKeyRef
    source.name, source.key = "settings", "color"
    return made


def waiting(pod: Pod) -> tuple[str, str]:
    statuses = pod.status.containerStatuses
    if not statuses:
        return "", ""
    return statuses[0].state.waiting.reason, statuses[0].state.waiting.message


async def variables(world: World, attempt: int = 0) -> dict[str, str]:
    run = await world.run_of("app", attempt)
    return dict(world.runtime.asked_for(run.id).env)


def test_a_container_waits_for_its_config_map_and_for_the_key() -> None:
    """S#44: Kubernetes' reason and words; it starts as soon as what was missing is there, not after the next pause."""

    async def scenario(world: World) -> None:
        await world.create(pod(with_variable()))
        error = "CreateContainerConfigError"
        await world.until(lambda p: waiting(p) == (error, 'configmap "settings" not found'))
        await world.client.create(config(size="big"))
        told = "couldn't find key color in ConfigMap default/settings"
        await world.until(lambda p: waiting(p) == (error, told))
        before = agent_world.now()
        await world.client.update(config(color="blue"))
        await world.until(is_ready)
        assert agent_world.now() - before < 3
        assert (await variables(world))["COLOR"] == "blue"
        assert "Failed" in await world.reasons()

    simulate(scenario)


def test_a_pod_waits_for_the_secret_of_its_volume() -> None:
    """S#48: FailedMount; no container is made meanwhile."""

    async def scenario(world: World) -> None:
        made = pod()
        made.spec.volumes.append(Volume(name="v"))
        made.spec.volumes[0].secret.secretName = "keys"
        await world.create(made)
        while "FailedMount" not in await world.reasons():  # noqa: ASYNC110
            await asyncio.sleep(1)
        listing = await world.client.list(Event, Selection(namespace="default"))
        told = {event.message for event in listing.items if event.reason == "FailedMount"}
        assert told == {'MountVolume.SetUp failed for volume "v" : secret "keys" not found'}
        assert await world.runs("app") == []
        await world.client.create(secret(password=b"x"))
        await world.until(is_ready)

    simulate(scenario)


def test_keys_that_name_no_variable_are_told_and_skipped() -> None:
    """S#44: by their names, never their values."""

    async def scenario(world: World) -> None:
        await world.client.create(secret(**{"1st": b"canary", "fine": b"yes"}))
        made = container()
        made.envFrom.add().secretRef.name = "keys"
        await world.create(pod(made))
        await world.until(is_ready)
        found = await variables(world)
        assert found["fine"] == "yes"
        assert "1st" not in found
        assert "InvalidEnvironmentVariableNames" in await world.reasons()
        listing = await world.client.list(Event, Selection(namespace="default"))
        messages = " ".join(event.message for event in listing.items)
        assert "Keys [1st] from the EnvFrom secret default/keys were skipped" in messages
        assert "canary" not in messages

    simulate(scenario)


def test_a_variable_stays_as_it_was_until_the_container_starts_again() -> None:
    """S#92: environments never follow; a new run reads anew."""

    async def scenario(world: World) -> None:
        await world.client.create(config(color="blue"))
        await world.create(pod(with_variable()))
        await world.until(is_ready)
        await world.client.update(config(color="red"))
        run = await world.run_of("app")
        await asyncio.sleep(100)
        assert (await variables(world))["COLOR"] == "blue"
        await world.runtime.kill(run.id)
        assert (await variables(world, 1))["COLOR"] == "red"

    simulate(scenario)


class Watching:
    """A client that keeps a record of what is read of ConfigMaps and Secrets."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.reads: set[tuple[str, str, str]] = set()
        self.watching: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def _note(self, kind: type[Any], which: Selection) -> None:
        if kind in (ConfigMap, Secret):
            self.reads.add((kind.__name__, which.namespace, which.fields))

    async def list(self, kind: type[Any], which: Selection = EVERYTHING, **how: Any) -> Any:
        self._note(kind, which)
        return await self._client.list(kind, which, **how)

    async def watch(
        self, kind: type[Any], which: Selection = EVERYTHING, **how: Any
    ) -> AsyncIterator[Sequence[WatchEvent[Any]]]:
        self._note(kind, which)
        if kind not in (ConfigMap, Secret):
            async for batch in self._client.watch(kind, which, **how):
                yield batch
            return
        self.watching.append(which.fields)
        try:
            async for batch in self._client.watch(kind, which, **how):
                yield batch
        finally:
            self.watching.remove(which.fields)


def test_only_what_pods_name_is_read_and_only_while_they_are_there() -> None:
    """S#94: one watch for each object, shared by its pods, ended with the last of them. Never all Secrets."""
    seen: list[Watching] = []

    def wrap(client: Client) -> Any:
        seen.append(Watching(client))
        return seen[0]

    async def scenario(world: World) -> None:
        for each in (config(color="blue"), config("other", a="2"), secret(a=b"1")):
            await world.client.create(each)
        for name in ("one", "two"):
            made = pod(with_variable(), name=name)
            made.spec.volumes.append(Volume(name="v"))
            made.spec.volumes[0].secret.secretName = "keys"
            await world.create(made)
        await world.until(is_ready, "one")
        await world.until(is_ready, "two")
        assert seen[0].reads == {
            ("ConfigMap", "default", "metadata.name=settings"),
            ("Secret", "default", "metadata.name=keys"),
        }
        assert sorted(seen[0].watching) == ["metadata.name=keys", "metadata.name=settings"]
        await world.delete("one")
        await world.gone("one")
        assert len(seen[0].watching) == 2
        await world.delete("two")
        await world.gone("two")
        await eventually(lambda: seen[0].watching == [])

    simulate(scenario, wrap=wrap)


def test_what_is_immutable_is_not_watched() -> None:
    """S#92."""
    seen: list[Watching] = []

    def wrap(client: Client) -> Any:
        seen.append(Watching(client))
        return seen[0]

    async def scenario(world: World) -> None:
        fixed = config(color="blue")
        fixed.immutable = True
        await world.client.create(fixed)
        await world.create(pod(with_variable()))
        await world.until(is_ready)
        assert (await variables(world))["COLOR"] == "blue"
        await eventually(lambda: seen[0].watching == [])

    simulate(scenario, wrap=wrap)


def test_a_missing_pull_secret_is_told_and_may_not_matter() -> None:
    async def scenario(world: World) -> None:
        made = pod()
        made.spec.imagePullSecrets.add(name="registry")
        await world.create(made)
        await world.until(is_ready)
        assert "FailedToRetrieveImagePullSecret" in await world.reasons()

    simulate(scenario)


class Silent(Watching):
    """A server that tells nothing of ConfigMaps for the first fake minute."""

    async def list(self, kind: type[Any], which: Selection = EVERYTHING, **how: Any) -> Any:
        if kind is ConfigMap and agent_world.now() < 60:
            raise Unavailable("injected: nobody answers")
        return await super().list(kind, which, **how)


def test_an_object_that_is_not_told_is_not_taken_for_missing() -> None:
    """An outage must not read as "there is none": that would leave out what is optional."""

    async def scenario(world: World) -> None:
        await world.client.create(config(color="blue"))
        made = with_variable()
        made.env[0].valueFrom.configMapKeyRef.optional = True
        await world.create(pod(made))
        found = await world.until(lambda p: "failed to sync cache" in waiting(p)[1])
        assert waiting(found)[0] == "CreateContainerConfigError"
        await world.until(is_ready)
        assert agent_world.now() >= 60
        assert (await variables(world))["COLOR"] == "blue"

    simulate(scenario, wrap=Silent)
