"""From the routing table to the files that HAProxy reads. Pure.

Which backend a request is for, HAProxy finds in maps: trees in which a lookup takes as long as the name is, however
many hosts there are. A prefix ends with a slash, in the map as in what is looked up, so that /a matches /a and /a/b but
not /ab. There are two sets of maps, because the same path may lead to a pod by HTTPS and to HTTPS by HTTP.

A worker that was replaced still has clients, but nobody can tell it of pods that come and go. So it is put aside: a
word in one of its maps makes it lead requests to the services' own addresses, behind which the kernel finds pods.

A backend has more places for servers than it has pods: a new pod takes a place through HAProxy's console, without a
reload. What does not depend on pods is the structure; between two configurations of one digest no reload is needed.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from node_agent.network.ingress.model import Address, Backend, Routing, Target

CONFIG, OWN = "haproxy.cfg", "own.pem"
FEWEST_PLACES = 4
REDIRECT, MISSING, NOBODY = "redirect", "missing", "nobody"  # no backend's name: they have colons
ASIDE = "aside"
PUT_ASIDE = f"add map {ASIDE}.map {ASIDE} yes"  # a command
MAPS = tuple(f"{scheme}-{way}.map" for scheme in ("http", "https") for way in ("exact", "below"))


@dataclass(frozen=True)
class Setting:
    """What the node's owner decides, and where things are."""

    http: int = 80
    https: int = 443
    address: str = "*"
    user: str = ""  # that HAProxy becomes; empty: it stays who it is
    jail: Path | None = None  # an empty directory that it is locked into then


@dataclass(frozen=True)
class Files:
    """By their names in the folder."""

    digest: str  # of the structure
    contents: Mapping[str, bytes] = field(repr=False)


def places(pods: int, before: int = 0) -> int:
    """How many places a backend has: room for as many again; those it had, as long as half of them can be replaced."""
    wanted = FEWEST_PLACES
    while wanted < pods * 2:
        wanted *= 2
    return before if before >= pods * 3 // 2 and before >= FEWEST_PLACES else max(wanted, before)


def files(
    routing: Routing,
    pods: Mapping[Backend, frozenset[Address]],
    room: Mapping[Backend, int],
    own: bytes,
    setting: Setting,
) -> Files:
    """`room`: the places of each backend. `own`: the proxy's own certificate with its key."""
    contents = {OWN: own, f"{ASIDE}.map": b"", **_maps(routing), **_certificates(routing)}
    empty: Mapping[Backend, frozenset[Address]] = {}
    hashed = hashlib.sha256(_config(routing, empty, room, setting, "").encode())
    for name in sorted(contents):
        hashed.update(name.encode() + b"\0" + contents[name] + b"\0")
    digest = hashed.hexdigest()[:32]
    contents[CONFIG] = _config(routing, pods, room, setting, digest).encode()
    return Files(digest, contents)


def _maps(routing: Routing) -> dict[str, bytes]:
    lines: dict[str, list[str]] = {name: [] for name in MAPS}
    for host, site in sorted(routing.sites.items()):
        for path, target in sorted(site.exact.items()):
            lines["http-exact.map"].append(f"{host}{path} {_first(target)}")
            lines["https-exact.map"].append(f"{host}{path} {_name(target)}")
        for path, target in sorted(site.below.items()):
            lines["http-below.map"].append(f"{host}{path}/ {_first(target)}")
            lines["https-below.map"].append(f"{host}{path}/ {_name(target)}")
    return {name: "".join(f"{line}\n" for line in some).encode() for name, some in lines.items()}


def _first(target: Target) -> str:
    return REDIRECT if target.to_https else _name(target)


def _name(target: Target) -> str:
    return target.backend.name if target.backend is not None else MISSING


def _certificates(routing: Routing) -> dict[str, bytes]:
    """One file for each, and the list that says which name gets which."""
    hosts: dict[str, list[str]] = {}
    for host, each in sorted(routing.certificates.items()):
        hosts.setdefault(each.digest, []).append(host)
    found = {f"{each.digest}.pem": each.pem for each in routing.certificates.values()}
    lines = [f"{digest}.pem {' '.join(names)}" for digest, names in hosts.items()]
    found["certificates.list"] = "".join(f"{line}\n" for line in lines).encode()
    return found


def _config(
    routing: Routing,
    pods: Mapping[Backend, frozenset[Address]],
    room: Mapping[Backend, int],
    setting: Setting,
    digest: str,
) -> str:
    parts = [_global(setting, digest), DEFAULTS, _frontends(setting), LAST]
    for backend in sorted(routing.backends):
        parts.append(f"\nbackend {backend.name}\n")
        parts += _servers(sorted(pods.get(backend, ())), room[backend])
        parts.append(f"\nbackend {backend.name}:{ASIDE}\n  http-reuse never\n")
        virtual = routing.backends[backend]
        behind = sorted(pods.get(backend, ())) if virtual is None else [virtual]
        parts += _servers(behind, len(behind))
    return "".join(parts)


