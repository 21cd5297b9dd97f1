"""resolv.conf: whom to ask, under which names, and how. The node's is read, the pods' are written.

https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from proto.v1.pod_pb2 import PodDNSConfig

MOST_NAMESERVERS = 3  # the resolver library reads no more
MOST_SEARCHES, LONGEST_SEARCH = 32, 2048  # Kubernetes' limits: a line that grows beyond is cut


@dataclass(frozen=True)
class Resolving:
    """What a resolv.conf says."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def with_config(self, wanted: PodDNSConfig) -> "Resolving":
        """What a pod adds comes after; its option replaces one of the same name."""
        options = {option.partition(":")[0]: option for option in self.options}
        for each in wanted.options:
            options[each.name] = f"{each.name}:{each.value}" if each.value else each.name
        return Resolving(
            _unique([*self.servers, *wanted.nameservers]),
            _unique([*self.searches, *wanted.searches]),
            tuple(options.values()),
        )

    def text(self) -> str:
        lines = [f"nameserver {server}" for server in self.servers[:MOST_NAMESERVERS]]
        if searches := _fitting(self.searches):
            lines.append(f"search {' '.join(searches)}")
        if self.options:
            lines.append(f"options {' '.join(self.options)}")
        return "".join(f"{line}\n" for line in lines)


def parse(text: str) -> Resolving:
    servers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    for line in text.splitlines():
        word, *rest = line.split("#", 1)[0].split(";", 1)[0].split() or [""]
        if word == "nameserver":
            servers += rest[:1]
        elif word in ("search", "domain"):
            searches = rest  # the last one counts
        elif word == "options":
            options += rest
    return Resolving(tuple(servers), tuple(searches), tuple(options))


def of_cluster(namespace: str, domain: str, server: str, node: Resolving) -> Resolving:
    """For a pod that asks the cluster's name server: short names are tried as the cluster's, then as the node would.

    With ndots:5 even _http._tcp.web.default is tried as a short name first.
    """
    own = (f"{namespace}.svc.{domain}", f"svc.{domain}", domain)
    return Resolving((server,), _unique([*own, *node.searches]), ("ndots:5",))


class Followed:
    """The name servers in a file, read again when it has changed; `ours` are left out, or we would ask ourselves."""

    def __init__(self, path: Path, ours: Iterable[str] = ()) -> None:
        self._path, self._ours = path, frozenset(ours)
        self._seen: tuple[int, int, int] | None = None  # which state of the file _servers shows
        self._servers: list[str] = []

    def servers(self) -> list[str]:
        """No server when the file is away."""
        try:
            status = os.stat(self._path)
            state = (status.st_ino, status.st_mtime_ns, status.st_size)
            if state != self._seen:
                found = parse(self._path.read_text()).servers
                self._servers = [each for each in _unique(found) if each not in self._ours]
                self._seen = state
        except OSError:
            self._seen, self._servers = None, []
        return self._servers


def _fitting(searches: tuple[str, ...]) -> tuple[str, ...]:
    fitting = searches[:MOST_SEARCHES]
    while len(" ".join(fitting)) > LONGEST_SEARCH:
        fitting = fitting[:-1]
    return fitting


def _unique(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))
