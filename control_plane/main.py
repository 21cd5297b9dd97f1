"""The control plane, put together: store, API server, controllers, in one process. Read this to see what there is.

    store ── compactor
      └─ encryption at rest ── the keeper of its keys
      └─ API server ── listens for clients and agents, and shows the certificates that the keeper looks after
           └─ client of the same process ── informers ── controllers

Everything runs in one task group: if a part fails in a way nobody foresaw, all of it ends and says so, instead of
going on with a part missing. On SIGTERM watchers are sent away first, so that they find the next server.
"""

import asyncio
import logging
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import uvloop

from api.client import Client
from api.heap import settle
from api.informer import Informers
from api.recorder import Recorder
from control_plane.apiserver.allocation.ranges import DEFAULT, Ranges
from control_plane.apiserver.defaults import KUBERNETES as STAY
from control_plane.apiserver.defaults import Tolerance
from control_plane.apiserver.server import ApiServer, CannotListen, Door
from control_plane.audit import options as auditing
from control_plane.controllers import (
    aggregation,
    events,
    everywhere,
    garbage,
    ingressstatus,
    jointokens,
    namespace,
    podgc,
    quota,
    wellknown,
)
from control_plane.controllers.certificates import main as certificates
from control_plane.controllers.configrollout import main as configrollout
from control_plane.controllers.cronjob import main as cronjob
from control_plane.controllers.daemonset import main as daemonset
from control_plane.controllers.deployment import main as deployment
from control_plane.controllers.disruption import main as disruption
from control_plane.controllers.endpointslice import main as endpointslice
from control_plane.controllers.hpa import main as hpa
from control_plane.controllers.job import main as job
from control_plane.controllers.networkpolicy import main as networkpolicy
from control_plane.controllers.nodeipam import main as nodeipam
from control_plane.controllers.nodeipam.allocation import Parts
from control_plane.controllers.nodelifecycle import main as nodelifecycle
from control_plane.controllers.nodelifecycle.times import KUBERNETES, Times
from control_plane.controllers.replicaset import main as replicaset
from control_plane.controllers.statefulset import main as statefulset
from control_plane.controllers.tainteviction import main as tainteviction
from control_plane.gateway import listener
from control_plane.pki.adminconf import write_admin_conf
from control_plane.pki.authority import LIFE
from control_plane.pki.jointokens import JoinTokens
from control_plane.pki.keeper import CannotTrust, Keeper
from control_plane.pki.serviceaccounts import AccountTokens, Key
from control_plane.scheduler import main as scheduler
from control_plane.secrets.keeper import KeyKeeper
from control_plane.secrets.service import Encryption
from control_plane.store import compactor
from control_plane.store.contract import Store
from control_plane.store.open import open_store

log = logging.getLogger(__name__)

AUDIT = auditing.Options()
ADMIN_CONF = "admin.conf"
# Seconds from SIGTERM until the kernel ends us (SIGALRM), whatever hangs: grpc was once seen to lock itself out in its
# own shutdown. What was acknowledged is in the store at any moment.
ENDING = 30
ENCRYPTION = "encryption.yaml"  # what is encrypted at rest, and the keys
HTTP_PORT = 6443  # Kubernetes' own
PKI = "pki"  # the folder of certificates
LOCALHOST, EVERYWHERE = "127.0.0.1", ("0.0.0.0", "[::]")

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
    quota.run,
    everywhere.accounts,
    aggregation.run,
    jointokens.run,
    ingressstatus.run,
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
    _recorded("endpoint-slice-controller", endpointslice.run),
    networkpolicy.run,
    _recorded("disruption-controller", disruption.run),
    _recorded("config-rollout-controller", configrollout.run),
)


