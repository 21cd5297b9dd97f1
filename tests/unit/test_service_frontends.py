"""Which addresses and ports lead to whom: Services and EndpointSlices in, frontends and backends out."""

import pytest

from node_agent.network.proxy.model import Backend, Frontend
from node_agent.network.proxy.services import AFFINITY, frontends
from proto.v1.network_pb2 import EndpointSlice, Service

A, B = Backend("10.1.0.2", 8080, True), Backend("10.1.1.3", 8080)
HERE, THERE = "n1", "n2"


def service(**spec: object) -> Service:
    made = Service()
    made.metadata.name = "web"
    made.spec.clusterIP, made.spec.type = "10.96.0.1", "ClusterIP"
    made.spec.ports.add(name="http", port=80, protocol="TCP")
    for field, value in spec.items():
        setattr(made.spec, field, value)
    return made


def of(*endpoints: tuple[Backend, str], port: int = 8080, name: str = "http") -> EndpointSlice:
    """`endpoints`: and their state, of "ready", "unready", "leaving", "dying", "unsaid"."""
    made = EndpointSlice(addressType="IPv4")
    made.ports.add(name=name, protocol="TCP", port=port)
    for backend, state in endpoints:
        node = HERE if backend.here else THERE
        one = made.endpoints.add(addresses=[backend.address], nodeName=node)
        if state != "unsaid":
            one.conditions.ready = state == "ready"
            one.conditions.serving = state in ("ready", "leaving")
            one.conditions.terminating = state in ("leaving", "dying")
    return made


def only(made: Service, *slices: EndpointSlice) -> Frontend:
    (one,) = frontends(made, slices, HERE)
    return one


def test_ready_endpoints_of_all_slices_stand_behind_it() -> None:
    found = only(service(), of((A, "ready")), of((B, "ready")))
    assert (found.address, found.protocol, found.port) == ("10.96.0.1", "tcp", 80)
    assert found.backends == {A, B}


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("ready", "unready", {A}),
        ("unsaid", "unready", {A}),
        ("leaving", "ready", {B}),
        ("leaving", "unready", {A}),
        ("leaving", "leaving", {A, B}),
        ("dying", "leaving", {B}),
        ("dying", "unready", set()),
    ],
)
def test_pods_that_leave_serve_only_if_nobody_is_ready(
    a: str, b: str, expected: set[Backend]
) -> None:
    """S#85."""
    assert only(service(), of((A, a), (B, b))).backends == expected


def test_a_leaving_pod_here_counts_for_those_who_must_stay_here() -> None:
    """The one that is ready is elsewhere."""
    found = only(service(internalTrafficPolicy="Local"), of((A, "leaving"), (B, "ready")))
    assert (found.policy, found.near, found.backends) == ("near", {A}, {B})


def test_ports_are_matched_by_name_and_protocol() -> None:
    made = service()
    made.spec.ports.add(name="dns", port=53, protocol="UDP")
    named = of((A, "ready"), port=9000)
    named.ports.add(name="dns", protocol="TCP", port=53)
    http, dns = frontends(made, [named, of((B, "ready"), port=9001, name="other")], HERE)
    assert http.backends == {Backend(A.address, 9000, True)}
    assert (dns.protocol, dns.backends) == ("udp", frozenset())


def test_each_pod_may_have_another_number_for_a_named_port() -> None:
    found = only(service(), of((A, "ready"), port=9000), of((B, "ready"), port=9001))
    assert found.backends == {Backend(A.address, 9000, True), Backend(B.address, 9001)}


@pytest.mark.parametrize(
    "made",
    [
        service(clusterIP="None"),
        service(clusterIP="", type="ExternalName", externalName="example.com"),
        service(clusterIP="fd00::1"),
        service(clusterIP=""),
    ],
)
def test_services_without_an_address_of_ours_lead_nowhere(made: Service) -> None:
    """S#83."""
    assert frontends(made, [of((A, "ready"))], HERE) == []


def test_addresses_that_are_none_are_passed_over() -> None:
    six = of((Backend("fd00::2", 8080), "ready"))
    six.addressType = "IPv6"
    name = of((Backend("example.com", 8080), "ready"))
    made = service(type="LoadBalancer")
    made.spec.externalIPs[:] = ["fd00::1", "198.51.100.7"]
    made.spec.loadBalancerSourceRanges[:] = ["fd00::/8", "10.0.0.0/8", "nonsense"]
    made.status.loadBalancer.ingress.add(hostname="lb.example.com")
    made.status.loadBalancer.ingress.add(ip="198.51.100.8")
    found = {one.address: one for one in frontends(made, [six, name, of((A, "ready"))], HERE)}
    assert found.keys() == {"10.96.0.1", "198.51.100.7", "198.51.100.8"}
    assert all(one.backends == {A} for one in found.values())
    assert found["198.51.100.8"].sources == ("10.0.0.0/8",)
    assert found["198.51.100.7"].sources == ()


def test_policies_and_affinity() -> None:
    made = service(type="NodePort", externalTrafficPolicy="Local", sessionAffinity="ClientIP")
    made.spec.ports[0].nodePort = 30080
    inside, port = frontends(made, [of((A, "ready"), (B, "ready"))], HERE)
    assert (inside.policy, inside.sticky) == ("all", AFFINITY)
    assert (port.address, port.port, port.policy, port.near) == ("", 30080, "split", {A})
    made.spec.sessionAffinityConfig.clientIP.timeoutSeconds = 60
    assert {one.sticky for one in frontends(made, [], HERE)} == {60}
