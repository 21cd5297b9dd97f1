"""Services and slices for tests of the name server, and questions to it read by another library than ours.

As a program it asks: python -m tests.dns_objects SERVER NAME TYPE
"""

import sys
from collections.abc import Iterable
from typing import Any

from dnslib import EDNS0, QTYPE, DNSRecord

from node_agent.network.dns.index import SERVICE_NAME, Index
from proto.v1.network_pb2 import EndpointSlice, Service


def service(
    name: str, address: str = "10.96.0.20", *, namespace: str = "default", **spec: Any
) -> Service:
    ports = spec.pop("ports", [{"name": "http", "protocol": "TCP", "port": 80}])
    made = Service(
        metadata={"name": name, "namespace": namespace}, spec={"clusterIP": address, **spec}
    )
    for port in ports:
        made.spec.ports.add(**port)
    return made


def headless(name: str, **spec: Any) -> Service:
    return service(name, "None", **spec)


def external(name: str, target: str, **spec: Any) -> Service:
    return service(name, "", type="ExternalName", externalName=target, ports=[], **spec)


def slice_of(
    owner: str, endpoints: Iterable[tuple[str, str, bool | None]], *, name: str = "", namespace: str = "default",
    port: int = 8080,
) -> EndpointSlice:  # fmt: skip
    """Endpoints are (address, host name, ready)."""
    made = EndpointSlice(
        metadata={"name": name or f"{owner}-abcde", "namespace": namespace}, addressType="IPv4"
    )
    made.metadata.labels[SERVICE_NAME] = owner
    made.ports.add(name="http", protocol="TCP", port=port)
    for address, hostname, ready in endpoints:
        endpoint = made.endpoints.add(addresses=[address])
        if hostname:
            endpoint.hostname = hostname
        if ready is not None:
            endpoint.conditions.ready = ready
    return made


def index_of(*objects: Service | EndpointSlice) -> Index:
    made = Index()
    for each in objects:
        if isinstance(each, Service):
            made.service_changed(None, each)
        else:
            made.slice_changed(None, each)
    return made


def asked(name: str, type: str = "A", *, size: int = 0, number: int = 7) -> bytes:
    """A packet; `size` is told by EDNS."""
    made = DNSRecord.question(name, type)
    made.header.id = number
    if size:
        made.add_ar(EDNS0(udp_len=size))
    return bytes(made.pack())


def told(packet: bytes) -> list[str]:
    """The answers in a message: "TYPE data"."""
    return [f"{QTYPE[each.rtype]} {each.rdata}" for each in DNSRecord.parse(packet).rr]


if __name__ == "__main__":
    server, *question = sys.argv[1:]
    print("\n".join(told(DNSRecord.question(*question).send(server, timeout=20))))
