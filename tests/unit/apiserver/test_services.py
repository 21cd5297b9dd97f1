"""Services as the API server treats them: defaults, rules, what a change keeps and lets go, rows (S#81-S#84, S#87)."""

from typing import Any

import pytest

from api import services
from proto.v1.network_pb2 import Service
from tests.manifests import NOW, complaints, created, read, strategy, updated

Change = dict[str, Any]


def spec(**fields: Any) -> Change:
    return {"spec": fields}


def ports(*each: Change, **fields: Any) -> Change:
    return spec(ports=list(each), **fields)


def external(name: str = "db.example.com", **fields: Any) -> Change:
    return spec(type="ExternalName", externalName=name, selector=None, ports=None, **fields)


# Defaults


def test_what_a_service_means_that_says_little() -> None:
    made = created("Service").spec
    assert (made.type, made.sessionAffinity, made.internalTrafficPolicy) == (
        "ClusterIP",
        "None",
        "Cluster",
    )
    assert (made.ports[0].protocol, services.target_port(made.ports[0])) == ("TCP", 80)
    assert (list(made.ipFamilies), made.ipFamilyPolicy) == (["IPv4"], "SingleStack")
    assert made.externalTrafficPolicy == ""


def test_a_client_stays_with_its_pod_for_three_hours() -> None:
    made = created("Service", spec(sessionAffinity="ClientIP")).spec
    assert made.sessionAffinityConfig.clientIP.timeoutSeconds == 10800


@pytest.mark.parametrize(
    ("change", "policy", "node_ports"),
    [
        (spec(type="NodePort"), "Cluster", False),
        (spec(type="LoadBalancer"), "Cluster", True),
        (spec(externalIPs=["192.0.2.1"]), "Cluster", False),
        (external(), "", False),
    ],
)
def test_what_comes_from_outside_goes_to_all_pods(
    change: Change, policy: str, node_ports: bool
) -> None:
    made = created("Service", change).spec
    assert made.externalTrafficPolicy == policy
    assert made.allocateLoadBalancerNodePorts == node_ports


def test_a_named_target_port_stays_a_name() -> None:
    made = created("Service", ports({"port": 80, "targetPort": "http"})).spec
    assert services.target_port(made.ports[0]) == "http"


# Rules


