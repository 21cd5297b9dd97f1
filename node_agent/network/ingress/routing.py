"""From Ingresses to a routing table. Pure.

Of several hosts that fit a request, the exact one goes before the wildcard, and this before "every host"; a host whose
paths do not fit gives way to the next. Of the paths of a host, an exact one goes before prefixes, and of these the
longest wins. The default backend of an ingress is the prefix "/" of its hosts (of every host, if it has no rules), and
gives way to any rule that says the same. Where two ingresses want the same, the older one has it: nobody takes away
what somebody else has got. https://kubernetes.io/docs/concepts/services-networking/ingress/ (S#90)
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from api import services
from node_agent.network.ingress.model import (
    Address,
    Backend,
    Certificate,
    Problem,
    Routing,
    Site,
    Target,
)
from proto.v1.network_pb2 import HTTPIngressPath, Ingress, IngressBackend, IngressTLS, Service

# Whether who comes by HTTP to a host with a certificate is sent to HTTPS: "false" switches it off. The second name is
# what most people's manifests have.
REDIRECT = ("ingress.helmling.dev/ssl-redirect", "nginx.ingress.kubernetes.io/ssl-redirect")
# No request has such a path, so no route can be meant by it.
_IMPOSSIBLE = re.compile(r"[^!-~]|[?#]")


@dataclass(frozen=True)
class Found:
    """What is behind the name of a Secret: perhaps a certificate, perhaps trouble, perhaps both."""

    certificate: Certificate | None
    trouble: str = ""  # a reason in CamelCase
    words: str = ""


# Looks behind the namespace and name of a Secret.
Find = Callable[[str, str], Found]


def routing(
    ingresses: Iterable[Ingress], services_by_key: Mapping[str, Service], find: Find
) -> tuple[Routing, list[Problem]]:
    """What holds for these ingresses, all of which are ours, and what is wrong with them."""
    table = _Table(services_by_key, find)
    oldest_first = sorted(ingresses, key=_age)
    for ingress in oldest_first:
        table.add_certificates(ingress)
    for ingress in oldest_first:
        table.add_rules(ingress)
    for ingress in oldest_first:
        table.add_default(ingress)
    return table.finished(), table.problems


def _age(ingress: Ingress) -> tuple[int, int, str, str]:
    meta = ingress.metadata
    born = meta.creationTimestamp
    return born.seconds, born.nanos, meta.namespace, meta.name


@dataclass
class _Paths:
    exact: dict[str, Target] = field(default_factory=dict)
    below: dict[str, Target] = field(default_factory=dict)


class _Table:
    """What has been decided so far. Who comes first has it."""

    def __init__(self, services_by_key: Mapping[str, Service], find: Find) -> None:
        self._services, self._find = services_by_key, find
        self._sites: dict[str, _Paths] = {}
        self._backends: dict[Backend, Address | None] = {}
        self._certificates: dict[str, Certificate] = {}
        self.problems: list[Problem] = []

    def finished(self) -> Routing:
        sites = {host: Site(paths.exact, paths.below) for host, paths in self._sites.items()}
        return Routing(sites, self._certificates, self._backends)

    def add_certificates(self, ingress: Ingress) -> None:
        for tls in ingress.spec.tls:
            if not tls.secretName:
                continue  # the proxy's own will do
            found = self._find(ingress.metadata.namespace, tls.secretName)
            if found.trouble:
                self._tell(ingress, found.trouble, _about(tls, found))
            if found.certificate is not None:
                for host in tls.hosts or found.certificate.names:
                    self._certificates.setdefault(host.lower(), found.certificate)

    def add_rules(self, ingress: Ingress) -> None:
        for rule in ingress.spec.rules:
            paths = self._sites.setdefault(rule.host, _Paths())
            to_https = redirects(ingress, rule.host)
            for path in rule.http.paths:
                self._add_path(ingress, paths, path, to_https)

    def _add_path(
        self, ingress: Ingress, paths: _Paths, path: HTTPIngressPath, to_https: bool
    ) -> None:
        if _IMPOSSIBLE.search(path.path):
            told = f'no request can have the path "{path.path}": it is left out'
            self._tell(ingress, "PathNotServed", told)
            return
        target = Target(self._backend(ingress, path.backend), to_https)
        if path.pathType == "Exact":
            paths.exact.setdefault(path.path, target)
        else:
            paths.below.setdefault(path.path.rstrip("/"), target)

    def add_default(self, ingress: Ingress) -> None:
        if not ingress.spec.HasField("defaultBackend"):
            return
        backend = self._backend(ingress, ingress.spec.defaultBackend)
        for host in {rule.host for rule in ingress.spec.rules} or {""}:
            target = Target(backend, redirects(ingress, host))
            self._sites.setdefault(host, _Paths()).below.setdefault("", target)

    def _backend(self, ingress: Ingress, wanted: IngressBackend) -> Backend | None:
        found = _backend(ingress.metadata.namespace, wanted, self._services)
        if not isinstance(found, str):
            self._backends[found[0]] = found[1]
            return found[0]
        self._tell(ingress, "BackendNotServed", f"{found}; requests for it are answered with 503")
        return None

    def _tell(self, ingress: Ingress, reason: str, message: str) -> None:
        problem = Problem(ingress, reason, message)
        if problem not in self.problems:
            self.problems.append(problem)


def _about(tls: IngressTLS, found: Found) -> str:
    told = f'the Secret "{tls.secretName}": {found.words}'
    if found.certificate is not None:
        return told
    hosts = ", ".join(tls.hosts) or "its hosts"
    return f"{told}; until then clients of {hosts} are shown the proxy's own certificate"


def redirects(ingress: Ingress, host: str) -> bool:
    """Whether requests for this host of its rules belong to HTTPS."""
    annotations = ingress.metadata.annotations
    said = next((annotations[name] for name in REDIRECT if name in annotations), "")
    if said.lower() == "false":
        return False
    return any(not tls.hosts or _covers(tls.hosts, host) for tls in ingress.spec.tls)


def _covers(hosts: Iterable[str], host: str) -> bool:
    parent = "*." + host.partition(".")[2]
    return any(each in (host, parent) for each in hosts)


def _backend(
    namespace: str, wanted: IngressBackend, found: Mapping[str, Service]
) -> tuple[Backend, Address | None] | str:
    """The backend and its service's address, or in words why it cannot be served."""
    if not wanted.HasField("service"):
        return f'the backend {wanted.resource.kind} "{wanted.resource.name}" is not a service'
    name, port = wanted.service.name, wanted.service.port
    service = found.get(f"{namespace}/{name}")
    if service is None:
        return f'the service "{name}" does not exist'
    if not services.has_address(service.spec):
        return f'the service "{name}" is of the type ExternalName, which is not led to from outside'
    for each in service.spec.ports:
        if each.protocol in ("", "TCP") and (each.name if port.name else each.port) == (
            port.name or port.number
        ):
            virtual = services.virtual_address(service.spec)
            address = Address(virtual, each.port) if virtual else None
            return Backend(namespace, name, each.name), address
    there = ", ".join(_ports(service)) or "none"
    return f'the service "{name}" has no TCP port {port.name or port.number}; it has {there}'


def _ports(service: Service) -> Iterator[str]:
    for each in service.spec.ports:
        yield f"{each.port} ({each.name})" if each.name else str(each.port)
