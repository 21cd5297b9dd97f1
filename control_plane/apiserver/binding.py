"""Putting a pod on a node: once, and for good."""

from api import clock, kinds
from api.errors import BadRequest, Cause, Invalid
from control_plane.apiserver import refusals
from proto.v1.pod_pb2 import Binding, Pod

POD = kinds.of(Pod)


def check(binding: Binding) -> None:
    """Raises Invalid: it names no node."""
    causes = []
    if binding.target.kind not in ("", "Node"):
        told = f'Unsupported value: "{binding.target.kind}": supported values: "Node"'
        causes.append(Cause("target.kind", told, "FieldValueNotSupported"))
    if not binding.target.name:
        causes.append(Cause("target.name", "Required value", "FieldValueRequired"))
    if causes:
        raise Invalid.because("Binding", binding.metadata.name, causes)
    if not binding.metadata.name:
        raise BadRequest("a binding must name its pod")


def bind(pod: Pod, binding: Binding) -> None:
    """Change the pod. Raises Conflict: it is another pod, it is going, or it is bound already."""
    meta, wanted = pod.metadata, binding.metadata
    if wanted.uid and wanted.uid != meta.uid:
        raise refusals.precondition(POD, meta.name, "UID", wanted.uid, meta.uid)
    if wanted.resourceVersion and wanted.resourceVersion != meta.resourceVersion:
        raise refusals.conflict(POD, meta.name, subresource="binding")
    if why := _refusal(pod):
        raise refusals.conflict(POD, meta.name, why, "binding")
    pod.spec.nodeName = binding.target.name
    meta.annotations.update(wanted.annotations)
    meta.labels.update(wanted.labels)
    _scheduled(pod)


def _refusal(pod: Pod) -> str:
    name = pod.metadata.name
    if pod.metadata.HasField("deletionTimestamp"):
        return f"pod {name} is being deleted, cannot be assigned to a host"
    if pod.spec.nodeName:
        return f'pod {name} is already assigned to node "{pod.spec.nodeName}"'
    if pod.spec.schedulingGates:
        return f"pod {name} has non-empty .spec.schedulingGates"
    return ""


def _scheduled(pod: Pod) -> None:
    """The condition PodScheduled becomes True; what the scheduler complained about is no longer so."""
    found = [each for each in pod.status.conditions if each.type == "PodScheduled"]
    condition = found[0] if found else pod.status.conditions.add(type="PodScheduled")
    if condition.status != "True":
        condition.status = "True"
        condition.lastTransitionTime.CopyFrom(clock.timestamp())
    condition.reason = condition.message = ""