@dataclass(frozen=True)
class NodeOptions:
    """What becomes of nodes that fail, and of their pods."""

    times: Times = KUBERNETES
    kept_pods: int = podgc.KEPT  # that have ended
    tolerance: Tolerance = STAY
    ranges: Parts = nodeipam.WHOLE  # of the pods' addresses

    def parts(self) -> tuple[Part, ...]:
        return (
            _recorded("node-controller", partial(nodelifecycle.run, times=self.times)),
            _recorded("node-ipam-controller", partial(nodeipam.run, parts=self.ranges)),
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
    host: str = "127.0.0.1"  # where to listen; 0.0.0.0: everywhere
    port: int = 6440  # for client certificates; 0: any
    token_port: int = 6441  # for bearer tokens; 0: any
    http_port: int | None = (
        None  # for kubectl, with either; 0: any; None: 6443, or any if `port` is any
    )
    advertise: str = ""  # how others reach this machine; empty: the host
    cluster_domain: str = "cluster.local"  # how the names of Services end
    names: tuple[str, ...] = ()  # further names and addresses for the server's certificate
    certificate_life: timedelta = LIFE  # of what the server signs for itself and for nodes
    parts: tuple[Part, ...] = PARTS
    mount_tokens: bool = True  # new pods get tokens of their ServiceAccounts
    nodes: NodeOptions = NodeOptions()
    ranges: Ranges = DEFAULT  # the addresses and node ports of Services
    encryption: EncryptionOptions = EncryptionOptions()
    audit: auditing.Options = AUDIT  # who did what
    ready: Callable[[str], None] | None = None  # told the address when clients can come

    @property
    def advertised(self) -> str:
        """What a client on this machine or another is to be told."""
        return self.advertise or (LOCALHOST if self.host in EVERYWHERE else self.host)

    @property
    def gateway_port(self) -> int:
        if self.http_port is not None:
            return self.http_port
        return HTTP_PORT if self.port else 0

    @property
    def store_url(self) -> str:
        return self.store or f"sqlite://{self.data_dir.absolute()}/store.db"


def run(options: Options) -> None:
    """`serve` on uvloop, which saves a fifth of what a call costs (docs/adr/0007-uvloop-for-the-server.md)."""
    uvloop.run(serve(options))


async def serve(options: Options) -> None:
    """Run until SIGTERM or SIGINT, or until cancelled.

    Raises CannotOpen (the store), CannotListen (the address), CannotTrust (the authority's files).
    """
    options.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    settle()
    with _told_to_stop() as stop:
        store = await open_store(options.store_url)
        try:
            keys = await _keys(store, options)
            async with asyncio.TaskGroup() as tasks:
                server = ApiServer(
                    keys.store,
                    tolerance=options.nodes.tolerance,
                    services=[Encryption(keys)],
                    ranges=options.ranges,
                    mount_tokens=options.mount_tokens,
                )
                running = [
                    tasks.create_task(compactor.run(store)),
                    tasks.create_task(keys.follow()),
                    tasks.create_task(server.run()),
                ]
                await _serve(server, options, stop)
                for task in running:
                    task.cancel()
        except* (CannotListen, CannotTrust, auditing.CannotLog) as refused:
            raise first_of(refused) from None
        finally:
            await store.close()
    log.info("stopped")


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What went wrong, out of what a task group wrapped around it."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _keys(store: Store, options: Options) -> KeyKeeper:
    """Of the keys that the store is encrypted with."""
    given = options.encryption.file
    return await KeyKeeper.open(
        store,
        given or options.data_dir / ENCRYPTION,
        given=given is not None,
        accept_lost=options.encryption.accept_lost,
        shared=options.store.startswith("etcd:"),
    )


async def _serve(server: ApiServer, options: Options, stop: asyncio.Event) -> None:
    keeper = Keeper(options.data_dir / PKI, _names(options), options.certificate_life)
    trail = auditing.begun(options.data_dir, options.audit)
    await server.prepare()
    informers = Informers(server.client)
    accounts = AccountTokens(Key.of(options.data_dir / PKI), server.client)
    async with AsyncExitStack() as stack:
        stack.callback(trail.close)
        gateway = stack.enter_context(listener.bind(options.host, options.gateway_port))
        ports = await stack.enter_async_context(
            server.listening(
                *_doors(options, keeper),
                to_agents=keeper.to_agents,
                tokens=[JoinTokens(server.client), accounts],
                accounts=accounts,
                trail=trail,
            )
        )
        server.about.port, server.about.token_port = ports
        address = f"{options.advertised}:{ports[0]}"
        tls = listener.Certificates(keeper.shown, keeper.believed)
        http = f"{options.advertised}:{gateway.getsockname()[1]}"

        def tell_admin() -> None:
            tls.renew()
            write_admin_conf(options.data_dir / ADMIN_CONF, address, keeper.admin, http=http)

        tell_admin()
        parts = await stack.enter_async_context(asyncio.TaskGroup())
        wanted = (*options.parts, *options.nodes.parts(), *_trusted(keeper, options))
        running = [
            parts.create_task(_run(part, server.client, informers))
            for part in (*wanted, _well_known(options, ports[1]))
        ]
        running.append(parts.create_task(informers.run()))
        assert server.offer is not None
        running.append(parts.create_task(listener.serve(gateway, tls.context, server.offer)))
        running.append(parts.create_task(keeper.run(tell_admin)))
        cluster = server.about.cluster
        log.info("ready address=%s store=%s cluster=%s", address, options.store_url, cluster)
        if options.ready:
            options.ready(address)
        await stop.wait()
        log.info("stopping")
        for task in running:
            task.cancel()


def _trusted(keeper: Keeper, options: Options) -> tuple[Part, Part]:
    """The one controller that holds the authority's key, and the one that tells everybody its certificate."""

    async def signer(client: Client, informers: Informers) -> None:
        await certificates.run(client, informers, keeper.authority, options.certificate_life)

    async def publisher(client: Client, informers: Informers) -> None:
        await everywhere.authorities(client, informers, keeper.authority.pem.decode())

    return signer, publisher


def _well_known(options: Options, token_port: int) -> Part:
    """Where programs in pods find this server."""
    here = wellknown.Here(options.ranges.services, options.advertised, token_port)
    return partial(wellknown.run, here=here)


def _names(options: Options) -> list[str]:
    """Under which others may look for this server; programs in pods by the Service `kubernetes`."""
    service = (str(options.ranges.services[1]), *wellknown.names(options.cluster_domain))
    given = (options.host, options.advertise, socket.gethostname(), *options.names, *service)
    return [name.strip("[]") for name in given if name and name not in EVERYWHERE]


def _doors(options: Options, keeper: Keeper) -> tuple[Door, Door]:
    """One port for certificates and one for tokens (docs/adr/0010-two-ports-and-join-tokens.md)."""
    return (
        Door(f"{options.host}:{options.port}", keeper.door(certificates=True)),
        Door(f"{options.host}:{options.token_port}", keeper.door(certificates=False)),
    )


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

    def told() -> None:
        stop.set()
        signal.alarm(ENDING)

    for number in signals:
        loop.add_signal_handler(number, told)
    try:
        yield stop
    finally:
        signal.alarm(0)
        for number in signals:
            loop.remove_signal_handler(number)


def log_to_stderr(level: str = "info") -> None:
    """Events with keys, one per line. Levels: debug, info, warning, error."""
    logging.basicConfig(
        stream=sys.stderr,
        level=level.upper(),
        format="time=%(asctime)s level=%(levelname)s from=%(name)s event=%(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )
