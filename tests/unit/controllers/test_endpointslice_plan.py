"""Which EndpointSlices show who stands behind a Service, as tables; and for any history, with few writes (S#85, S#86)."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api import services
from control_plane.controllers import owners
from control_plane.controllers.endpointslice.endpoints import concerns, members
from control_plane.controllers.endpointslice.plan import FULL, Plan, plan
from proto.v1.network_pb2 import Endpoint, EndpointSlice, Service
from proto.v1.pod_pb2 import Pod
from tests.manifests import created

ZONES = {"n1": "a"}


def service(**spec: Any) -> Service:
    made: Service = created("Service", {"spec": spec})
    made.metadata.uid = "s1"
    return made


def pod(
    name: str = "p1",
    *,
    ip: str = "10.244.0.5",
    ready: bool = True,
    phase: str = "Running",
    ending: bool = False,
    **spec: Any,
) -> Pod:
    made: Pod = created("Pod", {"metadata": {"name": name}, "spec": {"nodeName": "n1", **spec}})
    made.metadata.uid = name
    made.status.phase, made.status.podIP = phase, ip
    made.status.conditions.add(type="Ready", status="True" if ready else "False")
    if ending:
        made.metadata.deletionTimestamp.seconds = 1
    return made


def endpoint(one: Pod, **spec: Any) -> Endpoint:
    [member] = members(service(**spec), [one], ZONES)
    return member.endpoint


# One pod


def test_a_pod_becomes_an_endpoint() -> None:
    made = endpoint(pod())
    assert list(made.addresses) == ["10.244.0.5"]
    assert (made.nodeName, made.zone, made.HasField("hostname")) == ("n1", "a", False)
    target = made.targetRef
    assert (target.kind, target.namespace, target.name, target.uid) == (
        "Pod",
        "default",
        "p1",
        "p1",
    )


@pytest.mark.parametrize(
    ("one", "spec", "conditions"),
    [
        (pod(), {}, (True, True, False)),
        (pod(ready=False), {}, (False, False, False)),
        (pod(ending=True), {}, (False, True, True)),
        (pod(ending=True, ready=False), {}, (False, False, True)),
        (pod(ready=False), {"publishNotReadyAddresses": True}, (True, False, False)),
        (pod(ending=True, ready=False), {"publishNotReadyAddresses": True}, (True, False, True)),
    ],
)
def test_conditions(one: Pod, spec: dict[str, Any], conditions: tuple[bool, ...]) -> None:
    """Ready, serving, terminating."""
    made = endpoint(one, **spec).conditions
    assert (made.ready, made.serving, made.terminating) == conditions


@pytest.mark.parametrize("one", [pod(ip=""), pod(phase="Succeeded"), pod(phase="Failed")])
def test_a_pod_without_an_address_or_that_has_ended_is_none(one: Pod) -> None:
    assert list(members(service(), [one], ZONES)) == []


@pytest.mark.parametrize(("subdomain", "hostname"), [("web", "db-0"), ("other", "")])
def test_a_pod_has_a_name_below_the_service_that_it_names(subdomain: str, hostname: str) -> None:
    made = endpoint(pod(hostname="db-0", subdomain=subdomain), clusterIP="None")
    assert made.hostname == hostname


def ports_of(one: Pod, *ports: dict[str, Any]) -> list[tuple[str, str, int]]:
    [member] = members(service(ports=list(ports)), [one], {})
    return [port[:3] for port in member.ports]


def test_named_ports_are_looked_up_in_the_pod() -> None:
    def container(title: str, **port: Any) -> dict[str, Any]:
        return {"name": title, "image": "i:1", "ports": [port]}

    one = pod(
        containers=[container("a", name="http", containerPort=8080)],
        initContainers=[
            {"restartPolicy": "Always", **container("side", name="admin", containerPort=9000)},
            container("init", name="gone", containerPort=7000),
        ],
    )
    asked = [
        {"name": "web", "port": 80, "targetPort": "http"},
        {"name": "plain", "port": 81},
        {"name": "side", "port": 82, "targetPort": "admin"},
        {"name": "init", "port": 83, "targetPort": "gone"},
        {"name": "udp", "port": 80, "targetPort": "http", "protocol": "UDP"},
    ]
    assert ports_of(one, *asked) == [
        ("web", "TCP", 8080),
        ("plain", "TCP", 81),
        ("side", "TCP", 9000),
    ]


@pytest.mark.parametrize(
    ("change", "is_news"),
    [
        (pod(), False),
        (pod(ready=False), True),
        (pod(ip="10.244.0.6"), True),
        (pod(ending=True), True),
        (pod(phase="Failed"), True),
    ],
)
def test_most_reports_of_a_node_are_no_news(change: Pod, is_news: bool) -> None:
    change.status.startTime.seconds = 5
    assert concerns(pod(), change) is is_news


def test_another_label_is_news() -> None:
    other = pod()
    other.metadata.labels["app"] = "other"
    assert concerns(pod(), other)


# Slices


class Slices:
    """What is stored, as plans are carried out."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.there: dict[str, EndpointSlice] = {}
        self.writes = 0

    def show(self, *pods: Pod) -> Plan:
        chosen = members(self.service, pods, ZONES)
        todo = plan(self.service, chosen, list(self.there.values()), self.there.__contains__)
        for slice in (*todo.create, *todo.update):
            assert (slice.metadata.name in self.there) == (slice in todo.update)
            self.there[slice.metadata.name] = slice
        for slice in todo.delete:
            del self.there[slice.metadata.name]
        self.writes = len(todo.create) + len(todo.update) + len(todo.delete)
        return todo

    @property
    def sizes(self) -> list[int]:
        return sorted(len(slice.endpoints) for slice in self.there.values())

    @property
    def addresses(self) -> list[str]:
        found = [a for s in self.there.values() for each in s.endpoints for a in each.addresses]
        return sorted(found)