@pytest.mark.parametrize(
    "change",
    [
        spec(clusterIP="None", ports=None),
        spec(clusterIP="10.96.0.20"),
        spec(selector=None),
        ports({"name": "a", "port": 53, "protocol": "UDP"}, {"name": "b", "port": 53}),
        ports({"port": 80, "nodePort": 30080}, type="NodePort"),
        external(),
        external("db.example.com."),
        spec(type="LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=30001),
        spec(type="LoadBalancer", loadBalancerSourceRanges=["10.0.0.0/8"]),
        spec(trafficDistribution="PreferClose"),
        spec(ipFamilyPolicy="PreferDualStack"),
        spec(publishNotReadyAddresses=True, internalTrafficPolicy="Local"),
    ],
)
def test_these_are_services(change: Change) -> None:
    assert complaints("Service", change) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"metadata": {"name": "1web"}}, "a DNS-1035 label must consist of"),
        (spec(ports=None), "spec.ports: Required value"),
        (spec(type="Balanced"), 'spec.type: Unsupported value: "Balanced"'),
        (
            spec(type="NodePort", clusterIP="None"),
            "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services",
        ),
        (
            ports({"port": 10250}, type="LoadBalancer"),
            "may not expose port 10250 externally since it is used by kubelet",
        ),
        (external(""), "spec.externalName: Required value"),
        (external("no name"), 'spec.externalName: Invalid value: "no name"'),
        (
            external(clusterIP="10.96.0.20"),
            "spec.clusterIPs: Forbidden: may not be set when the type is 'ExternalName'",
        ),
        (ports({"port": 0}), "spec.ports[0].port: Required value: must be between 1 and 65535"),
        (
            ports({"port": 80, "targetPort": 70000}),
            "spec.ports[0].targetPort: Invalid value: 70000",
        ),
        (ports({"port": 80, "targetPort": "no--port"}), "must not contain consecutive hyphens"),
        (ports({"name": "Web", "port": 80}), 'spec.ports[0].name: Invalid value: "Web"'),
        (
            ports({"name": "a", "port": 80}, {"port": 81}),
            "spec.ports[1].name: Required value",
        ),
        (
            ports({"name": "a", "port": 80}, {"name": "a", "port": 81}),
            'spec.ports[1].name: Duplicate value: "a"',
        ),
        (
            ports({"name": "a", "port": 80}, {"name": "b", "port": 80}),
            "spec.ports[1]: Duplicate value",
        ),
        (
            ports(
                {"name": "a", "port": 80, "nodePort": 30080},
                {"name": "b", "port": 81, "nodePort": 30080},
                type="NodePort",
            ),
            "spec.ports[1].nodePort: Duplicate value: 30080",
        ),
        (
            ports({"port": 80, "nodePort": 30080}),
            "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
        ),
        (ports({"port": 80, "appProtocol": "a b"}), "spec.ports[0].appProtocol: Invalid value"),
        (spec(selector={"a": "b c"}), 'spec.selector: Invalid value: "b c"'),
        (
            spec(sessionAffinityConfig={"clientIP": {"timeoutSeconds": 5}}),
            "spec.sessionAffinityConfig: Forbidden: must not be set when session affinity is None",
        ),
        (
            spec(
                sessionAffinity="ClientIP",
                sessionAffinityConfig={"clientIP": {"timeoutSeconds": 86401}},
            ),
            "must be between 1 and 86400, inclusive",
        ),
        (spec(clusterIP="10.96"), 'spec.clusterIPs[0]: Invalid value: "10.96": must be a valid IP'),
        (
            spec(clusterIPs=["10.96.0.20"]),
            "spec.clusterIP: Required value: primary clusterIP must be set",
        ),
        (
            spec(clusterIP="10.96.0.20", clusterIPs=["10.96.0.21"]),
            'spec.clusterIPs: Invalid value: ["10.96.0.21"]: first value must match `clusterIP`',
        ),
        (
            spec(clusterIP="None", clusterIPs=["None", "10.96.0.20"]),
            "'None' must be the first and only value",
        ),
        (
            spec(clusterIP="10.96.0.20", clusterIPs=["10.96.0.20", "2001:db8::1"]),
            "only IPv4 is served",
        ),
        (spec(ipFamilyPolicy="RequireDualStack"), "not configured for dual-stack services"),
        (spec(ipFamilies=["IPv6"]), 'spec.ipFamilies[0]: Invalid value: "IPv6": not configured'),
        (spec(ipFamilies=["IPX"]), 'spec.ipFamilies[0]: Unsupported value: "IPX"'),
        (spec(externalIPs=["127.0.0.1"]), "spec.externalIPs[0]: Invalid value"),
        (
            spec(externalTrafficPolicy="Local"),
            "may only be set for externally-accessible services",
        ),
        (
            spec(type="NodePort", healthCheckNodePort=30001),
            "spec.healthCheckNodePort: Invalid value: 30001: may only be set when `type` is",
        ),
        (external(internalTrafficPolicy="Local"), "spec.internalTrafficPolicy: Forbidden"),
        (external(ipFamilies=["IPv4"]), "spec.ipFamilies: Forbidden: may not be set"),
        (spec(trafficDistribution="Near"), 'spec.trafficDistribution: Unsupported value: "Near"'),
        (
            spec(loadBalancerSourceRanges=["10.0.0.0/8"]),
            "spec.loadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
        ),
        (
            spec(type="LoadBalancer", loadBalancerSourceRanges=["10.0.0.0"]),
            "spec.loadBalancerSourceRanges[0]: Invalid value",
        ),
        (
            spec(type="NodePort", allocateLoadBalancerNodePorts=False),
            "spec.allocateLoadBalancerNodePorts: Forbidden",
        ),
        (spec(loadBalancerClass="x.io/a"), "spec.loadBalancerClass: Forbidden"),
        (spec(type="LoadBalancer", loadBalancerClass="a b"), "spec.loadBalancerClass: Invalid"),
    ],
)
def test_these_are_none(change: Change, told: str) -> None:
    [said] = complaints("Service", change)
    assert told in said


