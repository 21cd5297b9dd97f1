"""What the node's HAProxy should serve now, kept up from what the server tells.

Ingresses change rarely and pods all the time. So the routing table is made anew only when an ingress, a class, a
certificate or a service that is named has changed; of everything else only the pods of one service are looked up.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from api import clock, kinds
from api.configrefs import Reference
from api.informer import Informer
from api.ingresses import is_ours, secrets_of
from api.services import SERVICE_NAME
from node_agent.configsource import ConfigSource
from node_agent.network.ingress.certificates import Unusable, certificate, expiry
from node_agent.network.ingress.endpoints import addresses
from node_agent.network.ingress.model import Address, Backend, Certificate, Problem, Routing
from node_agent.network.ingress.routing import Found, routing
from node_agent.pods.facts import ConfigError
from proto.v1.config_pb2 import Secret
from proto.v1.network_pb2 import EndpointSlice, Ingress, IngressClass, Service

WHO = "ingress"  # in whose name Secrets are followed
FIRST_PATIENCE = 10.0  # seconds for the server to tell the Secrets, before anything is changed
EXPIRY = 600.0  # seconds between two looks at whether certificates have expired
PATIENCE = 2.0  # the same when an ingress names a new one: meanwhile nothing else goes on
NOTHING = Routing({}, {}, {})
_INDEX = "service"


@dataclass(frozen=True)
class Sources:
    """What the server tells."""

    ingresses: Informer[Ingress]
    classes: Informer[IngressClass]
    services: Informer[Service]
    slices: Informer[EndpointSlice]
    config: ConfigSource


class Wanted:
    """Owner of what is wanted. `changed` is called when it is worth to `look` again."""

    def __init__(self, sources: Sources, changed: Callable[[], None]) -> None:
        self._sources, self._changed = sources, changed
        self.ingresses: list[Ingress] = []  # ours
        self.routing = NOTHING
        self.pods: dict[Backend, frozenset[Address]] = {}  # of every backend of the routing
        self.problems: list[Problem] = []
        self._stale = True  # the routing is
        self._dirty: set[str] = set()  # keys of services whose pods have changed
        self._named: set[str] = set()  # keys of services that our ingresses name
        self._asked: frozenset[Reference] = frozenset()  # Secrets that were waited for
        self._good: dict[Reference, Certificate] = {}  # as last read of those that are followed
        self._distrusted: dict[str, str] = {}  # digests of certificates, and HAProxy's words
        self._routed_at = 0.0  # loop time

    async def synced(self) -> None:
        """Begin to listen; until the server has told everything once."""
        sources = self._sources
        sources.slices.add_index(_INDEX, service_of)
        sources.ingresses.add_handler(lambda old, new: self.stale())
        sources.classes.add_handler(lambda old, new: self.stale())
        sources.services.add_handler(self._service_changed)
        sources.slices.add_handler(self._slice_changed)
        for each in (sources.ingresses, sources.classes, sources.services, sources.slices):
            await each.wait_synced()

    def stale(self) -> None:
        """The routing is to be made anew."""
        self._stale = True
        self._changed()

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        if any(each is not None and kinds.object_key(each) in self._named for each in (old, new)):
            self.stale()

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        for each in (old, new):
            if each is not None:
                self._dirty.update(service_of(each))
        self._changed()

    def distrust(self, words: str) -> bool:
        """What HAProxy says against its files; whether it is about a certificate, which is then left out."""
        digests = {each.digest for each in self.routing.certificates.values()}
        bad = {digest for digest in digests if digest in words} - self._distrusted.keys()
        self._distrusted.update((digest, words) for digest in bad)
        if bad:
            self.stale()
        return bool(bad)

    async def look(self, now: float) -> None:
        """Bring `ingresses`, `routing`, `pods` and `problems` up to date. Certificates expire: `now` is loop time."""
        dirty, self._dirty = self._dirty, set()
        if self._stale or now - self._routed_at > EXPIRY:
            self._stale, self._routed_at = False, now
            await self._route()
            dirty = {backend.key for backend in self.routing.backends}
        for backend in self.routing.backends:
            if backend.key in dirty:
                slices = self._sources.slices.by_index(_INDEX, backend.key)
                self.pods[backend] = addresses(backend, slices)

    async def _route(self) -> None:
        sources = self._sources
        classes = list(sources.classes.objects.values())
        self.ingresses = [
            each for each in sources.ingresses.objects.values() if is_ours(each, classes)
        ]
        self._named = {key for each in self.ingresses for key in services_of(each)}
        secrets = await self._secrets()
        found = {each: self._certificate(each, secrets) for each in self._asked}

        def find(namespace: str, name: str) -> Found:
            return found[Reference("Secret", namespace, name)]

        self.routing, self.problems = routing(self.ingresses, sources.services.objects, find)
        self.pods = {each: self.pods.get(each, frozenset()) for each in self.routing.backends}

    async def _secrets(self) -> dict[Reference, Secret | None]:
        """All that our ingresses name and the server has told; None: it does not exist."""
        config, named = (
            self._sources.config,
            frozenset(
                Reference("Secret", each.metadata.namespace, name)
                for each in self.ingresses
                for name in secrets_of(each)
            ),
        )
        config.need(WHO, named, self.stale)
        if named - self._asked:
            patience = PATIENCE if self._asked else FIRST_PATIENCE
            with suppress(ConfigError):
                await config.contents(named, patience=patience)
        self._asked = named
        self._good = {each: self._good[each] for each in named if each in self._good}
        told: dict[Reference, Secret | None] = {}
        for each in named:
            with suppress(ConfigError):
                content = (await config.contents(frozenset({each}), patience=0)).get(each)
                told[each] = content if isinstance(content, Secret) else None
        return told

    def _certificate(self, which: Reference, told: dict[Reference, Secret | None]) -> Found:
        """What is not good is not taken: as long as the Secret is there, what was good before is kept."""
        if which not in told:
            words = "the server has not told this node what it holds"
            return Found(self._good.get(which), "SecretNotRead", words)
        secret = told[which]
        if secret is None:
            self._good.pop(which, None)
            return Found(None, "SecretNotFound", "it does not exist")
        try:
            good = certificate(secret)
            if good.digest in self._distrusted:
                raise Unusable(f"HAProxy refuses it: {self._distrusted[good.digest]}")  # noqa: TRY301
            self._good[which] = good
        except Unusable as error:
            before = self._good.get(which)
            if before is not None and before.digest in self._distrusted:
                before = None
            kept = "; the certificate before is kept" if before is not None else ""
            return Found(before, "CertificateNotUsable", f"{error}{kept}")
        ended = expiry(good, clock.now())
        return Found(good, "CertificateExpired" if ended else "", ended)


def service_of(each: EndpointSlice) -> tuple[str, ...]:
    """An index function: the key of the service that the slice is of."""
    name = each.metadata.labels.get(SERVICE_NAME)
    return (f"{each.metadata.namespace}/{name}",) if name else ()


def services_of(ingress: Ingress) -> set[str]:
    """The keys of all services that it names."""
    backends = [path.backend for rule in ingress.spec.rules for path in rule.http.paths]
    backends.append(ingress.spec.defaultBackend)
    names = {each.service.name for each in backends}
    return {f"{ingress.metadata.namespace}/{name}" for name in names if name}
