"""What a ResourceQuota counts, to the server that charges it and to the controller that counts anew (S#26).

Every object uses something: itself (`count/deployments.apps`, `pods`), and a pod also what its containers ask for. A
quota is about an object if it names something that the object uses, and if the object is within its scopes. Pods that
have ended use nothing any more, except as objects (`count/pods`).
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from api import clock, kinds, services
from api.kinds import Kind
from api.podresources import Amounts, plus, pod_total
from api.quantity import NANO, Quantity
from proto.v1.limits_pb2 import ResourceQuota, ScopedResourceSelectorRequirement
from proto.v1.network_pb2 import Service
from proto.v1.pod_pb2 import Pod

ONE = Quantity(NANO)
COUNT = "count/"
# Kinds that may also be counted by their bare name.
BY_NAME = ("pods", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps",
           "persistentvolumeclaims")  # fmt: skip
COMPUTE = ("cpu", "memory", "ephemeral-storage")
NODE_PORTS, LOAD_BALANCERS = "services.nodeports", "services.loadbalancers"
OVER = ("Succeeded", "Failed")
# They come and go by themselves, without anybody having asked for them.
NEVER_COUNTED = ("events", "leases")


def counted(kind: Kind) -> bool:
    """Whether any quota may be about objects of this kind."""
    return kind.namespaced and kind.stored and kind.plural not in NEVER_COUNTED


def about(quota: ResourceQuota, kind: Kind) -> bool:
    """Whether it limits something that objects of this kind may use."""
    return any(_of_kind(name, kind) for name in quota.spec.hard)


def _of_kind(name: str, kind: Kind) -> bool:
    core = not kind.group
    if name == COUNT + kind.full_name or (core and name == kind.plural and name in BY_NAME):
        return True
    if core and kind.plural == "services":
        return name in (NODE_PORTS, LOAD_BALANCERS)
    return kind.message is Pod and (name in COMPUTE or name.startswith(("requests.", "limits.")))


def usage(kind: Kind, obj: Any, now: datetime) -> Amounts:
    """All that the object uses, whatever is limited."""
    used = {COUNT + kind.full_name: ONE}
    if kind.message is Pod:
        return used if is_over(obj, now) else {**used, **_pod_usage(obj)}
    if kind.plural in BY_NAME and not kind.group:
        used[kind.plural] = ONE
    if kind.plural == "services" and not kind.group:
        used |= _service_usage(obj)
    return used


def is_over(pod: Pod, now: datetime) -> bool:
    """It has ended, or should have long ago: a node that is away must not hold back the namespace's share."""
    if pod.status.phase in OVER:
        return True
    meta = pod.metadata
    if not meta.HasField("deletionTimestamp"):
        return False
    grace = timedelta(seconds=meta.deletionGracePeriodSeconds)
    return now > clock.to_datetime(meta.deletionTimestamp) + grace


def _pod_usage(pod: Pod) -> Amounts:
    used = {"pods": ONE}
    for name, amount in pod_total(pod.spec, "requests").items():
        used[f"requests.{name}"] = amount
        if name in COMPUTE:
            used[name] = amount
    for name, amount in pod_total(pod.spec, "limits").items():
        if name in COMPUTE:
            used[f"limits.{name}"] = amount
    return used


def _service_usage(service: Service) -> Amounts:
    """The ports that it has, or is about to get."""
    spec = service.spec
    used = {}
    if services.has_node_ports(spec):
        used[NODE_PORTS] = Quantity(len(spec.ports) * NANO)
    if spec.type == services.LOAD_BALANCER:
        used[LOAD_BALANCERS] = ONE
    return used


def charged(quota: ResourceQuota, kind: Kind, obj: Any, now: datetime) -> Amounts:
    """What this quota counts of this object."""
    if not about(quota, kind) or not in_scope(quota, obj):
        return {}
    hard = quota.spec.hard
    return {name: each for name, each in usage(kind, obj, now).items() if name in hard}


def total(quota: ResourceQuota, objects: Iterable[Any], now: datetime) -> Amounts:
    """What the quota's status should say: of every limit, how much there is."""
    used = dict.fromkeys(quota.spec.hard, Quantity(0))
    for obj in objects:
        used = plus(used, charged(quota, kinds.of(obj), obj, now))
    return used


def in_scope(quota: ResourceQuota, obj: Any) -> bool:
    """Scopes are about pods; a quota with scopes is about nothing else."""
    spec = quota.spec
    terms = [
        *(ScopedResourceSelectorRequirement(scopeName=s, operator="Exists") for s in spec.scopes),
        *spec.scopeSelector.matchExpressions,
    ]
    return all(isinstance(obj, Pod) and _holds(term, obj) for term in terms)


SCOPES: dict[str, Callable[[Pod], bool]] = {
    "Terminating": lambda pod: pod.spec.HasField("activeDeadlineSeconds"),
    "NotTerminating": lambda pod: not pod.spec.HasField("activeDeadlineSeconds"),
    "BestEffort": lambda pod: pod.status.qosClass == "BestEffort",
    "NotBestEffort": lambda pod: pod.status.qosClass != "BestEffort",
    "PriorityClass": lambda pod: bool(priority_class(pod)),
}
CONTRADICTIONS = (("Terminating", "NotTerminating"), ("BestEffort", "NotBestEffort"))


def priority_class(pod: Pod) -> str:
    """Its name; pods of a schema without priority classes have none."""
    return str(getattr(pod.spec, "priorityClassName", ""))


def _holds(term: ScopedResourceSelectorRequirement, pod: Pod) -> bool:
    if term.operator == "In":
        return priority_class(pod) in term.values
    if term.operator == "NotIn":
        return priority_class(pod) not in term.values
    return SCOPES[term.scopeName](pod) == (term.operator == "Exists")
