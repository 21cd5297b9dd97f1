"""EndpointSlices, Ingresses, IngressClasses and NetworkPolicies as the API server treats them (S#86, S#90, S#91)."""

from typing import Any

import pytest

from tests.manifests import NOW, complaints, created, strategy, updated

Change = dict[str, Any]


def wrong(kind: str, change: Change) -> str:
    """The one thing that is wrong with it."""
    [said] = complaints(kind, change)
    return said


# EndpointSlices


def endpoints(*addresses: str, **fields: Any) -> Change:
    return {"endpoints": [{"addresses": [each], **fields} for each in addresses]}


@pytest.mark.parametrize(
    "change",
    [
        {"endpoints": None, "ports": None},
        endpoints(*(f"10.0.{i // 250}.{i % 250}" for i in range(1000))),
        {"addressType": "IPv6", **endpoints("2001:db8::1")},
        {"addressType": "FQDN", **endpoints("db.example.com.")},
        {"ports": [{"name": "a", "port": 1}, {"name": "b", "port": 1, "appProtocol": "x.io/y"}]},
        {"ports": [{"name": "all"}]},
        endpoints("10.0.0.1", hostname="web-0", nodeName="n1.example.com", zone="a"),
    ],
)
def test_these_are_slices(change: Change) -> None:
    assert complaints("EndpointSlice", change) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"addressType": None}, "addressType: Required value"),
        ({"addressType": "IPv5"}, 'addressType: Unsupported value: "IPv5"'),
        (
            endpoints(*(f"10.0.{i // 250}.{i % 250}" for i in range(1001))),
            "endpoints: Too many: 1001: must have at most 1000 items",
        ),
        (endpoints(""), 'endpoints[0].addresses[0]: Invalid value: "": must be a valid IP'),
        ({"endpoints": [{}]}, "endpoints[0].addresses: Required value"),
        (endpoints("2001:db8::1"), "must be a valid IPv4 address"),
        ({"addressType": "IPv6"}, "must be a valid IPv6 address"),
        ({"addressType": "FQDN", **endpoints("not a name")}, "a lowercase RFC 1123 subdomain"),
        (endpoints("127.0.0.1"), "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        (endpoints("169.254.1.1"), "may not be in the link-local range"),
        (endpoints("224.0.0.5"), "may not be in the link-local multicast range"),
        (endpoints("0.0.0.0"), "may not be unspecified (0.0.0.0)"),
        (endpoints("255.255.255.255"), "may not be the broadcast address"),
        (endpoints("10.0.0.1", hostname="web.0"), "endpoints[0].hostname: Invalid value"),
        (endpoints("10.0.0.1", nodeName="n 1"), "endpoints[0].nodeName: Invalid value"),
        ({"ports": [{"port": 1}, {"port": 2}]}, 'ports[1].name: Duplicate value: ""'),
        ({"ports": [{"name": "A"}]}, 'ports[0].name: Invalid value: "A"'),
        ({"ports": [{"port": 70000}]}, "must be between 1 and 65535, inclusive"),
        ({"ports": [{"appProtocol": "a b"}]}, 'ports[0].appProtocol: Invalid value: "a b"'),
    ],
)
def test_these_are_no_slices(change: Change, told: str) -> None:
    assert told in wrong("EndpointSlice", change)


def test_the_type_of_the_addresses_stays() -> None:
    [said] = updated("EndpointSlice", {}, {"addressType": "FQDN", **endpoints("a.example.com")})
    assert said == 'addressType: Invalid value: "FQDN": field is immutable'


def test_the_port_of_a_slice_is_a_port_of_tcp_without_a_name() -> None:
    [port] = created("EndpointSlice").ports
    assert (port.HasField("name"), port.name, port.protocol) == (True, "", "TCP")


@pytest.mark.parametrize(
    ("change", "cells"),
    [
        ({}, ["80", "10.244.0.5"]),
        ({"endpoints": None, "ports": None}, ["<unset>", "<unset>"]),
        ({"ports": [{"name": "all"}]}, ["*", "10.244.0.5"]),
        (
            endpoints(*(f"10.0.0.{i}" for i in range(1, 6))),
            ["80", "10.0.0.1,10.0.0.2,10.0.0.3 + 2 more..."],
        ),
    ],
)
def test_a_row_of_a_slice(change: Change, cells: list[str]) -> None:
    row = list(strategy("EndpointSlice").row(created("EndpointSlice", change), NOW))
    assert row == ["web-1", "IPv4", *cells, "60s"]


# Ingresses

BACKEND = {"service": {"name": "web", "port": {"name": "http"}}}


def backend(**fields: Any) -> Change:
    return {"spec": {"defaultBackend": {"service": None, **fields}}}


