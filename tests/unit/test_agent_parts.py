"""The small pure parts: environment, resources, security, names, admission, counting."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from node_agent.network.rules import HostPort
from node_agent.pods.admission import refusal
from node_agent.pods.containerspec import Inside, Run, container_spec
from node_agent.pods.env import Surroundings, environment, expand
from node_agent.pods.facts import ConfigError, NodeFacts, field_value, resource_value
from node_agent.pods.qos import oom_score_adj
from node_agent.pods.requests import pod_request
from node_agent.pods.sandboxspec import host_ports, hosts, resolv_conf, sandbox_spec
from node_agent.pods.security import check_non_root, security
from node_agent.probes import health
from node_agent.probes.judge import Judge, timing
from node_agent.volumes import atomic
from node_agent.volumes.atomic import File
from proto.v1.cluster_pb2 import Node
from proto.v1.pod_pb2 import (
    Container,
    ObjectFieldSelector,
    Pod,
    Probe,
    ResourceFieldSelector,
)
from tests.unit.test_agent_plan import shell

NODE = NodeFacts("n1", "10.1.1.1", {"cpu": "4", "memory": "8Gi"}, "nameserver 9.9.9.9\nsearch x\n")


def pod(*containers: Container, **spec: Any) -> Pod:
    made = Pod(metadata={"name": "web", "namespace": "default", "uid": "u"}, spec=spec)
    made.metadata.labels.update({"app": "a", "tier": 'quo"ted'})
    made.spec.containers.extend(containers or [Container(name="app", image="a:1")])
    return made


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(B)", "x1y2"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(NONE)", "$(NONE)"),
        ("$(A", "$(A"),
        ("$A $", "$A $"),
        ("$()", "$()"),
        ("", ""),
    ],
)
def test_expansion(text: str, result: str) -> None:
    """As in Kubernetes' expansion tests (S#44)."""
    assert expand(text, {"A": "1", "B": "2"}) == result


def test_an_environment_in_its_order() -> None:
    """Later variables may use earlier ones, not the other way round."""
    made = Container(name="app")
    made.env.add(name="EARLY", value="$(LATE)")
    made.env.add(name="LATE", value="x")
    made.env.add(name="BOTH", value="$(LATE)$(EARLY)")
    made.env.add(name="IP").valueFrom.fieldRef.fieldPath = "status.podIP"
    assert environment(made, pod(made), Surroundings(NODE, "10.0.0.2")) == {
        "EARLY": "$(LATE)",
        "LATE": "x",
        "BOTH": "x$(LATE)",
        "IP": "10.0.0.2",
    }


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web"),
        ("metadata.namespace", "default"),
        ("metadata.uid", "u"),
        ("metadata.labels['app']", "a"),
        ("metadata.labels['none']", ""),
        ("status.hostIP", "10.1.1.1"),
        ("status.podIPs", "10.0.0.2"),
    ],
)
def test_fields(path: str, value: str) -> None:
    """What the downward API tells."""
    assert field_value(ObjectFieldSelector(fieldPath=path), pod(), NODE, "10.0.0.2") == value


def test_all_labels_at_once_only_in_files() -> None:
    """One per line, quoted; as a variable it is refused."""
    selector = ObjectFieldSelector(fieldPath="metadata.labels")
    assert field_value(selector, pod(), NODE, "", whole=True) == 'app="a"\ntier="quo\\"ted"'
    with pytest.raises(ConfigError):
        field_value(selector, pod(), NODE, "")


@pytest.mark.parametrize(
    ("resource", "divisor", "value"),
    [
        ("limits.cpu", "", "2"),
        ("limits.cpu", "1m", "1500"),
        ("requests.cpu", "1m", "250"),
        ("limits.memory", "", str(64 * 2**20)),
        ("limits.memory", "1Mi", "64"),
        ("limits.memory", "1M", "68"),
        ("limits.ephemeral-storage", "", "0"),
    ],
)
def test_resources_in_units(resource: str, divisor: str, value: str) -> None:
    """Rounded up."""
    made = Container(name="app")
    made.resources.limits.update({"cpu": "1500m", "memory": "64Mi"})
    made.resources.requests["cpu"] = "250m"
    selector = ResourceFieldSelector(resource=resource, divisor=divisor)
    assert resource_value(selector, pod(made), made, NODE) == value


