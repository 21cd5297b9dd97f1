"""What a PodDisruptionBudget means, to the controller that keeps its status and to the server that takes from it."""

from datetime import datetime

from api import clock
from api.selectors import labels_from
from proto.v1.meta_pb2 import Condition
from proto.v1.pod_pb2 import Pod
from proto.v1.policy_pb2 import PodDisruptionBudget

ALLOWED = "DisruptionAllowed"  # a condition of a budget
FAILED = "SyncFailed"  # its reason when the pods could not be counted
TARGET = "DisruptionTarget"  # a condition of a pod: it is made to go, and by whom


def guards(budget: PodDisruptionBudget, pod: Pod) -> bool:
    """A budget without a selector guards nothing, one with an empty selector the whole namespace."""
    selector = budget.spec.selector if budget.spec.HasField("selector") else None
    return labels_from(selector).matches(pod.metadata.labels)


def allowed_condition(budget: PodDisruptionBudget, now: datetime) -> Condition:
    """What the status says in numbers, as a condition."""
    some = budget.status.disruptionsAllowed > 0
    return Condition(
        type=ALLOWED,
        status="True" if some else "False",
        reason="SufficientPods" if some else "InsufficientPods",
        observedGeneration=budget.status.observedGeneration,
        lastTransitionTime=clock.timestamp(now),
    )
