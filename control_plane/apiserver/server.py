"""The API server, put together: store → watch cache → registry and reads → clients inside and outside the process."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import grpc.aio

from api import rpc
from api.errors import AlreadyExists, Unavailable
from api.grpc_server import Admit, Context, Verb
from api.kinds import Kind
from control_plane.apiserver.admission import SYSTEM_NAMESPACES, Admission
from control_plane.apiserver.allocation.allocator import Allocator
from control_plane.apiserver.allocation.ranges import DEFAULT, Ranges
from control_plane.apiserver.allocation.repair import repair
from control_plane.apiserver.authentication import Authentication, TokenAuthenticator
from control_plane.apiserver.authorization import defaults, ingresses
from control_plane.apiserver.authorization.authorizer import Authorizer
from control_plane.apiserver.authorization.escalation import Escalation
from control_plane.apiserver.authorization.gate import Gate
from control_plane.apiserver.authorization.impersonation import impersonate
from control_plane.apiserver.authorization.ingresses import IngressSecrets
from control_plane.apiserver.authorization.nodes import POD, Nodes
from control_plane.apiserver.authorization.questions import Questions, Tokens
from control_plane.apiserver.authorization.restriction import restrict
from control_plane.apiserver.authorization.reviews import Reviews
from control_plane.apiserver.authorization.roles import KINDS as ROLE_KINDS
from control_plane.apiserver.authorization.roles import Roles
from control_plane.apiserver.defaults import KUBERNETES, Tolerance
from control_plane.apiserver.identity import CALLER, IMPERSONATOR
from control_plane.apiserver.kinds import STRATEGIES
from control_plane.apiserver.local import LocalClient
from control_plane.apiserver.metrics import Metrics
from control_plane.apiserver.reads import Reads
from control_plane.apiserver.registry import Guard, Place, Registry
from control_plane.apiserver.service import About, Resources
from control_plane.apiserver.strategy import Strategy
from control_plane.apiserver.streams import AgentCredentials, Streams
from control_plane.apiserver.trail import Trail
from control_plane.apiserver.watchcache import WatchCache
from control_plane.store.contract import Store
from proto.v1.cluster_pb2 import Namespace
from proto.v1.meta_pb2 import ObjectMeta

UNLOGGED = Trail()  # no audit log
STOP = 2.0  # seconds that requests on their way get when the server stops


class CannotListen(Exception):
    """The address is taken, or not ours; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Door:
    """A port, and what is shown and asked for at it: control_plane/pki/keeper.py makes the credentials."""

    address: str  # "127.0.0.1:6440"; port 0: any
    credentials: grpc.ServerCredentials


class Service(Protocol):
    """One service of proto/v1/service.proto."""

    def handler(self, admit: Admit, trail: Trail) -> grpc.GenericRpcHandler: ...


@dataclass(frozen=True, slots=True)
class Offer:
    """What a dialect besides gRPC is made of: the same verbs, behind the same gate and trail."""

    admit: Admit  # finds out who asks
    resources: Mapping[str, Verb]  # Resources.plain
    streams: Mapping[str, Verb]  # Streams.plain
    gate: Gate
    trail: Trail
    about: About
    reads: Reads