def test_no_limit_is_all_of_the_node() -> None:
    """limits.memory without a limit tells the node's allocatable."""
    made = Container(name="app")
    selector = ResourceFieldSelector(resource="limits.memory", divisor="1Gi")
    assert resource_value(selector, pod(made), made, NODE) == "8"


@pytest.mark.parametrize(
    ("requests", "limits", "score"),
    [
        ({}, {}, 1000),
        ({"cpu": "1", "memory": "1Gi"}, {"cpu": "1", "memory": "1Gi"}, -997),
        ({"memory": "2Gi"}, {}, 750),
        ({"memory": "8Gi"}, {}, 3),
        ({"cpu": "1m"}, {}, 999),
    ],
)
def test_oom_scores(requests: dict[str, str], limits: dict[str, str], score: int) -> None:
    """S#46: Kubernetes' formula, of a node with 8 GiB."""
    made = Container(name="app")
    made.resources.requests.update(requests)
    made.resources.limits.update(limits)
    assert oom_score_adj(pod(made), made, 8 * 2**30) == score


def test_a_container_specification() -> None:
    """Command and args are expanded; labels carry what must survive a crash."""
    made = Container(name="app", image="a:1", command=["$(X)"], args=["$$(X)"])
    made.env.add(name="X", value="1")
    made.resources.limits["cpu"] = "500m"
    inside = Inside(environment(made, pod(made), Surroundings(NODE, "")), [])
    spec = container_spec(pod(made), made, Run(3, 40.0), shell(2), NODE, inside)
    assert (spec.command, spec.args, spec.attempt) == (("1",), ("$(X)",), 3)
    assert dict(spec.env) == {"HOSTNAME": "web", "X": "1"}
    assert spec.labels == {"sandbox": "2", "backoff": "40"}
    assert spec.resources.cpu_limit_millis == spec.resources.cpu_request_millis == 500
    assert spec.termination_message_path == "/dev/termination-log"


def test_a_containers_security_wins_over_its_pods() -> None:
    """S#47."""
    made = Container(name="app")
    made.securityContext.runAsUser = 1
    made.securityContext.capabilities.drop.append("ALL")
    whole = pod(made)
    whole.spec.securityContext.runAsUser = 2
    whole.spec.securityContext.runAsGroup = 3
    whole.spec.securityContext.fsGroup = 4
    whole.spec.securityContext.supplementalGroups.append(5)
    merged = security(whole, made)
    assert (merged.run_as_user, merged.run_as_group) == (1, 3)
    assert merged.supplemental_groups == (5, 4)
    assert merged.drop_capabilities == ("ALL",)


@pytest.mark.parametrize(
    ("user", "image_user", "words"),
    [
        (None, "", "image will run as root"),
        (None, "0:0", "image will run as root"),
        (None, "nginx", "non-numeric user"),
        (0, "5", "breaks non-root policy"),
        (None, "5", ""),
        (7, "root", ""),
    ],
)
def test_run_as_non_root(user: int | None, image_user: str, words: str) -> None:
    """S#47: refused with the reason, or let through."""
    made = Container(name="app")
    made.securityContext.runAsNonRoot = True
    if user is not None:
        made.securityContext.runAsUser = user
    if not words:
        return check_non_root(pod(made), made, image_user)
    with pytest.raises(ConfigError, match=words):
        check_non_root(pod(made), made, image_user)
    return None


