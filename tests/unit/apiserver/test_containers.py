"""Which container a stream goes to, and the sentences when it cannot."""

from contextlib import nullcontext
from typing import Any

import pytest

from api.errors import BadRequest
from control_plane.apiserver import containers
from proto.v1.cluster_pb2 import Node
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.pod_pb2 import Pod


def pod(*names: str, inits: Any = (), default: str = "") -> Pod:
    made = Pod(metadata=ObjectMeta(name="web", namespace="default"))
    for name in names:
        made.spec.containers.add(name=name)
    for name in inits:
        made.spec.initContainers.add(name=name)
    if default:
        made.metadata.annotations[containers.DEFAULT_CONTAINER] = default
    return made


@pytest.mark.parametrize(
    ("made", "wanted", "found"),
    [
        (pod("app"), "", "app"),
        (pod("app", inits=["init"]), "", "app"),
        (pod("a", "b"), "b", "b"),
        (pod("a", "b", inits=["init"]), "init", "init"),
        (pod("a", "b", default="b"), "", "b"),
        (pod("a", "b", default="b"), "a", "a"),
    ],
)
def test_the_container_is_found(made: Pod, wanted: str, found: str) -> None:
    assert containers.container_of(made, wanted) == found


@pytest.mark.parametrize(
    ("made", "wanted", "told"),
    [
        (
            pod("a", "b"),
            "",
            "a container name must be specified for pod web, choose one of: [a b]",
        ),
        (
            pod("a", "b", inits=["i"]),
            "",
            "a container name must be specified for pod web, choose one of: [a b] "
            "or one of the init containers: [i]",
        ),
        (pod("a"), "x", "container x is not valid for pod web, choose one of: [a]"),
        (
            pod("a", "b", default="x"),
            "",
            "container x is not valid for pod web, choose one of: [a b]",
        ),
    ],
)
def test_or_the_choice_is_told(made: Pod, wanted: str, told: str) -> None:
    with pytest.raises(BadRequest) as caught:
        containers.container_of(made, wanted)
    assert caught.value.message == told


def with_state(state: str, *, before: bool = False) -> Pod:
    made = pod("app")
    status = made.status.containerStatuses.add(name="app")
    if state == "waiting":
        status.state.waiting.reason = "ImagePullBackOff"
    elif state:
        getattr(status.state, state).SetInParent()
    if before:
        status.lastState.terminated.exitCode = 1
    return made


@pytest.mark.parametrize(
    ("made", "previous", "told"),
    [
        (with_state("running"), False, ""),
        (with_state("terminated"), False, ""),
        (with_state("waiting", before=True), False, ""),
        (with_state("running", before=True), True, ""),
        (
            with_state("waiting"),
            False,
            'container "app" in pod "web" is waiting to start: ImagePullBackOff',
        ),
        (pod("app"), False, 'container "app" in pod "web" is waiting to start: ContainerCreating'),
        (with_state("running"), True, 'previous terminated container "app" in pod "web" not found'),
    ],
)
def test_whether_there_are_logs(made: Pod, previous: bool, told: str) -> None:
    with pytest.raises(BadRequest) if told else nullcontext() as caught:
        containers.check_logs(made, "app", previous=previous)
    if caught is not None:
        assert caught.value.message.startswith(told)


def test_exec_needs_something_that_runs() -> None:
    containers.check_exec(with_state("running"), "app")
    with pytest.raises(BadRequest, match="is not running"):
        containers.check_exec(with_state("terminated"), "app")
    ended = with_state("terminated")
    ended.status.phase = "Succeeded"
    with pytest.raises(BadRequest, match="completed pod; current phase is Succeeded"):
        containers.check_exec(ended, "app")


def test_a_pod_that_was_not_scheduled_says_why() -> None:
    waiting = pod("app")
    waiting.status.conditions.add(type="PodScheduled", message="0/3 nodes are available")
    with pytest.raises(BadRequest, match=r"not been scheduled yet \(0/3 nodes are available\)"):
        containers.node_of(waiting)


def test_where_the_agent_is() -> None:
    node = Node(metadata=ObjectMeta(name="n1"))
    with pytest.raises(BadRequest, match="has not said where its agent listens"):
        containers.agent_address(node)
    node.status.daemonEndpoints.kubeletEndpoint.Port = 10250
    node.status.addresses.add(type="Hostname", address="n1")
    node.status.addresses.add(type="InternalIP", address="10.0.0.5")
    assert containers.agent_address(node) == "10.0.0.5:10250"
    node.status.addresses[1].address = "fd00::5"
    assert containers.agent_address(node) == "[fd00::5]:10250"
