"""Commands about services: what their words mean, and what is said of who stands behind one."""

from typing import Any

import pytest

from api.ingresses import DEFAULT_CLASS as DEFAULT
from cli.commands.portforward import Pair, read_pair
from cli.describe import network
from cli.errors import CommandError
from cli.pods import usefulness
from cli.why.service import reasons
from control_plane.apiserver.policies.ingressclass import default_of
from control_plane.controllers.endpointslice.endpoints import members
from control_plane.controllers.endpointslice.plan import plan
from proto.v1.network_pb2 import EndpointSlice, IngressClass, Service
from proto.v1.pod_pb2 import Pod
from tests.manifests import created


def service(**spec: Any) -> Service:
    made: Service = created("Service", {"spec": {"clusterIP": "10.96.0.20", **spec}})
    return made


def pod(name: str, ip: str = "10.244.0.5", *, ready: bool = True, node: str = "n1") -> Pod:
    ports = [{"name": "http", "containerPort": 8080}]
    containers = [{"name": "a", "image": "i:1", "ports": ports}]
    made: Pod = created(
        "Pod",
        {"metadata": {"name": name, "labels": {"app": "web"}}, "spec": {"containers": containers}},
    )
    made.metadata.uid, made.spec.nodeName = name, node
    made.status.podIP, made.status.phase = ip, "Running" if node else "Pending"
    made.status.conditions.add(type="Ready", status="True" if ready else "False")
    return made


def slices(of: Service, *pods: Pod) -> list[EndpointSlice]:
    return plan(of, members(of, pods, {}), []).create


PORTS = [
    {"name": "web", "port": 80, "targetPort": "http"},
    {"name": "admin", "port": 81, "targetPort": 9000},
]


@pytest.mark.parametrize(
    ("word", "pair"),
    [
        ("80", Pair(80, 8080)),
        ("8000:80", Pair(8000, 8080)),
        (":web", Pair(0, 8080)),
        ("admin", Pair(81, 9000)),
    ],
)
def test_ports_of_a_service_lead_to_those_of_its_pod(word: str, pair: Pair) -> None:
    assert read_pair(word, pod("p"), service(ports=PORTS)) == pair


def test_a_headless_service_hides_no_port() -> None:
    assert read_pair("5432", pod("p"), service(clusterIP="None", ports=None)) == Pair(5432, 5432)


def test_a_port_that_the_service_has_not_is_told_with_those_it_has() -> None:
    with pytest.raises(
        CommandError, match=r"does not have a service port 82 .*80 \(web\), 81 \(admin\)"
    ):
        read_pair("82", pod("p"), service(ports=PORTS))


def test_a_description_shows_who_stands_behind_it_and_why_another_does_not() -> None:
    of, pods = service(), [pod("a"), pod("b", "10.244.0.6", ready=False), pod("c", "", node="")]
    told = "\n".join(network.describe_service(of, slices(of, *pods), pods))
    assert "Endpoints:                10.244.0.5:80\n" in told
    behind = [line.split(maxsplit=3) for line in told.partition("Behind it:\n")[2].splitlines()]
    assert behind[2:] == [
        ["a", "10.244.0.5", "n1", "ready"],
        ["b", "10.244.0.6", "n1", "not ready: It runs on node n1, but is not ready."],
        ["c", "<none>", "<none>", "missing: No scheduler has looked at it yet."],
    ]


@pytest.mark.parametrize(
    ("of", "pods", "told"),
    [
        (service(), [], "No pod in namespace default has the labels that it selects: app=web."),
        (
            service(selector=None),
            [],
            "It has no selector, and nobody has made EndpointSlices for it",
        ),
        (service(), [pod("a")], "Nothing is wrong: all of its 1 pod(s) are ready."),
        (service(), [pod("a"), pod("b", ready=False)], "1 of 2 pod(s) answer at it."),
        (
            service(type="ExternalName", externalName="db.example.com", clusterIP="", ports=None),
            [],
            "It is another name for db.example.com",
        ),
    ],
)
def test_why_nobody_answers(of: Service, pods: list[Pod], told: str) -> None:
    made = slices(of, *pods) if of.spec.selector and pods else []
    assert reasons(of, made, pods, {})[0].startswith(told)


def test_the_newest_of_the_marked_classes_is_the_default() -> None:
    def marked(name: str, seconds: int, value: str = "true") -> IngressClass:
        made: IngressClass = created(
            "IngressClass", {"metadata": {"name": name, "annotations": {DEFAULT: value}}}
        )
        made.metadata.creationTimestamp.seconds = seconds
        return made

    assert default_of([marked("a", 1), marked("b", 2), marked("c", 3, "false")]) == "b"
    assert default_of([marked("b", 1), marked("a", 1)]) == "a"
    assert default_of([marked("a", 1, "no")]) == ""


def test_a_pod_that_is_being_deleted_is_the_last_choice() -> None:
    old, new = pod("old"), pod("new", ready=False)
    assert min(old, new, key=usefulness) is old
    old.metadata.deletionTimestamp.seconds = 1
    assert min(old, new, key=usefulness) is new
