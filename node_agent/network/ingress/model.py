"""The words in which Ingresses are led to pods: which request, to which backend, under which certificate."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from proto.v1.network_pb2 import Ingress


class Backend(NamedTuple):
    """A port of a service, as EndpointSlices name it."""

    namespace: str
    service: str
    port: str  # its name; empty: the only one

    @property
    def name(self) -> str:
        """In the proxy's configuration. No part of it can have a colon."""
        return f"{self.namespace}:{self.service}:{self.port}"

    @property
    def key(self) -> str:
        """Of its service."""
        return f"{self.namespace}/{self.service}"


class Address(NamedTuple):
    """Where a pod answers."""

    ip: str
    port: int


@dataclass(frozen=True)
class Target:
    """Where a path leads."""

    backend: Backend | None  # None: to nobody; the answer is 503
    to_https: bool = False  # who comes by HTTP is sent there


@dataclass(frozen=True)
class Site:
    """The paths of one host: exactly these, and everything below these (without a slash at their ends)."""

    exact: Mapping[str, Target]
    below: Mapping[str, Target]


@dataclass(frozen=True)
class Certificate:
    """What a client is shown. Two of the same content are the same."""

    pem: bytes = field(repr=False)  # the key, then the certificate, then those that vouch for it
    names: tuple[str, ...]  # that it is for
    ends: datetime
    digest: str  # of the content, for names of files


@dataclass(frozen=True)
class Problem:
    """What is wrong with an ingress, for its author."""

    ingress: Ingress
    reason: str  # one word in CamelCase
    message: str


@dataclass(frozen=True)
class Routing:
    """All that the proxy must know but for the pods' addresses."""

    # By host: "shop.example.com", "*.example.com" (one label more), "" (every host).
    sites: Mapping[str, Site]
    certificates: Mapping[str, Certificate]  # by the name a client asks for
    # The address of each backend's service; None: it is headless.
    backends: Mapping[Backend, Address | None]