# Changes: of a service that has got its address and its node ports


GIVEN: Change = {"clusterIP": "10.96.0.20", "clusterIPs": ["10.96.0.20"]}
NODE: Change = {**GIVEN, "type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}
BALANCER: Change = {**NODE, "type": "LoadBalancer"}


def changed(before: Change, after: Change) -> Service:
    """The new service as it is stored."""
    old, new, hooks = (
        created("Service", spec(**before)),
        read("Service", spec(**after)),
        strategy("Service"),
    )
    hooks.default(new)
    hooks.prepare_update(new, old)
    assert updated("Service", spec(**before), spec(**after)) == []
    assert isinstance(new, Service)
    return new


def test_who_leaves_out_what_was_chosen_keeps_it() -> None:
    new = changed(NODE, {"type": "NodePort", "ports": [{"port": 80, "targetPort": 8080}]})
    assert (new.spec.clusterIP, list(new.spec.clusterIPs)) == ("10.96.0.20", ["10.96.0.20"])
    assert new.spec.ports[0].nodePort == 30080


def test_a_new_port_does_not_inherit_and_none_is_used_twice() -> None:
    after = [{"name": "a", "port": 80}, {"name": "b", "port": 81, "nodePort": 30080}]
    new = changed(NODE, {"type": "NodePort", "ports": after})
    assert [port.nodePort for port in new.spec.ports] == [0, 30080]


@pytest.mark.parametrize(
    ("before", "after", "address", "node_port"),
    [
        (NODE, {**NODE, "type": "ClusterIP"}, "10.96.0.20", 0),
        (NODE, {**NODE, "type": "LoadBalancer"}, "10.96.0.20", 30080),
        (BALANCER, {**BALANCER, "type": "NodePort"}, "10.96.0.20", 30080),
        (BALANCER, {**BALANCER, "allocateLoadBalancerNodePorts": False}, "10.96.0.20", 30080),
        (GIVEN, {**GIVEN, "type": "ExternalName", "externalName": "a.example.com"}, "", 0),
        (NODE, {**NODE, "type": "ExternalName", "externalName": "a.example.com"}, "", 0),
    ],
)
def test_another_type_keeps_what_it_has_use_for(
    before: Change, after: Change, address: str, node_port: int
) -> None:
    new = changed(before, after)
    assert (new.spec.clusterIP, list(new.spec.clusterIPs)) == (
        address,
        [address] if address else [],
    )
    if "allocateLoadBalancerNodePorts" not in after:
        assert new.spec.ports[0].nodePort == node_port


def test_a_type_that_nobody_reaches_from_outside_has_no_policy_for_it() -> None:
    before = {**BALANCER, "externalTrafficPolicy": "Local", "healthCheckNodePort": 30001}
    new = changed(before, {**before, "type": "ClusterIP"})
    assert (new.spec.externalTrafficPolicy, new.spec.healthCheckNodePort) == ("", 0)
    assert not new.spec.HasField("allocateLoadBalancerNodePorts")


def test_a_name_is_let_go_with_its_type() -> None:
    before = {"type": "ExternalName", "externalName": "a.example.com"}
    new = changed(before, {**before, "type": "ClusterIP"})
    assert (new.spec.externalName, new.spec.clusterIP) == ("", "")


def test_whoever_drops_the_affinity_drops_how_long_it_lasts() -> None:
    timeout = {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}}}
    before = {**GIVEN, "sessionAffinity": "ClientIP", **timeout}
    new = changed(before, {**before, "sessionAffinity": "None"})
    assert not new.spec.HasField("sessionAffinityConfig")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (
            GIVEN,
            {"clusterIP": "10.96.0.21"},
            'spec.clusterIPs[0]: Invalid value: ["10.96.0.21"]: may not change once set',
        ),
        (GIVEN, {"clusterIP": "None"}, "may not change once set"),
        ({"clusterIP": "None"}, {"clusterIP": "10.96.0.21"}, "may not change once set"),
        (
            GIVEN,
            {"type": "ExternalName", "externalName": "a.example.com", "clusterIP": "10.96.0.21"},
            "may not be set when the type is 'ExternalName'",
        ),
        (
            NODE,
            {**NODE, "type": "ClusterIP", "ports": [{"port": 80, "nodePort": 30081}]},
            "may not be used when `type` is 'ClusterIP'",
        ),
        (
            {**BALANCER, "externalTrafficPolicy": "Local", "healthCheckNodePort": 30001},
            {**BALANCER, "externalTrafficPolicy": "Local", "healthCheckNodePort": 30002},
            "spec.healthCheckNodePort: Invalid value: 30002: field is immutable",
        ),
        (
            {**BALANCER, "loadBalancerClass": "x.io/a"},
            {**BALANCER, "loadBalancerClass": "x.io/b"},
            'spec.loadBalancerClass: Invalid value: "x.io/b": may not change once set',
        ),
    ],
)
def test_what_may_not_change(before: Change, after: Change, told: str) -> None:
    [said] = updated("Service", spec(**before), spec(**after))
    assert told in said