def path(path: str = "/", type: str = "Prefix", **fields: Any) -> Change:
    return {"path": path, "pathType": type, "backend": BACKEND, **fields}


def rules(*paths: Change, host: str = "shop.example.com") -> Change:
    return {
        "spec": {"defaultBackend": None, "rules": [{"host": host, "http": {"paths": [*paths]}}]}
    }


@pytest.mark.parametrize(
    "change",
    [
        rules(path(), path("/a", "Exact"), path("", "ImplementationSpecific")),
        rules(path(), host=""),
        rules(path(), host="*.example.com"),
        {"spec": {"defaultBackend": None, "rules": [{"host": "a.example.com"}]}},
        {"spec": {"tls": [{"hosts": ["a.example.com", "*.example.com"], "secretName": "cert"}]}},
        backend(resource={"apiGroup": "x.io", "kind": "Bucket", "name": "files"}),
        {"metadata": {"annotations": {"kubernetes.io/ingress.class": "old"}}},
    ],
)
def test_these_are_ingresses(change: Change) -> None:
    assert complaints("Ingress", change) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"spec": None}, "either `defaultBackend` or `rules` must be specified"),
        (rules(path("a")), 'paths[0].path: Invalid value: "a": must be an absolute path'),
        (rules(path("", "Exact")), "must be an absolute path"),
        (rules(path("/a//b")), "must not contain '//'"),
        (rules(path("/a%2fb")), "must not contain '%2f'"),
        (rules(path("/a/..")), "cannot end with '/..'"),
        (rules(path("/", "Regex")), 'pathType: Unsupported value: "Regex"'),
        (rules(path("/", "")), "spec.rules[0].http.paths[0].pathType: Required value"),
        (rules({"path": "/", "pathType": "Exact"}), "http.paths[0].backend: Required value"),
        (rules(), "spec.rules[0].http.paths: Required value"),
        (rules(path(), host="10.0.0.1"), "must be a DNS name, not an IP address"),
        (rules(path(), host="a.*.com"), "a wildcard DNS-1123 subdomain must start with '*.'"),
        (rules(path(), host="Shop"), "spec.rules[0].host: Invalid value"),
        ({"spec": {"tls": [{"hosts": ["*"]}]}}, "spec.tls[0].hosts[0]: Invalid value"),
        ({"spec": {"tls": [{"secretName": "a b"}]}}, "spec.tls[0].secretName: Invalid value"),
        ({"spec": {"ingressClassName": "a b"}}, "spec.ingressClassName: Invalid value"),
        (backend(), "resource or service backend is required"),
        (
            backend(service=BACKEND["service"], resource={"kind": "Bucket", "name": "files"}),
            "cannot set both resource and service backends",
        ),
        (backend(service={"name": "web", "port": None}), "port name or number is required"),
        (
            backend(service={"name": "web", "port": {"name": "http", "number": 80}}),
            "cannot set both port name & port number",
        ),
        (
            backend(service={"name": "1web", "port": {"number": 80}}),
            "spec.defaultBackend.service.name: Invalid value",
        ),
        (
            backend(service={"name": "web", "port": {"name": "no--port", "number": None}}),
            "must not contain consecutive hyphens",
        ),
        (
            {
                "metadata": {"annotations": {"kubernetes.io/ingress.class": "old"}},
                "spec": {"ingressClassName": "new"},
            },
            "can not be set when the class field is also set",
        ),
    ],
)
def test_these_are_no_ingresses(change: Change, told: str) -> None:
    assert told in wrong("Ingress", change)


def test_a_class_may_be_named_later_beside_the_old_annotation() -> None:
    old = {"metadata": {"annotations": {"kubernetes.io/ingress.class": "old"}}}
    assert updated("Ingress", old, {**old, "spec": {"ingressClassName": "new"}}) == []


@pytest.mark.parametrize(
    ("change", "cells"),
    [
        ({}, ["<none>", "*", "", "80"]),
        (
            {
                "spec": {
                    "ingressClassName": "helmling",
                    "rules": [{"host": f"{letter}.example.com"} for letter in "abcd"],
                    "tls": [{"secretName": "cert"}],
                }
            },
            [
                "helmling",
                "a.example.com,b.example.com,c.example.com + 1 more...",
                "",
                "80, 443",
            ],
        ),
    ],
)
def test_a_row_of_an_ingress(change: Change, cells: list[str]) -> None:
    row = list(strategy("Ingress").row(created("Ingress", change), NOW))
    assert row == ["web", *cells, "60s"]


def test_the_row_shows_where_an_ingress_is_reached() -> None:
    ingress = created("Ingress")
    for ip in ("192.0.2.1", "192.0.2.2"):
        ingress.status.loadBalancer.ingress.add(ip=ip)
    assert list(strategy("Ingress").row(ingress, NOW))[3] == "192.0.2.1,192.0...."


