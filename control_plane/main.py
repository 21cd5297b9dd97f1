"""The control plane, put together: store, API server, controllers, in one process. Read this to see what there is.

    store ── compactor
      └─ encryption at rest ── the keeper of its keys
      └─ API server ── listens for clients and agents
           └─ client of the same process ── informers ── controllers

Everything runs in one task group: if a part fails in a way nobody foresaw, all of it ends and says so, instead of
going on with a part missing. On SIGTERM watchers are sent away first, so that they find the next server.
"""

import asyncio
import gc
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import uvloop

from api.client import Client
from api.informer import Informers
from api.recorder import Recorder
from control_plane.apiserver.server import ApiServer
from control_plane.controllers import events, garbage, namespace, podgc
from control_plane.controllers.cronjob import main as cronjob
from control_plane.controllers.daemonset import main as daemonset
from control_plane.controllers.deployment import main as deployment
from control_plane.controllers.disruption import main as disruption
from control_plane.controllers.hpa import main as hpa
from control_plane.controllers.job import main as job
from control_plane.controllers.nodelifecycle import main as nodelifecycle
from control_plane.controllers.nodelifecycle.times import KUBERNETES, Times
from control_plane.controllers.replicaset import main as replicaset
from control_plane.controllers.statefulset import main as statefulset
from control_plane.controllers.tainteviction import main as tainteviction
from control_plane.scheduler import main as scheduler
from control_plane.secrets import keeper
from control_plane.secrets.keeper import Keeper
from control_plane.secrets.service import Encryption
from control_plane.store import compactor
from control_plane.store.contract import Store
from control_plane.store.open import open_store

log = logging.getLogger(__name__)

ADMIN_CONF = "admin.conf"

# A loop that lives in the control plane. It sees the world through the client and the shared informers alone.
Part = Callable[[Client, Informers], Awaitable[None]]


async def _forget_events(client: Client, _: Informers) -> None:
    await events.run(client)


async def _schedule(client: Client, informers: Informers, recorder: Recorder) -> None:
    await scheduler.run(client, recorder=recorder, informers=informers)


def _recorded(component: str, run: Callable[..., Awaitable[None]]) -> Part:
    """A controller that tells what it does in events, in the name of this component."""

    async def part(client: Client, informers: Informers) -> None:
        recorder = Recorder(client, component)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(recorder.run())
            await run(client, informers, recorder)

    return part


PARTS: tuple[Part, ...] = (
    namespace.run,
    _forget_events,
    _recorded("default-scheduler", _schedule),
    _recorded("replicaset-controller", replicaset.run),
    _recorded("deployment-controller", deployment.run),
    _recorded("statefulset-controller", statefulset.run),
    _recorded("daemonset-controller", daemonset.run),
    _recorded("job-controller", job.run),
    _recorded("cronjob-controller", cronjob.run),
    _recorded("horizontal-pod-autoscaler", hpa.run),
    _recorded("garbage-collector-controller", garbage.run),
    _recorded("disruption-controller", disruption.run),
)


@dataclass(frozen=True)
class NodeOptions:
    """What becomes of nodes that fail, and of their pods."""

    times: Times = KUBERNETES
    kept_pods: int = podgc.KEPT  # that have ended

    def parts(self) -> tuple[Part, ...]:
        return (
            _recorded("node-controller", partial(nodelifecycle.run, times=self.times)),
            _recorded("taint-eviction-controller", tainteviction.run),
            partial(podgc.run, kept=self.kept_pods),
        )


@dataclass(frozen=True)
class EncryptionOptions:
    """How what is stored is encrypted: control_plane/secrets."""

    file: Path | None = None  # None: one of our own, in the data directory
    accept_lost: bool = False  # begin with new keys though there are objects under old ones


@dataclass(frozen=True)
class Options:
    data_dir: Path = Path("/var/lib/helmling")
    store: str = ""  # a URL (store/open.py); empty: a SQLite file in data_dir
    host: str = "127.0.0.1"  # until there are certificates, nothing else is safe
    port: int = 6440  # 0: any
    parts: tuple[Part, ...] = PARTS
    nodes: NodeOptions = NodeOptions()
    encryption: EncryptionOptions = EncryptionOptions()
    ready: Callable[[str], None] | None = None  # told the address when clients can come

    @property
    def store_url(self) -> str:
        return self.store or f"sqlite://{self.data_dir.absolute()}/store.db"


def run(options: Options) -> None:
    """`serve` on uvloop, which saves a fifth of what a call costs (docs/adr/0007-uvloop-for-the-server.md)."""
    uvloop.run(serve(options))


async def serve(options: Options) -> None:
    """Run until SIGTERM or SIGINT, or until cancelled. Raises CannotOpen (the store), CannotListen (the address)."""
    options.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    _collect_garbage_rarely()
    with _told_to_stop() as stop:
        store = await open_store(options.store_url)
        try:
            keys = await _keeper(store, options)
            async with asyncio.TaskGroup() as tasks:
                server = ApiServer(keys.store, services=[Encryption(keys)])
                running = [
                    tasks.create_task(compactor.run(store)),
                    tasks.create_task(keys.follow()),
                    tasks.create_task(server.run()),
                ]
                await _serve(server, options, stop)
                for task in running:
                    task.cancel()
        finally:
            await store.close()
    log.info("stopped")


async def _keeper(store: Store, options: Options) -> Keeper:
    """Of the keys that the store is encrypted with."""
    given = options.encryption.file
    return await Keeper.open(
        store,
        given or options.data_dir / keeper.FILE,
        given=given is not None,
        accept_lost=options.encryption.accept_lost,
    )


def _collect_garbage_rarely() -> None:
    """The caches hold a great many objects that are no garbage: looking through all of them again and again costs
    more than what is found. What forms cycles here is small and rare."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def _serve(server: ApiServer, options: Options, stop: asyncio.Event) -> None:
    await server.prepare()
    informers = Informers(server.client)
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(server.listening(f"{options.host}:{options.port}"))
        parts = await stack.enter_async_context(asyncio.TaskGroup())
        running = [
            parts.create_task(_run(part, server.client, informers))
            for part in (*options.parts, *options.nodes.parts())
        ]
        running.append(parts.create_task(informers.run()))
        address = f"{options.host}:{port}"
        write_admin_conf(options.data_dir / ADMIN_CONF, address)
        log.info("ready address=%s store=%s cluster=%s", address, options.store_url, server.cluster)
        if options.ready:
            options.ready(address)
        await stop.wait()
        log.info("stopping")
        for task in running:
            task.cancel()


async def _run(part: Part, client: Client, informers: Informers) -> None:
    await part(client, informers)


@contextmanager
def _told_to_stop() -> Iterator[asyncio.Event]:
    """An event that is set when somebody asks the process to end."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread hears signals; others are cancelled
        return
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def write_admin_conf(path: Path, address: str) -> None:
    """The kubeconfig of the cluster's administrator, replaced at once and readable by its owner only.

    JSON is YAML, and a client can read it without importing a YAML parser.
    """
    context = {"cluster": "helmling", "user": "admin", "namespace": "default"}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "helmling", "cluster": {"server": f"http://{address}"}}],
        "users": [{"name": "admin", "user": {}}],
        "contexts": [{"name": "helmling", "context": context}],
        "current-context": "helmling",
    }
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
    scratch.replace(path)


def log_to_stderr(level: str = "info") -> None:
    """Events with keys, one per line. Levels: debug, info, warning, error."""
    logging.basicConfig(
        stream=sys.stderr,
        level=level.upper(),
        format="time=%(asctime)s level=%(levelname)s from=%(name)s event=%(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )
