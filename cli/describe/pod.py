"""A pod in words."""

from collections.abc import Iterable, Sequence
from typing import Any

from api.duration import human_duration
from cli.describe.container import container_lines
from cli.describe.lines import (  # fmt: skip
    NONE,
    UNSET,
    Field,
    fields,
    identity,
    map_lines,
    marks,
    moment,
    section,
    table,
)
from cli.describe.volumes import volume_lines


def describe_pod(pod: Any) -> list[str]:
    spec, status = pod.spec, pod.status
    lines = fields([*_head(pod), *_outcome(pod)])
    lines += section("IPs", [f"  IP:  {each.ip}" for each in status.podIPs])
    lines += [
        f"Controlled By:  {o.kind}/{o.name}" for o in pod.metadata.ownerReferences if o.controller
    ]
    if spec.initContainers:
        lines += _containers("Init Containers", spec.initContainers, status.initContainerStatuses)
    lines += _containers("Containers", spec.containers, status.containerStatuses)
    if status.conditions:
        rows = [[each.type, each.status] for each in status.conditions]
        lines += ["Conditions:", *table(["Type", "Status"], rows, underlined=False)]
    lines += section("Volumes", [line for volume in spec.volumes for line in volume_lines(volume)])
    return lines + fields(_placement(pod))


def _head(pod: Any) -> list[Field]:
    spec, status, meta = pod.spec, pod.status, pod.metadata
    node = f"{spec.nodeName}/{status.hostIP}" if spec.nodeName else NONE
    rows = [
        *identity(meta),
        ("Priority", str(spec.priority)),
        ("Service Account", spec.serviceAccountName or NONE),
        ("Node", node),
        ("Start Time", moment(status.startTime)),
        *marks(meta),
    ]
    return [row for row in rows if row != ("Start Time", UNSET)]


def _outcome(pod: Any) -> list[Field]:
    status, meta = pod.status, pod.metadata
    rows: list[Field] = [("Status", status.phase)]
    if meta.HasField("deletionTimestamp"):
        rows = [
            ("Status", f"Terminating (until {moment(meta.deletionTimestamp)})"),
            ("Termination Grace Period", f"{meta.deletionGracePeriodSeconds}s"),
        ]
    if status.reason:
        rows.append(("Reason", status.reason))
    if status.message:
        rows.append(("Message", status.message))
    return [*rows, ("IP", status.podIP)]


def _containers(title: str, specs: Iterable[Any], statuses: Iterable[Any]) -> list[str]:
    by_name = {status.name: status for status in statuses}
    lines = [f"{title}:"]
    for spec in specs:
        lines += container_lines(spec, by_name.get(spec.name))
    return lines


def _placement(pod: Any) -> list[Field]:
    spec = pod.spec
    rows: list[Field] = [
        ("QoS Class", pod.status.qosClass),
        ("Node-Selectors", map_lines(spec.nodeSelector)),
        ("Tolerations", [toleration(each) for each in spec.tolerations] or NONE),
    ]
    if spec.topologySpreadConstraints:
        rows.append(
            (
                "Topology Spread Constraints",
                [spread(each) for each in spec.topologySpreadConstraints],
            )
        )
    if spec.schedulingGates:
        rows.append(("Scheduling Gates", [each.name for each in spec.schedulingGates]))
    return rows


def toleration(each: Any) -> str:
    """`node.kubernetes.io/not-ready:NoExecute op=Exists for 300s`."""
    key = each.key + (f"={each.value}" if each.value else "")
    text = f"{key}:{each.effect}" if each.effect else key
    text += " op=Exists" if each.operator == "Exists" else ""
    if each.HasField("tolerationSeconds"):
        text += f" for {human_duration(each.tolerationSeconds)}"
    return text.strip()


def spread(each: Any) -> str:
    chosen = ",".join(map_lines(each.labelSelector.matchLabels))
    return f"{each.topologyKey}:{each.whenUnsatisfiable} when max skew {each.maxSkew} is exceeded for selector {chosen}"


def rows_of(pods: Sequence[Any]) -> list[Any]:
    """Those that still need their node."""
    return [pod for pod in pods if pod.status.phase not in ("Succeeded", "Failed")]