def many(count: int, first: int = 0) -> list[Pod]:
    return [
        pod(f"p{n:04}", ip=f"10.244.{n // 200}.{n % 200 + 1}") for n in range(first, first + count)
    ]


def test_a_slice_says_whose_it_is() -> None:
    slices = Slices(service(clusterIP="None"))
    slices.service.metadata.labels.update({"team": "a", services.MANAGED_BY: "me"})
    slices.show(pod())
    [slice] = slices.there.values()
    assert dict(slice.metadata.labels) == {
        "team": "a",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "service.kubernetes.io/headless": "",
    }
    assert slice.metadata.name.startswith("web-")
    assert owners.is_managed_by(slice, slices.service)
    assert slice.metadata.ownerReferences[0].blockOwnerDeletion
    assert [(port.name, port.protocol, port.port) for port in slice.ports] == [("", "TCP", 80)]


def test_nobody_is_shown_as_one_empty_slice() -> None:
    slices = Slices(service())
    slices.show()
    assert (slices.sizes, slices.writes) == ([0], 1)
    slices.show()
    assert slices.writes == 0
    name = next(iter(slices.there))
    slices.show(pod())
    assert (slices.sizes, slices.writes, list(slices.there)) == ([1], 1, [name])
    slices.show()
    assert (slices.sizes, slices.writes, list(slices.there)) == ([0], 1, [name])


def test_slices_are_filled_and_one_change_rewrites_one() -> None:
    slices, pods = Slices(service()), many(250)
    slices.show(*pods)
    assert (slices.sizes, slices.writes) == ([50, 100, 100], 3)
    pods[120] = pod("p0120", ip="10.244.0.121", ready=False)
    slices.show(*pods)
    assert slices.writes == 1
    slices.show(*pods[1:])
    assert (slices.sizes, slices.writes) == ([50, 99, 100], 1)
    slices.show(*pods[1:], *many(10, 300))
    assert (slices.sizes, slices.writes) == ([60, 99, 100], 1), "they go where all have room"


def test_who_replaces_another_goes_where_that_one_was() -> None:
    slices, pods = Slices(service()), many(150)
    slices.show(*pods)
    slices.show(*pods[1:], *many(1, 300))
    assert (slices.sizes, slices.writes) == ([50, 100], 1)


def test_newcomers_that_fit_nowhere_get_a_slice_of_their_own() -> None:
    slices, pods = Slices(service()), many(160)
    slices.show(*pods)
    slices.show(*pods, *many(50, 300))
    assert (slices.sizes, slices.writes) == ([50, 60, 100], 1)