def test_only_a_load_balancer_reports_addresses() -> None:
    old, new = created("Service"), created("Service")
    new.status.loadBalancer.ingress.add(ip="192.0.2.1")
    [said] = strategy("Service").validate_status(new, old)
    assert str(said).endswith('may only be used when `spec.type` is "LoadBalancer"')
    old, new = (created("Service", spec(type="LoadBalancer")) for _ in range(2))
    new.status.loadBalancer.ingress.add(hostname="a b")
    [said] = strategy("Service").validate_status(new, old)
    assert said.field == "status.loadBalancer.ingress[0].hostname"


# Rows


@pytest.mark.parametrize(
    ("change", "cells"),
    [
        (GIVEN, ["ClusterIP", "10.96.0.20", "<none>", "80/TCP"]),
        (NODE, ["NodePort", "10.96.0.20", "<none>", "80:30080/TCP"]),
        (BALANCER, ["LoadBalancer", "10.96.0.20", "<pending>", "80:30080/TCP"]),
        (
            {"clusterIP": "None", "ports": None},
            ["ClusterIP", "None", "<none>", "<none>"],
        ),
        (
            {"type": "ExternalName", "externalName": "db.example.com", "ports": None},
            ["ExternalName", "<none>", "db.example.com", "<none>"],
        ),
        (
            {"externalIPs": ["192.0.2.1", "192.0.2.2"]},
            ["ClusterIP", "<none>", "192.0.2.1,192.0.2.2", "80/TCP"],
        ),
    ],
)
def test_a_row(change: Change, cells: list[str]) -> None:
    row = list(strategy("Service").row(created("Service", spec(**change)), NOW))
    assert row == ["web", *cells, "60s", "app=web"]


def test_the_row_of_a_load_balancer_shows_where_it_is_reached() -> None:
    service = created("Service", spec(type="LoadBalancer", externalIPs=["192.0.2.9"]))
    service.status.loadBalancer.ingress.add(hostname="a-long-name.example.com")
    assert list(strategy("Service").row(service, NOW))[3] == "a-long-name.exam...,192.0.2.9"


def test_services_are_selected_by_these_fields() -> None:
    assert strategy("Service").selectable(created("Service", spec(**GIVEN))) == {
        "metadata.name": "web",
        "metadata.namespace": "default",
        "spec.clusterIP": "10.96.0.20",
        "spec.type": "ClusterIP",
    }
