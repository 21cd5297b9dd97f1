"""What may be changed in a pod that exists: almost nothing. A pod is replaced, not altered.

The method is Kubernetes': take the new spec, undo the changes that are allowed, and whatever still differs from
the old one is refused by name.
"""

from collections.abc import Sequence

from api.errors import Cause
from control_plane.apiserver.validation import causes
from control_plane.apiserver.validation.containers import validate_image
from control_plane.apiserver.validation.differences import differences
from control_plane.apiserver.validation.formats import ip
from control_plane.apiserver.validation.pod import validate_pod_spec
from proto.v1.pod_pb2 import Container, ContainerStatus, NodeSelector, Pod, PodSpec, Toleration

_ALLOWED = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def validate_pod_update(new: Pod, old: Pod) -> list[Cause]:
    """All that is wrong with turning old into new, beyond metadata."""
    if new.spec == old.spec:
        return []
    found = []
    for name in ("containers", "initContainers"):
        if len(getattr(new.spec, name)) != len(getattr(old.spec, name)):
            told = "pod updates may not add or remove containers"
            found.append(causes.forbidden(f"spec.{name}", told))
    if found:
        return found
    found = _images(new.spec)
    found += _deadline(new.spec, old.spec)
    found += _tolerations(new.spec.tolerations, old.spec.tolerations)
    found += _gates(new.spec, old.spec)
    return found + _rest(new.spec, old.spec)


def validate_pod_status(new: Pod, old: Pod) -> list[Cause]:
    """All that is wrong with a node's report, beyond the rules of single fields."""
    found: list[Cause] = []
    if new.status.qosClass != old.status.qosClass:
        place = "status.qosClass"
        found.append(causes.invalid(place, new.status.qosClass, "field is immutable"))
    for name in ("podIPs", "hostIPs"):
        for index, address in enumerate(getattr(new.status, name)):
            place = f"status.{name}[{index}].ip"
            found += [causes.invalid(place, address.ip, problem) for problem in ip(address.ip)]
    for name in ("containerStatuses", "initContainerStatuses"):
        before, after = getattr(old.status, name), getattr(new.status, name)
        found += _revived(after, before, old.spec, f"status.{name}")
    return found


def _images(spec: PodSpec) -> list[Cause]:
    found: list[Cause] = []
    for name in ("containers", "initContainers"):
        containers: Sequence[Container] = getattr(spec, name)
        for index, container in enumerate(containers):
            found += validate_image(container, f"spec.{name}[{index}]")
    return found


def _deadline(new: PodSpec, old: PodSpec) -> list[Cause]:
    if not old.HasField("activeDeadlineSeconds"):
        return []
    place = "spec.activeDeadlineSeconds"
    if not new.HasField("activeDeadlineSeconds"):
        told = "must not update from a positive integer to nil value"
        return [Cause(place, f"Invalid value: {told}")]
    if new.activeDeadlineSeconds > old.activeDeadlineSeconds:
        told = "must be less than or equal to previous value"
        return [causes.invalid(place, new.activeDeadlineSeconds, told)]
    return []


def _tolerations(new: Sequence[Toleration], old: Sequence[Toleration]) -> list[Cause]:
    """Each old one must still be there; only its seconds may differ."""
    kept = [_without_seconds(toleration) for toleration in new]
    if all(_without_seconds(toleration) in kept for toleration in old):
        return []
    told = "existing toleration can not be modified except its tolerationSeconds"
    return [causes.forbidden("spec.tolerations", told)]


def _without_seconds(toleration: Toleration) -> Toleration:
    bare = Toleration()
    bare.CopyFrom(toleration)
    bare.ClearField("tolerationSeconds")
    return bare


def _gates(new: PodSpec, old: PodSpec) -> list[Cause]:
    before = {gate.name for gate in old.schedulingGates}
    return [
        causes.forbidden(
            f"spec.schedulingGates[{index}].name",
            f"only deletion is allowed, but found new scheduling gate '{gate.name}'",
        )
        for index, gate in enumerate(new.schedulingGates)
        if gate.name not in before
    ]