class ApiServer:
    """`run` must be running for anything to be read; `listening` opens it to other processes."""

    def __init__(
        self,
        store: Store,
        strategies: Mapping[Kind, Strategy] = STRATEGIES,
        tolerance: Tolerance = KUBERNETES,
        services: Sequence[Service] = (),
        *,
        ranges: Ranges = DEFAULT,
        mount_tokens: bool = False,
    ) -> None:
        """`services`: what else is offered at the same address. `ranges`: the addresses that Services get.
        `mount_tokens`: new pods get tokens, for which `listening` is given somebody who makes them."""
        self._services = services
        self.cache = WatchCache(store, strategies)
        self._authorizer = authorizer_of(self.cache)
        self.gate = Gate(self._authorizer)
        metrics = Metrics(strategies)
        admission = Admission(store, tolerance, mount_tokens=mount_tokens)
        guard = guards(Escalation(self._authorizer), restrict)
        self._store = store
        allocator = Allocator(store, ranges)
        self._registry = Registry(store, strategies, admission, allocator, metrics, guard)
        self._reads = Reads(store, self.cache, metrics)
        self.client = LocalClient(self._registry, self._reads)
        self.about = About()
        self.offer: Offer | None = None  # while `listening`

    async def run(self) -> None:
        """Follow the store until cancelled."""
        try:
            await self.cache.run()
        finally:
            self.send_away()

    def send_away(self) -> None:
        """End all watches, so that clients connect to the next server and resume where they are."""
        self.cache.end_watches(Unavailable("the server is going down", retry_after=1))
        self._registry.progress.end()

    async def prepare(self) -> None:
        """Make what every cluster has. Raises Unavailable."""
        await repair(self._store)
        for name in SYSTEM_NAMESPACES:
            with suppress(AlreadyExists):
                await self.client.create(Namespace(metadata=ObjectMeta(name=name)))
        await defaults.ensure(self.client)
        await self._reads.caught_up()  # whoever comes first finds the rules in force
        self.about.cluster = (await self.client.get(Namespace, "kube-system")).metadata.uid

    @asynccontextmanager
    async def listening(
        self,
        *doors: Door,
        to_agents: AgentCredentials,
        tokens: Sequence[TokenAuthenticator] = (),
        accounts: Tokens | None = None,
        trail: Trail = UNLOGGED,
    ) -> AsyncIterator[list[int]]:
        """Serve at these doors as long as the block runs; gives their ports. Raises CannotListen.

        `to_agents`: what to show to agents. `tokens`: the kinds of bearer tokens that are known. `accounts`: who
        makes those of ServiceAccounts. `trail`: the audit log; by default there is none.
        """
        server = grpc.aio.server(options=rpc.SERVER_OPTIONS)
        authentication = Authentication(tokens)

        async def admit(context: Context) -> None:
            await authentication.admit(context)
            real = CALLER.get()
            impersonate(self.gate, context)
            IMPERSONATOR.set(real if CALLER.get() is not real else None)

        questions = Questions(Reviews(self._authorizer, authentication.review), accounts)
        resources = Resources(self._registry, self._reads, self.about, self.gate, questions, trail)
        streams = Streams(self.client, to_agents, self.gate, trail)
        watched = trail.admitting(admit)
        others = (service.handler(watched, trail) for service in self._services)
        self.offer = Offer(
            watched, resources.plain(), streams.plain(), self.gate, trail, self.about, self._reads
        )
        server.add_generic_rpc_handlers(
            (resources.handler(watched), streams.handler(watched), *others)
        )
        ports = [_open(server, door) for door in doors]
        await server.start()
        try:
            yield ports
        finally:
            self.offer = None
            self.send_away()  # or they would hold up the server until STOP
            await server.stop(STOP)


def authorizer_of(cache: WatchCache) -> Authorizer:
    """It follows the roles, bindings, pods and ingresses of the cache."""
    rules, certificates = Roles(), IngressSecrets()
    nodes = Nodes(certificates)
    for kind in ROLE_KINDS:
        cache.listen(kind, rules)
    cache.listen(POD, nodes)
    for kind in ingresses.KINDS:
        cache.listen(kind, certificates)
    return Authorizer(rules, nodes)


def guards(*each: Guard) -> Guard:
    """All of them, one after the other."""

    def guard(place: Place, new: Any | None, old: Any | None) -> None:
        for one in each:
            one(place, new, old)

    return guard


def _open(server: grpc.aio.Server, door: Door) -> int:
    try:
        return int(server.add_secure_port(door.address, door.credentials))
    except RuntimeError:
        raise CannotListen(
            f"cannot listen on {door.address}: is another server running there? (choose another port, or stop it)"
        ) from None