IN_CLUSTER = replace(NODE, name_server="10.96.0.10", cluster_domain="lab.example")
NODES = "nameserver 9.9.9.9\nsearch x\n"
CLUSTERS = (
    "nameserver 10.96.0.10\nsearch default.svc.lab.example svc.lab.example lab.example x\n"
    "options ndots:5\n"
)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({}, CLUSTERS),
        ({"dnsPolicy": "ClusterFirst"}, CLUSTERS),
        ({"dnsPolicy": "ClusterFirst", "hostNetwork": True}, NODES),
        ({"dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": True}, CLUSTERS),
        ({"dnsPolicy": "ClusterFirstWithHostNet"}, CLUSTERS),
        ({"dnsPolicy": "Default"}, NODES),
        ({"dnsPolicy": "None"}, ""),
    ],
)
def test_whom_a_pod_asks_for_names(spec: dict[str, Any], text: str) -> None:
    """By its dnsPolicy (S#88)."""
    assert resolv_conf(pod(**spec), IN_CLUSTER) == text


def test_what_a_pod_adds() -> None:
    """Servers and domains come after, an option replaces one of its name; a line has its limits."""
    config = {
        "nameservers": ["1.1.1.1", "1.1.1.2", "1.1.1.3"],
        "searches": ["x", "y"],
        "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
    }
    assert resolv_conf(pod(dnsConfig=config), IN_CLUSTER) == (
        "nameserver 10.96.0.10\nnameserver 1.1.1.1\nnameserver 1.1.1.2\n"
        "search default.svc.lab.example svc.lab.example lab.example x y\n"
        "options ndots:2 edns0\n"
    )
    made = pod(dnsPolicy="None", dnsConfig=config)
    assert resolv_conf(made, IN_CLUSTER).startswith("nameserver 1.1.1.1\n")
    many = pod(dnsPolicy="None", dnsConfig={"searches": [f"d{n}" for n in range(40)]})
    assert len(resolv_conf(many, IN_CLUSTER).split()) == 1 + 32
    long = pod(dnsPolicy="None", dnsConfig={"searches": [f"{n:04}{'x' * 196}" for n in range(20)]})
    assert len(resolv_conf(long, IN_CLUSTER)) == len("search ") + 10 * 201


def test_a_node_without_a_name_server() -> None:
    """Pods ask whom the node asks."""
    assert resolv_conf(pod(), NODE) == NODES


def test_names_in_the_hosts_file() -> None:
    """The pod's own, in full where it has a subdomain; aliases are appended."""
    made = pod(
        hostname="a", subdomain="db", hostAliases=[{"ip": "1.2.3.4", "hostnames": ["b", "c"]}]
    )
    text = hosts(made, "10.0.0.2", "lab.example")
    assert text.endswith("10.0.0.2\ta.db.default.svc.lab.example\ta\n1.2.3.4\tb\tc\n")
    made.spec.setHostnameAsFQDN = True
    assert sandbox_spec(made, 0, "10.0.0.2", IN_CLUSTER).hostname == "a.db.default.svc.lab.example"


def test_host_ports_lead_to_the_pod() -> None:
    """Of all its containers; none in the node's own network."""
    made = Container(name="app")
    made.ports.add(containerPort=80, hostPort=8080, protocol="TCP")
    made.ports.add(containerPort=81)
    assert host_ports(pod(made), "10.0.0.2") == [HostPort("tcp", 8080, "10.0.0.2", 80)]
    assert host_ports(pod(made, hostNetwork=True), "10.0.0.2") == []


def test_sidecars_count_beside_everything() -> None:
    """The largest of init containers beside the sidecars before them, or all that stays."""

    def asks(name: str, cpu: str, **fields: Any) -> Container:
        made = Container(name=name, **fields)
        made.resources.requests["cpu"] = cpu
        return made

    made = pod(asks("app", "200m"))
    made.spec.initContainers.extend(
        [asks("first", "100m"), asks("side", "300m", restartPolicy="Always"), asks("big", "900m")]
    )
    assert pod_request(made, "cpu") == 1200


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({}, ""),
        ({"nodeSelector": {"zone": "a"}}, ""),
        ({"nodeSelector": {"zone": "b"}}, "NodeAffinity"),
        ({"overhead": {"memory": "9Gi"}}, "OutOfmemory"),
        ({"hostNetwork": True}, ""),
    ],
)
def test_admission(spec: dict[str, Any], reason: str) -> None:
    """The node's own last word."""
    node = Node(metadata={"name": "n1", "labels": {"zone": "a"}})
    node.status.allocatable.update({"cpu": "4", "memory": "8Gi", "pods": "2"})
    found = refusal(pod(**spec), [], node)
    assert (found.reason if found else "") == reason


