"""What the cluster adds to new objects."""

from control_plane.apiserver.admission import amend
from proto.v1.cluster_pb2 import Namespace
from proto.v1.pod_pb2 import Pod, PodSpec, Toleration


def added(pod: Pod) -> dict[str, int]:
    amend(pod)
    return {each.key: each.tolerationSeconds for each in pod.spec.tolerations}


def test_a_pod_stays_five_minutes_on_a_node_that_fails() -> None:
    stays = {"node.kubernetes.io/not-ready": 300, "node.kubernetes.io/unreachable": 300}
    assert added(Pod()) == stays


def test_a_pod_that_says_otherwise_is_left_alone() -> None:
    mine = Toleration(key="node.kubernetes.io/not-ready", operator="Exists", tolerationSeconds=5)
    assert added(Pod(spec=PodSpec(tolerations=[mine])))["node.kubernetes.io/not-ready"] == 5
    everything = Toleration(operator="Exists")
    assert added(Pod(spec=PodSpec(tolerations=[everything]))) == {"": 0}


def test_priority_is_written_down() -> None:
    pod = Pod()
    amend(pod)
    assert pod.spec.HasField("priority")
    urgent = Pod(spec=PodSpec(priority=7))
    amend(urgent)
    assert urgent.spec.priority == 7


def test_other_kinds_are_left_alone() -> None:
    namespace = Namespace()
    amend(namespace)
    assert namespace == Namespace()