def _servers(pods: Iterable[Address], room: int) -> Iterable[str]:
    taken = list(pods)[:room]
    for number in range(room):
        if number < len(taken):
            yield f"  server s{number} {taken[number].ip}:{taken[number].port}\n"
        else:
            yield f"  server s{number} 0.0.0.0:1 disabled\n"


def _global(setting: Setting, digest: str) -> str:
    """The description is how a running HAProxy tells which structure it has."""
    confined = ""
    if setting.user:
        confined = f"  user {setting.user}\n  group {setting.user}\n  chroot {setting.jail}\n"
    return f"""# Made by the node's agent from Ingresses; what is changed here is lost.
global
  default-path config
  description structure-{digest}
{confined}  noreuseport
  hard-stop-after 1h
  mworker-max-reloads 20
  ssl-default-bind-options ssl-min-ver TLSv1.2
  tune.ssl.default-dh-param 2048
"""


# A request is tried again with another pod when nothing has been sent, and when the pod hung up without a word: then it
# may have been carried out, so only those are repeated that may be (RFC 9110, 9.2.2). A worker that was replaced lets
# idle clients send one more request and then tells them to come again: who closed at once would lose requests that are
# on their way.
DEFAULTS = """
defaults
  mode http
  balance roundrobin
  option redispatch 1
  option idle-close-on-response
  option http-ignore-probes
  retries 3
  retry-on conn-failure empty-response
  timeout connect 2s
  timeout queue 5s
  timeout http-request 10s
  timeout http-keep-alive 60s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
  http-error status 502 content-type text/plain string "502: a pod of this service broke off its answer.\\n"
  http-error status 503 content-type text/plain string "503: no pod of this service is ready.\\n"
  http-error status 504 content-type text/plain string "504: a pod of this service did not answer in time.\\n"
"""
LAST = """
backend nobody
  http-request return status 404 content-type text/plain string "404: no ingress has a rule for this host and path.\\n"

backend missing
  http-request return status 503 content-type text/plain string "503: the service behind this path does not exist.\\n"
"""


def _frontends(setting: Setting) -> str:
    address, port = setting.address, "" if setting.https == 443 else f":{setting.https}"
    certificates = f"crt {OWN} crt-list certificates.list alpn h2,http/1.1"
    secure = f"location https://%[var(txn.host)]{port}%[pathq]"
    return f"""
frontend http
  bind {address}:{setting.http}
{_steps("http", setting.http)}  http-request redirect {secure} code 308 if {{ var(txn.backend) -m str {REDIRECT} }}
{_END}
frontend https
  bind {address}:{setting.https} ssl {certificates}
{_steps("https", setting.https)}{_END}"""


_END = f"""  acl is-aside str({ASIDE}),map_str({ASIDE}.map) -m found
  use_backend %[var(txn.backend),concat(:{ASIDE})] if is-aside {{ var(txn.backend) -m sub : }}
  use_backend %[var(txn.backend)] if {{ var(txn.backend) -m found }}
  default_backend {NOBODY}
"""


def _steps(scheme: str, port: int) -> str:
    """The host before the wildcard before every host; in each, the path itself before what it is below of."""
    lines = [
        "deny deny_status 400 if { req.hdr(host) -m sub / }",  # would be read as part of the path
        "set-var(txn.host) req.hdr(host),host_only,rtrim(.),lower",
        "set-var(txn.host) str() unless { var(txn.host) -m found }",
        "set-var(txn.path) path",
        *_lookups(scheme, "var(txn.host)"),
        *_lookups(scheme, "var(txn.host),regsub(^[^.]+,*)"),
        *_lookups(scheme, "str()"),
        "set-header X-Forwarded-For %[src]",
        "set-header X-Real-IP %[src]",
        f"set-header X-Forwarded-Proto {scheme}",
        f"set-header X-Forwarded-Port {port}",
        "set-header X-Forwarded-Host %[req.hdr(host)]",
        "disable-l7-retry unless { method GET HEAD OPTIONS PUT DELETE TRACE }",
    ]
    return "".join(f"  http-request {line}\n" for line in lines)


def _lookups(scheme: str, host: str) -> Iterable[str]:
    for way, end, converter in (("exact", "", "map_str"), ("below", ",/", "map_beg")):
        key = f"{host},concat(,txn.path{end})"
        found = f"{converter}({scheme}-{way}.map)"
        yield f"set-var(txn.backend) {key},{found} unless {{ var(txn.backend) -m found }}"
