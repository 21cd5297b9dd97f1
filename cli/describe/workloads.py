"""ReplicaSets, Deployments and DaemonSets in words, with what they have made."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from api.selectors import labels_from
from cli.describe.lines import NONE, Field, fields, identity, map_lines, marks, moment, table
from cli.describe.template import template_lines

HASH_LABEL = (
    "pod-template-hash"  # what a Deployment adds to the template of each of its ReplicaSets
)


def controlled_by(owner: Any, objects: Iterable[Any]) -> list[Any]:
    """Those that this very owner keeps."""
    uid = owner.metadata.uid
    return [
        obj
        for obj in objects
        if any(each.controller and each.uid == uid for each in obj.metadata.ownerReferences)
    ]


def describe_replicaset(replicaset: Any, pods: Sequence[Any]) -> list[str]:
    spec, status, meta = replicaset.spec, replicaset.status, replicaset.metadata
    rows: list[Field] = [
        *identity(meta),
        ("Selector", selector_text(spec.selector)),
        *marks(meta),
        *controller(meta),
        ("Replicas", f"{status.replicas} current / {spec.replicas} desired"),
        ("Pods Status", phases(pods)),
    ]
    return [*fields(rows), *template_lines(spec.template), *conditions(status.conditions)]


def describe_deployment(deployment: Any, replicasets: Sequence[Any]) -> list[str]:
    spec, meta = deployment.spec, deployment.metadata
    rows: list[Field] = [
        *identity(meta),
        ("CreationTimestamp", moment(meta.creationTimestamp)),
        *marks(meta),
        ("Selector", selector_text(spec.selector)),
        ("Replicas", _replicas(deployment)),
        ("StrategyType", spec.strategy.type),
        ("MinReadySeconds", str(spec.minReadySeconds)),
    ]
    if spec.strategy.HasField("rollingUpdate"):
        rows.append(("RollingUpdateStrategy", _bounds(spec.strategy.rollingUpdate)))
    lines = [*fields(rows), *template_lines(spec.template)]
    lines += conditions(deployment.status.conditions)
    new = newest(deployment, replicasets)
    old = [each for each in replicasets if each is not new]
    return lines + fields(
        [
            ("OldReplicaSets", _created(sorted(old, key=_age))),
            ("NewReplicaSet", _created([new] if new is not None else [])),
        ]
    )


def describe_daemonset(daemonset: Any, pods: Sequence[Any]) -> list[str]:
    spec, status, meta = daemonset.spec, daemonset.status, daemonset.metadata
    rows: list[Field] = [
        *identity(meta),
        ("Selector", selector_text(spec.selector)),
        ("Node-Selector", map_lines(spec.template.spec.nodeSelector)),
        *marks(meta),
    ]
    counts = [
        f"Desired Number of Nodes Scheduled: {status.desiredNumberScheduled}",
        f"Current Number of Nodes Scheduled: {status.currentNumberScheduled}",
        f"Number of Nodes Scheduled with Up-to-date Pods: {status.updatedNumberScheduled}",
        f"Number of Nodes Scheduled with Available Pods: {status.numberAvailable}",
        f"Number of Nodes Misscheduled: {status.numberMisscheduled}",
    ]
    lines = [*fields(rows), *counts, *fields([("Pods Status", phases(pods))])]
    return [*lines, *template_lines(spec.template)]


def newest(deployment: Any, replicasets: Sequence[Any]) -> Any | None:
    """The ReplicaSet of the present template: the oldest, should several have it."""
    wanted = bare(deployment.spec.template)
    same = [each for each in replicasets if bare(each.spec.template) == wanted]
    return min(same, key=_age, default=None)


def selector_text(selector: Any) -> str:
    return str(labels_from(selector)) or NONE


def controller(meta: Any) -> list[Field]:
    return [
        ("Controlled By", f"{each.kind}/{each.name}")
        for each in meta.ownerReferences
        if each.controller
    ]


def phases(pods: Iterable[Any]) -> str:
    count = Counter(pod.status.phase for pod in pods)
    return (
        f"{count['Running']} Running / {count['Pending']} Waiting / "
        f"{count['Succeeded']} Succeeded / {count['Failed']} Failed"
    )


def conditions(listed: Sequence[Any]) -> list[str]:
    if not listed:
        return []
    rows = [[each.type, each.status, each.reason] for each in listed]
    return ["Conditions:", *table(["Type", "Status", "Reason"], rows)]


def _replicas(deployment: Any) -> str:
    status = deployment.status
    return (
        f"{deployment.spec.replicas} desired | {status.updatedReplicas} updated | {status.replicas} total | "
        f"{status.availableReplicas} available | {status.unavailableReplicas} unavailable"
    )


def _bounds(rolling: Any) -> str:
    unavailable, surge = bound(rolling.maxUnavailable), bound(rolling.maxSurge)
    return f"{unavailable} max unavailable, {surge} max surge"


def bound(value: Any) -> str:
    return str(value.string_value or int(value.number_value))


def _created(replicasets: Iterable[Any]) -> str:
    told = [
        f"{each.metadata.name} ({each.status.replicas}/{each.spec.replicas} replicas created)"
        for each in replicasets
    ]
    return ", ".join(told) or NONE


def _age(obj: Any) -> tuple[int, str]:
    return obj.metadata.creationTimestamp.seconds, obj.metadata.name


def bare(template: Any) -> Any:
    """What the user has asked for."""
    copy = type(template)()
    copy.CopyFrom(template)
    copy.metadata.labels.pop(HASH_LABEL, None)
    return copy
