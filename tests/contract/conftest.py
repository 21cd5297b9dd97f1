"""The store's implementations, for the suites that must hold for every one of them."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

import pytest

from control_plane.secrets.store import EncryptedStore
from control_plane.store.contract import Store
from control_plane.store.open import open_store
from tests.encryption import ring
from tests.etcd_server import EtcdServers

Scenario = Callable[[Store], Coroutine[None, None, None]]
Run = Callable[[Scenario], None]


@pytest.fixture(scope="session")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServers]:
    """One etcd for all tests of a session."""
    with EtcdServers.started(tmp_path_factory.mktemp("etcd")) as servers:
        yield servers


@pytest.fixture(params=["memory", "sqlite", pytest.param("etcd", marks=pytest.mark.etcd)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty store is; each test has each kind."""
    if request.param == "memory":
        return "memory://"
    if request.param == "sqlite":
        return f"sqlite://{tmp_path}/store.db"
    servers: EtcdServers = request.getfixturevalue("etcd")
    servers.delete_everything()
    return servers.url


@pytest.fixture(params=["plain", "encrypted"])
def run(request: pytest.FixtureRequest, store_url: str) -> Run:
    """Runs a scenario on a store of its own, then sees that nothing is left of it."""

    async def whole(scenario: Scenario) -> None:
        store = await open_store(store_url)
        if request.param == "encrypted":
            store = EncryptedStore(store, ring())
        try:
            async with asyncio.timeout(120):
                await scenario(store)
        finally:
            await store.close()
        async with asyncio.timeout(10):
            while asyncio.all_tasks() - {asyncio.current_task()}:  # noqa: ASYNC110
                await asyncio.sleep(0.01)  # a task that was told to end needs its turn to do so

    def run_it(scenario: Scenario) -> None:
        asyncio.run(whole(scenario))
        assert store_threads() == []

    return run_it


def store_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("store-")]
