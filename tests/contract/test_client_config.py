"""ConfigMaps and Secrets through the API, in the server's process and over the wire (S#92, S#93, S#96)."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from api.client import Selection
from api.errors import ApiError, BadRequest, Invalid
from proto.v1.config_pb2 import ConfigMap, Secret
from proto.v1.meta_pb2 import ObjectMeta
from tests.apiserver import World, run_scenario

Scenario = Callable[[World], Coroutine[Any, Any, None]]
Run = Callable[[Scenario], None]
MIB = 1024 * 1024


@pytest.fixture(params=["local-memory", "grpc-memory", "grpc-sqlite"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    client, store = request.param.split("-")
    url = {"memory": "memory://", "sqlite": f"sqlite://{tmp_path}/store.db"}[store]
    return lambda scenario: run_scenario(url, client == "grpc", scenario)


def meta(name: str = "app") -> ObjectMeta:
    return ObjectMeta(name=name, namespace="default")


def test_what_is_written_as_text_is_read_as_data(run: Run) -> None:
    async def scenario(world: World) -> None:
        given = Secret(metadata=meta(), stringData={"a": "1"}, data={"a": b"0", "b": b"\xff"})
        for made in (
            await world.client.create(given),
            await world.client.get(Secret, "app", "default"),
        ):
            assert dict(made.data) == {"a": b"1", "b": b"\xff"}
            assert not made.stringData
            assert made.type == "Opaque"
            assert made.metadata.generation == 1

    run(scenario)


def test_a_patch_changes_one_key(run: Run) -> None:
    """Strategic and merge patches: keys that are not named stay, null takes one away."""

    async def scenario(world: World) -> None:
        await world.client.create(Secret(metadata=meta(), data={"a": b"1", "b": b"2"}))
        patch: dict[str, Any] = {"stringData": {"a": "x"}, "data": {"b": None, "c": "Mw=="}}
        done = await world.client.patch(Secret, "app", "default", patch)
        assert dict(done.data) == {"a": b"x", "c": b"3"}
        done = await world.client.patch(
            Secret, "app", "default", {"data": {"c": "NA=="}}, patch_type="merge"
        )
        assert dict(done.data) == {"a": b"x", "c": b"4"}
        again = await world.client.patch(Secret, "app", "default", {"stringData": {"a": "x"}})
        assert again.metadata.resourceVersion == done.metadata.resourceVersion

    run(scenario)


def test_what_is_wrong_is_refused_without_the_value(run: Run) -> None:
    async def scenario(world: World) -> None:
        await world.client.create(Secret(metadata=meta(), data={"a": b"1"}))
        bad: tuple[dict[str, Any], ...] = (
            {"data": {"a": "canary!"}},
            {"stringData": {"a": 271828}},
            {"stringData": {"../canary": "x" * 10}, "data": {"b": "canary!"}},
            {"type": "kubernetes.io/tls", "stringData": {"b": "canary"}},
        )
        for patch in bad:
            with pytest.raises(Invalid) as error:
                await world.client.patch(Secret, "app", "default", patch)
            said = error.value.message.replace("../canary", "")
            assert "canary" not in said
            assert "271828" not in said

    run(scenario)


@pytest.mark.parametrize("size", [MIB + 1, 3 * MIB, 6 * MIB])
def test_what_is_too_large_is_refused_and_harms_nobody(run: Run, size: int) -> None:
    """Also when the message itself is larger than the server takes."""

    async def scenario(world: World) -> None:
        for made in (
            Secret(metadata=meta(), data={"a": b"x" * size}),
            ConfigMap(metadata=meta(), binaryData={"a": b"x" * size}),
        ):
            with pytest.raises(ApiError) as error:
                await world.client.create(made)
            assert isinstance(error.value, BadRequest) or error.value.code == "RESOURCE_EXHAUSTED"
        assert (await world.client.list(Secret)).items == []
        await world.client.create(Secret(metadata=meta(), data={"a": b"x" * MIB}))

    run(scenario)


def test_immutable_objects_can_only_be_replaced(run: Run) -> None:
    async def scenario(world: World) -> None:
        made = await world.client.create(
            ConfigMap(metadata=meta(), immutable=True, data={"a": "1"})
        )
        made.data["a"] = "2"
        with pytest.raises(Invalid, match="field is immutable when `immutable` is set"):
            await world.client.update(made)
        await world.client.delete(ConfigMap, "app", "default")
        await world.client.create(ConfigMap(metadata=meta(), data={"a": "2"}))

    run(scenario)


def test_one_object_is_watched_by_its_name(run: Run) -> None:
    """As an agent does, who must not see any other."""

    async def scenario(world: World) -> None:
        which = Selection(namespace="default", fields="metadata.name=app")
        await world.client.create(Secret(metadata=meta("other"), data={"a": b"0"}))
        listing = await world.client.list(Secret, which)
        assert listing.items == []
        await world.client.create(Secret(metadata=meta("app"), data={"a": b"1"}))
        await world.client.update(Secret(metadata=meta("other"), data={"a": b"2"}))
        await world.client.update(Secret(metadata=meta("app"), data={"a": b"3"}))
        seen: list[tuple[str, str, bytes]] = []
        watching: Any = world.client.watch(Secret, which, version=listing.version, bookmarks=False)
        async with asyncio.timeout(30), aclosing(watching) as batches:
            async for batch in batches:
                seen += [(e.type, e.object.metadata.name, e.object.data["a"]) for e in batch]
                if len(seen) >= 2:
                    break
        assert seen == [("ADDED", "app", b"1"), ("MODIFIED", "app", b"3")]

    run(scenario)


def test_secrets_are_selected_by_type(run: Run) -> None:
    async def scenario(world: World) -> None:
        await world.client.create(Secret(metadata=meta("a")))
        await world.client.create(Secret(metadata=meta("b"), type="example.com/own"))
        found = await world.client.list(Secret, Selection(fields="type=example.com/own"))
        assert [each.metadata.name for each in found.items] == ["b"]

    run(scenario)