def test_a_full_or_tainted_node_refuses() -> None:
    """Pods are counted; NoExecute taints must be tolerated, NoSchedule ones are the scheduler's."""
    node = Node(metadata={"name": "n1"})
    node.status.allocatable["pods"] = "1"
    full = refusal(pod(), [pod()], node)
    assert full is not None
    assert full.reason == "OutOfpods"
    node.spec.taints.add(key="k", value="v", effect="NoSchedule")
    assert refusal(pod(), [], node) is None
    node.spec.taints.add(key="k", value="v", effect="NoExecute")
    tainted = refusal(pod(), [], node)
    assert tainted is not None
    assert tainted.reason == "TaintToleration"
    assert refusal(pod(tolerations=[{"operator": "Exists"}]), [], node) is None


def test_verdicts_need_enough_in_a_row() -> None:
    """4h: failureThreshold failures, successThreshold successes."""
    judge = Judge(timing(Probe(failureThreshold=2, successThreshold=2)))
    samples = (False, True, False, False, True, True)
    assert [judge.observe(ok) for ok in samples] == [None, None, None, False, None, True]


def test_probe_defaults() -> None:
    """4h."""
    numbers = timing(Probe())
    assert (numbers.initial_delay, numbers.period, numbers.timeout) == (0, 10, 1)
    assert (numbers.success_threshold, numbers.failure_threshold) == (1, 3)


def test_the_bytes_of_the_health_service() -> None:
    """As protobuf would write and read them."""
    assert health.request("") == b""
    assert health.request("db") == b"\x0a\x02db"
    assert health.request("x" * 200)[:3] == b"\x0a\xc8\x01"
    assert [health.status(data) for data in (b"", b"\x08\x01", b"\x08\x02")] == [0, 1, 2]


def test_small_files_change_all_at_once(tmp_path: Path) -> None:
    """One rename; the old directory goes; nothing is written when nothing changed."""
    files = {"a": File(b"1"), "d/b": File(b"2", 0o400)}
    assert atomic.write(tmp_path, files)
    before = (tmp_path / "..data").readlink()
    assert not atomic.write(tmp_path, files)
    assert (tmp_path / "..data").readlink() == before
    assert (tmp_path / "d/b").read_bytes() == b"2"
    assert (tmp_path / "d/b").stat().st_mode & 0o777 == 0o400
    assert atomic.write(tmp_path, {"a": File(b"3")})
    present = (tmp_path / "..data").readlink().name
    assert {path.name for path in tmp_path.iterdir()} == {"a", "..data", present}
    assert (tmp_path / "a").read_bytes() == b"3"


def test_a_pod_of_a_subdomain_knows_its_full_name() -> None:
    pod = Pod()
    pod.metadata.name, pod.metadata.namespace = "db-0", "shop"
    assert "10.0.0.7\tdb-0\n" in hosts(pod, "10.0.0.7", "cluster.local")
    pod.spec.subdomain = "db"
    full = "db-0.db.shop.svc.cluster.local"
    assert f"10.0.0.7\t{full}\tdb-0\n" in hosts(pod, "10.0.0.7", "cluster.local")
    assert sandbox_spec(pod, 0, "10.0.0.7", NODE).hostname == "db-0"
    pod.spec.setHostnameAsFQDN = True
    assert sandbox_spec(pod, 0, "10.0.0.7", NODE).hostname == full
