"""What the strategy of a kind has without being told, and that what it is told goes first."""

from dataclasses import fields

import pytest

from control_plane.apiserver import hooks
from control_plane.apiserver.strategy import Strategy, nothing
from proto.v1.cluster_pb2 import Lease, Node
from tests.manifests import read


def test_every_hook_can_be_given() -> None:
    assert hooks.Hooks.__annotations__.keys() | {"kind"} == {each.name for each in fields(Strategy)}


def test_the_status_of_a_new_object_is_dropped() -> None:
    node = read("Node", {"status": {"capacity": {"cpu": "1"}}})
    hooks.strategy(Node).prepare_create(node)
    assert not node.HasField("status")


def test_what_is_particular_goes_before_what_is_usual() -> None:
    node = read("Node", {"status": {"capacity": {"cpu": "1"}}})
    hooks.strategy(Node, prepare_create=nothing).prepare_create(node)
    assert node.status.capacity["cpu"] == "1"


def test_a_kind_without_a_status_is_left_alone() -> None:
    lease, before = read("Lease"), read("Lease")
    usual = hooks.strategy(Lease)
    usual.prepare_create(lease)
    usual.prepare_update(lease, read("Lease", {"metadata": {"labels": {"a": "b"}}}))
    assert lease == before


def test_rules_for_a_status_that_a_kind_has_not_are_refused() -> None:
    with pytest.raises(ValueError, match='Lease has no subresource "status"'):
        hooks.strategy(Lease, status=lambda new, old: ())
