"""What encryption at rest costs: sealing and opening alone, and a whole store with it beside one without."""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from control_plane.secrets.configuration import Configuration, Key, Rule
from control_plane.secrets.ring import Ring
from control_plane.secrets.store import EncryptedStore
from control_plane.store.contract import Store
from control_plane.store.open import open_store

SIZE = 1024  # bytes of a value
OBJECTS, ROUNDS = 500, 7
PLACE = "/registry/secrets/bench/"


@dataclass(frozen=True)
class Cost:
    what: str
    plain: float  # microseconds
    encrypted: float

    @property
    def ratio(self) -> float:
        return self.encrypted / self.plain


def ring(provider: str) -> Ring:
    return Ring(Configuration((Rule(("secrets",), (Key(provider, "bench", os.urandom(32)),)),)))


def alone(provider: str, *, rounds: int) -> tuple[float, float]:
    """Microseconds for sealing and for opening one value."""
    keys, value, place = ring(provider), os.urandom(SIZE), PLACE + "one"
    sealed = keys.seal(place, value)
    return (
        _each(lambda: keys.seal(place, value), rounds),
        _each(lambda: keys.open(place, sealed), rounds),
    )


def _each(call: Callable[[], object], rounds: int) -> float:
    best = float("inf")
    for _ in range(rounds):
        begun = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - begun)
    return best * 1e6


def store() -> Iterator[Cost]:
    """The same work on SQLite, without and with."""
    plain, encrypted = asyncio.run(_both())
    for what, took in plain.items():
        yield Cost(what, took, encrypted[what])


async def _both() -> tuple[dict[str, float], dict[str, float]]:
    with tempfile.TemporaryDirectory() as folder:
        stores = [
            await open_store(f"sqlite://{Path(folder, name)}") for name in ("plain", "sealed")
        ]
        plain, encrypted = stores[0], EncryptedStore(stores[1], ring("aesgcm"))
        try:
            # In turn, and the best of several: others use the machine, too.
            runs = [(await _work(plain), await _work(encrypted)) for _ in range(ROUNDS)]
            return _best([run[0] for run in runs]), _best([run[1] for run in runs])
        finally:
            for each in stores:
                await each.close()


def _best(runs: list[dict[str, float]]) -> dict[str, float]:
    return {what: min(run[what] for run in runs) for what in runs[0]}


async def _work(subject: Store) -> dict[str, float]:
    value, took = os.urandom(SIZE), {}
    names = [f"{PLACE}{number}" for number in range(OBJECTS)]

    async def one_by_one() -> None:
        for name in names[:100]:
            await subject.txn({}, {name: value})

    async def together() -> None:
        await asyncio.gather(*(subject.txn({}, {name: value}) for name in names))

    async def gets() -> None:
        for name in names:
            await subject.get(name)

    async def lists() -> None:
        await subject.list(PLACE)

    works = (
        ("write, one at a time", one_by_one, 100),
        ("write, 500 at once", together, OBJECTS),
        ("get", gets, OBJECTS),
        ("list, each of 500 items", lists, OBJECTS),
    )
    for what, work, count in works:
        begun = time.perf_counter()
        await work()
        took[what] = (time.perf_counter() - begun) / count * 1e6
    return took