def _rest(new: PodSpec, old: PodSpec) -> list[Cause]:
    undone = PodSpec()
    undone.CopyFrom(new)
    _undo_allowed(undone, old)
    if old.schedulingGates:
        _undo_narrowing(undone, old)
        if undone == old:  # a place to run at is chosen anew, so it is judged anew
            return validate_pod_spec(new)
    if undone == old:
        return []
    changed = ", ".join(differences(undone, old, "spec"))
    return [causes.forbidden("spec", f"{_ALLOWED}; changed: {changed}")]


def _undo_allowed(spec: PodSpec, old: PodSpec) -> None:
    for ours, theirs in (
        *zip(spec.containers, old.containers, strict=True),
        *zip(spec.initContainers, old.initContainers, strict=True),
    ):
        ours.image = theirs.image
    if spec.terminationGracePeriodSeconds == 1 and old.terminationGracePeriodSeconds < 0:
        spec.terminationGracePeriodSeconds = old.terminationGracePeriodSeconds
    for name in ("activeDeadlineSeconds", "tolerations", "schedulingGates"):
        spec.ClearField(name)  # judged on their own above
    if old.HasField("activeDeadlineSeconds"):
        spec.activeDeadlineSeconds = old.activeDeadlineSeconds
    spec.tolerations.extend(old.tolerations)
    spec.schedulingGates.extend(old.schedulingGates)


def _undo_narrowing(spec: PodSpec, old: PodSpec) -> None:
    """While gated, a pod may be made choosier about its node (KEP-3838), never less."""
    if all(spec.nodeSelector.get(key) == value for key, value in old.nodeSelector.items()):
        spec.ClearField("nodeSelector")
        spec.nodeSelector.update(old.nodeSelector)
    node, before = spec.affinity.nodeAffinity, old.affinity.nodeAffinity
    name = "requiredDuringSchedulingIgnoredDuringExecution"
    was_free = not before.HasField("requiredDuringSchedulingIgnoredDuringExecution")
    if was_free or _narrower(getattr(node, name), getattr(before, name)):
        spec.affinity.ClearField("nodeAffinity")
        if old.affinity.HasField("nodeAffinity"):
            spec.affinity.nodeAffinity.CopyFrom(before)
    if not old.HasField("affinity") and not spec.affinity.ListFields():
        spec.ClearField("affinity")


def _narrower(new: NodeSelector, old: NodeSelector) -> bool:
    """Whether each term has only gained conditions."""
    if len(new.nodeSelectorTerms) != len(old.nodeSelectorTerms):
        return False
    return all(
        list(ours.matchExpressions)[: len(theirs.matchExpressions)] == list(theirs.matchExpressions)
        and list(ours.matchFields)[: len(theirs.matchFields)] == list(theirs.matchFields)
        for ours, theirs in zip(new.nodeSelectorTerms, old.nodeSelectorTerms, strict=True)
    )


def _final(spec: PodSpec) -> set[str]:
    """The containers whose end may be final: not those that are always started again, nor sidecars."""
    if spec.restartPolicy == "Always":
        return set()
    containers = (*spec.containers, *spec.initContainers)
    return {container.name for container in containers if container.restartPolicy != "Always"}


def _ended_for_good(status: ContainerStatus, spec: PodSpec) -> bool:
    if not status.state.HasField("terminated"):
        return False
    return spec.restartPolicy == "Never" or status.state.terminated.exitCode == 0


def _revived(
    new: Sequence[ContainerStatus], old: Sequence[ContainerStatus], spec: PodSpec, path: str
) -> list[Cause]:
    after = {status.name: (index, status) for index, status in enumerate(new)}
    final = _final(spec)
    found = []
    for before in old:
        if before.name not in final or not _ended_for_good(before, spec):
            continue
        index, now = after.get(before.name, (0, before))
        if not now.state.HasField("terminated"):
            told = "may not be transitioned to non-terminated state"
            found.append(causes.forbidden(f"{path}[{index}].state", told))
    return found