def test_pods_whose_named_ports_differ_are_in_different_slices() -> None:
    def on(name: str, port: int) -> Pod:
        ports = [{"name": "http", "containerPort": port}]
        return pod(
            name,
            ip=f"10.244.1.{port % 100}",
            containers=[{"name": "a", "image": "i:1", "ports": ports}],
        )

    slices = Slices(service(ports=[{"port": 80, "targetPort": "http"}]))
    slices.show(on("a", 8080), on("b", 8081), on("c", 8080))
    assert slices.sizes == [1, 2]
    slices.show(on("a", 8081), on("b", 8081), on("c", 8081))
    assert (slices.sizes, slices.writes) == ([3], 2)


def test_what_others_wrote_is_left_or_put_right() -> None:
    slices = Slices(service())
    slices.show(pod())
    [slice] = slices.there.values()
    slice.endpoints.add(addresses=["192.0.2.1"])
    slice.metadata.labels["team"] = "b"
    slices.show(pod())
    assert (slices.addresses, slices.writes) == (["10.244.0.5"], 1)
    assert "team" not in next(iter(slices.there.values())).metadata.labels


def test_a_service_that_had_the_name_before_leaves_nothing() -> None:
    slices = Slices(service())
    slices.show(pod())
    slices.service.metadata.uid = "s2"
    before = set(slices.there)
    slices.show(pod())
    assert slices.sizes == [1]
    assert not before & set(slices.there)


@pytest.mark.parametrize(
    "spec",
    [{"selector": None}, {"type": "ExternalName", "externalName": "a.example.com", "ports": None}],
)
def test_who_needs_no_slices_of_ours_has_none(spec: dict[str, Any]) -> None:
    slices = Slices(service())
    slices.show(pod())
    slices.service = service(**spec)
    slices.show()
    assert slices.there == {}


def test_a_name_that_somebody_else_has_is_passed_over() -> None:
    first, second = Slices(service()), Slices(service())
    first.show(pod())
    [taken] = first.there
    todo = plan(second.service, members(second.service, [pod()], ZONES), [], {taken}.__contains__)
    assert todo.create[0].metadata.name != taken


# Any history

steps = st.lists(
    st.tuples(
        st.sampled_from(["come", "go", "change", "move"]), st.integers(0, 30), st.integers(1, 90)
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_slices_always_show_just_those_who_are_there(history: list[tuple[str, int, int]]) -> None:
    slices, there, born = (
        Slices(service(ports=[{"port": 80, "targetPort": "http"}])),
        dict[str, Pod](),
        0,
    )

    def make(number: int, *, ready: bool = True, port: int = 80) -> Pod:
        named = [{"name": "http", "containerPort": port}]
        containers = [{"name": "a", "image": "i:1", "ports": named}]
        ip = f"10.244.{number // 200}.{number % 200 + 1}"
        return pod(f"p{number:04}", ip=ip, ready=ready, containers=containers)

    for what, which, count in history:
        if what == "come":
            for number in range(born, born + count):
                there[f"p{number:04}"] = make(number, port=80 + which % 2)
            born += count
        for name in list(there)[which : which + count] if what != "come" else []:
            number = int(name[1:])
            if what == "go":
                del there[name]
            else:
                there[name] = make(number, ready=False, port=80 + (what == "move"))
        slices.show(*there.values())
        assert slices.addresses == sorted(each.status.podIP for each in there.values())
        assert all(size <= FULL for size in slices.sizes)
        assert 0 not in slices.sizes or slices.sizes == [0]
        ports = {
            each.endpoints[0].targetRef.uid: each
            for each in slices.there.values()
            if each.endpoints
        }
        assert all(len({p.port for p in each.ports}) == 1 for each in ports.values())
        slices.show(*there.values())
        assert slices.writes == 0, "nothing has changed"


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 450), st.data())
def test_one_change_is_one_write(count: int, data: st.DataObject) -> None:
    slices, pods = Slices(service()), many(count)
    slices.show(*pods)
    which = data.draw(st.integers(0, count - 1))
    changed = pod(f"p{which:04}", ip=pods[which].status.podIP, ready=False)
    slices.show(*pods[:which], changed, *pods[which + 1 :])
    assert slices.writes == 1
    slices.show(*pods[:which], *pods[which + 1 :])
    assert slices.writes == 1
    assert Counter(slices.addresses).total() == count - 1
