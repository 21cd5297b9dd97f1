"""Which Secrets a node may read because it serves Ingresses (S#33, S#90)."""

from typing import Any

import pytest

from api import kinds
from api.identities import NODES
from api.ingresses import CONTROLLER, SERVING, VETO
from api.rbac import Attributes
from control_plane.apiserver.authorization.authorizer import Authorizer
from control_plane.apiserver.authorization.ingresses import CLASS, INGRESS, NODE, IngressSecrets
from control_plane.apiserver.authorization.nodes import Nodes
from control_plane.apiserver.authorization.roles import Roles
from control_plane.apiserver.identity import User
from control_plane.apiserver.kinds import STRATEGIES
from control_plane.apiserver.stored import Stored
from control_plane.apiserver.watcher import Event
from tests.manifests import created

AGENT = User("system:node:n1", (NODES, "system:authenticated"))


def stored(obj: Any) -> Stored:
    kind = kinds.of(obj)
    key = kinds.key(kind, obj.metadata.namespace, obj.metadata.name)
    return Stored(STRATEGIES[kind], key, obj.SerializeToString(), 7)


def node(name: str = "n1", **labels: str) -> Stored:
    shown = {SERVING: "true"} | {key.replace("__", "/"): value for key, value in labels.items()}
    return stored(created("Node", {"metadata": {"name": name, "labels": shown}}))


def ingress(name: str, *secrets: str, of: str = "", namespace: str = "shop") -> Stored:
    spec = {"tls": [{"secretName": each} for each in secrets]}
    change: dict[str, Any] = {"metadata": {"name": name, "namespace": namespace}, "spec": spec}
    if of:
        change["spec"]["ingressClassName"] = of
    return stored(created("Ingress", change))


def a_class(name: str, controller: str) -> Stored:
    return stored(
        created("IngressClass", {"metadata": {"name": name}, "spec": {"controller": controller}})
    )


class World:
    def __init__(self) -> None:
        self.listener = IngressSecrets()
        self.authorizer = Authorizer(Roles(), Nodes(self.listener))
        for kind in (INGRESS, CLASS, NODE):
            self.listener.reset(kind, [])

    def put(self, new: Stored, old: Stored | None = None) -> None:
        self.listener.apply(kinds.of(new.decode()), Event(9, old, new))

    def drop(self, old: Stored) -> None:
        self.listener.apply(kinds.of(old.decode()), Event(9, old, None))

    def reads(self, name: str, verb: str = "watch", namespace: str = "shop") -> bool:
        asked = Attributes(verb, "", "secrets", "", namespace, name)
        return self.authorizer.decide(AGENT, asked).allowed


@pytest.fixture
def world() -> World:
    made = World()
    made.put(node())
    made.put(ingress("in", "cert", "more"))
    return made


def test_a_node_that_serves_reads_the_certificates_and_nothing_else(world: World) -> None:
    assert [world.reads(name) for name in ("cert", "more", "other")] == [True, True, False]
    assert [world.reads("cert", verb) for verb in ("get", "list", "watch")] == [True] * 3
    assert not any(world.reads("cert", verb) for verb in ("update", "delete", "create", "patch"))
    assert not world.reads("cert", namespace="default")
    assert not world.reads("", verb="list")
    asked = Attributes("get", "", "configmaps", "", "shop", "cert")
    assert not world.authorizer.decide(AGENT, asked).allowed


@pytest.mark.parametrize(
    "labels", [{SERVING: "false"}, {SERVING: ""}, {VETO: "false"}, {VETO: "false", SERVING: "true"}]
)
def test_a_node_that_does_not_serve_or_must_not_reads_none(
    world: World, labels: dict[str, str]
) -> None:
    world.put(node(**labels), node())
    assert not world.reads("cert")


def test_another_nodes_right_is_not_ones_own(world: World) -> None:
    world.drop(node())
    world.put(node("n2"))
    assert not world.reads("cert")


def test_what_no_ingress_names_any_more_is_closed_again(world: World) -> None:
    world.put(ingress("two", "cert"))
    world.put(ingress("in", "more"), ingress("in", "cert", "more"))
    assert world.reads("cert")
    world.drop(ingress("two", "cert"))
    assert (world.reads("cert"), world.reads("more")) == (False, True)
    world.listener.reset(INGRESS, [ingress("in", "new")])
    assert (world.reads("more"), world.reads("new")) == (False, True)


def test_an_ingress_of_another_class_opens_nothing(world: World) -> None:
    world.put(ingress("theirs", "theirs", of="nginx"))
    world.put(ingress("ours", "ours", of="public"))
    assert not world.reads("theirs")
    assert not world.reads("ours")
    public = a_class("public", CONTROLLER)
    world.put(public)
    assert (world.reads("ours"), world.reads("theirs"), world.reads("cert")) == (True, False, True)
    world.put(a_class("nginx", "nginx.org/ingress"))
    assert (world.reads("ours"), world.reads("theirs"), world.reads("cert")) == (True, False, False)
    world.drop(public)
    assert not world.reads("ours")
