"""kill -9 at any moment: every Service holds its address and its ports, and nothing is held by a Service that is gone."""

import asyncio
import random
import signal
import subprocess
import sys
from pathlib import Path

from control_plane.apiserver.allocation.claims import ROOT, claims
from control_plane.apiserver.allocation.repair import repair
from control_plane.store.open import open_store
from proto.v1.network_pb2 import Service

ROUNDS = 6
CHILD = """
import asyncio, itertools, os, random, sys
from api.errors import ApiError
from control_plane.apiserver.allocation.ranges import Ranges, read_network, read_ports
from control_plane.apiserver.server import ApiServer
from control_plane.store.open import open_store
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.network_pb2 import Service

async def write(client, worker, chance):
    name = f"s{worker}"
    made = Service(metadata=ObjectMeta(name=name, namespace="default"))
    made.spec.ports.add(port=80)
    while True:
        await client.create(made)
        for type in chance.choices(("NodePort", "LoadBalancer", "ClusterIP"), k=3):
            await client.patch(Service, name, "default", {"spec": {"type": type}}, patch_type="merge")
            os.write(1, b".\\n")
        await client.delete(Service, name, "default")

async def main(url, seed):
    ranges = Ranges(read_network("10.96.0.0/27"), read_ports("30000-30031"))
    server = ApiServer(await open_store(url), ranges=ranges)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.run())
        await server.prepare()
        for service in (await server.client.list(Service)).items:
            await server.client.delete(Service, service.metadata.name, "default")
        for worker in range(8):
            tasks.create_task(write(server.client, worker, random.Random(int(seed) + worker)))

asyncio.run(main(*sys.argv[1:]))
"""


def crash(url: str, seed: int, lines: int) -> None:
    """Let a child write, and kill it after so many of its writes."""
    command = [sys.executable, "-c", CHILD, url, str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout
        for number, _ in enumerate(child.stdout):
            if number == lines:
                child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL, f"the child failed (seed {seed})"


async def examine(url: str) -> int:
    """How many claims there are; there is nothing to repair."""
    store = await open_store(url)
    try:
        services = [
            Service.FromString(item.value)
            for item in (await store.list("/registry/services/")).items
        ]
        held = [key for service in services for key in claims(service)]
        assert len(held) == len(set(held)), "two services hold the same"
        assert {item.key for item in (await store.list(ROOT)).items} == set(held)
        assert await repair(store) == 0
        return len(held)
    finally:
        await store.close()


def test_no_claim_is_lost_and_none_is_left_behind(tmp_path: Path) -> None:
    url, chance, seen = f"sqlite://{tmp_path}/store.db", random.Random(7), 0
    for seed in range(ROUNDS):
        crash(url, seed, chance.randrange(10, 200))
        seen += asyncio.run(examine(url))
    assert seen, "some of them were killed while they held something"