# IngressClasses


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"controller": None}, "spec.controller: Required value"),
        ({"controller": "nobody"}, "must be a domain-prefixed path"),
        ({"controller": "x.io/" + "a" * 250}, "spec.controller: Too long"),
        (
            {"parameters": {"kind": "A", "name": "a", "scope": "Namespace"}},
            "spec.parameters.namespace: Required value",
        ),
        (
            {"parameters": {"kind": "A", "name": "a", "namespace": "default"}},
            "spec.parameters.namespace: Forbidden",
        ),
    ],
)
def test_these_are_no_classes(change: Change, told: str) -> None:
    assert told in wrong("IngressClass", {"spec": change})


def test_the_controller_of_a_class_stays() -> None:
    [said] = updated("IngressClass", {}, {"spec": {"controller": "example.com/other"}})
    assert said.endswith("field is immutable")


def test_a_row_of_a_class() -> None:
    parameters = {"apiGroup": "x.io", "kind": "A", "name": "a"}
    made = created("IngressClass", {"spec": {"parameters": parameters}})
    row = list(strategy("IngressClass").row(made, NOW))
    assert row == ["helmling", "helmling.dev/ingress", "A.x.io/a", "60s"]


# NetworkPolicies


def ingress(**rule: Any) -> Change:
    return {"spec": {"ingress": [rule]}}


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [{}]}},
        ingress(ports=[{"port": 80, "endPort": 90}, {"port": "http"}, {"protocol": "UDP"}]),
        {"spec": {"ingress": [{"from": [{"podSelector": {}, "namespaceSelector": {}}]}]}},
        {
            "spec": {
                "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}]
            }
        },
    ],
)
def test_these_are_policies(change: Change) -> None:
    assert complaints("NetworkPolicy", change) == []


def block(cidr: str, *holes: str, **fields: Any) -> Change:
    return ingress(**{"from": [{"ipBlock": {"cidr": cidr, "except": [*holes]}, **fields}]})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"spec": {"podSelector": {"matchLabels": {"a": "b c"}}}}, "spec.podSelector.matchLabels"),
        (ingress(**{"from": [{}]}), "spec.ingress[0].from[0]: Required value: must specify a peer"),
        (
            block("10.0.0.0/8", podSelector={}),
            "from[0]: Forbidden: may not specify both ipBlock and another peer",
        ),
        (block("10.0.0.0"), "from[0].ipBlock.cidr: Invalid value"),
        (block("10.0.0.0/8", "11.0.0.0/16"), 'must be a strict subset of `cidr`: "10.0.0.0/8"'),
        (block("10.0.0.0/8", "10.0.0.0/8"), "must be a strict subset of `cidr`"),
        (block("10.0.0.0/8", "2001:db8::/64"), "must be a strict subset of `cidr`"),
        (block("10.0.0.0/8", "all"), "except[0]: Invalid value"),
        (ingress(ports=[{"port": 0}]), "must be between 1 and 65535, inclusive"),
        (ingress(ports=[{"endPort": 90}]), "may not be specified when `port` is not specified"),
        (
            ingress(ports=[{"port": "http", "endPort": 90}]),
            "may not be specified when `port` is non-numeric",
        ),
        (
            ingress(ports=[{"port": 91, "endPort": 90}]),
            "must be greater than or equal to `port`",
        ),
        (ingress(ports=[{"protocol": "ICMP"}]), 'protocol: Unsupported value: "ICMP"'),
        ({"spec": {"policyTypes": ["Ingress"] * 3}}, "more than two policyTypes"),
        ({"spec": {"policyTypes": ["In"]}}, 'spec.policyTypes[0]: Unsupported value: "In"'),
    ],
)
def test_these_are_no_policies(change: Change, told: str) -> None:
    assert told in wrong("NetworkPolicy", change)


@pytest.mark.parametrize(
    ("spec", "types"),
    [
        ({}, ["Ingress"]),
        ({"egress": [{}]}, ["Ingress", "Egress"]),
        ({"policyTypes": ["Egress"]}, ["Egress"]),
    ],
)
def test_which_directions_a_policy_is_about(spec: Change, types: list[str]) -> None:
    assert list(created("NetworkPolicy", {"spec": spec}).spec.policyTypes) == types


def test_a_row_of_a_policy() -> None:
    made = created("NetworkPolicy", {"spec": {"podSelector": {"matchLabels": {"app": "db"}}}})
    assert list(strategy("NetworkPolicy").row(made, NOW)) == ["deny", "app=db", "60s"]
    assert list(strategy("NetworkPolicy").row(created("NetworkPolicy"), NOW))[1] == "<none>"
