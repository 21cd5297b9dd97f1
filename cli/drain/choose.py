"""Which pods of a node `drain` makes go, and which ones forbid it, worded as kubectl words it. Pure (S#61).

A pod that nobody would make anew, or whose only copy of its data is on the node, is lost for good: that needs a flag.
A DaemonSet's pod would be back at once, for it belongs to the node.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

FINISHED = ("Succeeded", "Failed")
MIRROR = "kubernetes.io/config.mirror"  # an annotation: the node's own, not the server's to delete
DAEMONS = "DaemonSet-managed Pods (use --ignore-daemonsets to ignore)"
LOCAL = "Pods with local storage (use --delete-emptydir-data to override)"
UNMANAGED = "cannot delete Pods that declare no controller (use --force to override)"

# Whether the DaemonSet that a pod names is there: (namespace, name).
HasDaemonSet = Callable[[str, str], bool]


@dataclass(frozen=True)
class Flags:
    force: bool = False
    ignore_daemonsets: bool = False
    delete_emptydir_data: bool = False
    ended_before: float = (
        0.0  # seconds since 1970: pods that should have ended by then are not waited for
    )


@dataclass(frozen=True)
class Choice:
    pods: list[Any]  # shall go
    warnings: list[str]
    refusals: list[str]  # if there are any, nothing may be done


@dataclass(frozen=True)
class _Verdict:
    goes: bool
    warning: str = ""
    refusal: str = ""


def choose(pods: Iterable[Any], flags: Flags, has_daemonset: HasDaemonSet) -> Choice:
    going: list[Any] = []
    warnings: dict[str, list[str]] = {}
    refusals: dict[str, list[str]] = {}
    for pod in pods:
        verdict = _judge(pod, flags, has_daemonset)
        name = f"{pod.metadata.namespace}/{pod.metadata.name}"
        if verdict.goes:
            going.append(pod)
        if verdict.warning:
            warnings.setdefault(verdict.warning, []).append(name)
        if verdict.refusal:
            refusals.setdefault(verdict.refusal, []).append(name)
    return Choice(going, _told(warnings), _told(refusals))


def _told(found: dict[str, list[str]]) -> list[str]:
    """Each with the pods that it is about."""
    return [f"{why}: {', '.join(names)}" for why, names in found.items()]


def _judge(pod: Any, flags: Flags, has_daemonset: HasDaemonSet) -> _Verdict:
    if MIRROR in pod.metadata.annotations or _is_overdue(pod, flags.ended_before):
        return _Verdict(goes=False)
    if pod.status.phase in FINISHED:
        return _Verdict(goes=True)
    manager = next((each for each in pod.metadata.ownerReferences if each.controller), None)
    if manager is not None and manager.kind == "DaemonSet":
        return _of_daemonset(pod, manager.name, flags, has_daemonset)
    warning = ""
    if any(volume.HasField("emptyDir") for volume in pod.spec.volumes):
        if not flags.delete_emptydir_data:
            return _Verdict(goes=False, refusal=f"cannot delete {LOCAL}")
        warning = "deleting Pods with local storage"
    if manager is None:
        if not flags.force:
            return _Verdict(goes=False, refusal=UNMANAGED)
        warning = "deleting Pods that declare no controller"
    return _Verdict(goes=True, warning=warning)


def _is_overdue(pod: Any, ended_before: float) -> bool:
    """Its deletion was asked for long ago: on a dead node nobody will ever confirm it."""
    return bool(0 < pod.metadata.deletionTimestamp.seconds < ended_before)


def _of_daemonset(pod: Any, name: str, flags: Flags, has_daemonset: HasDaemonSet) -> _Verdict:
    if not has_daemonset(pod.metadata.namespace, name):
        missing = f'daemonsets.apps "{name}" not found'
        if flags.force:
            return _Verdict(goes=True, warning=missing)
        return _Verdict(goes=False, refusal=f"cannot delete {missing}")
    if not flags.ignore_daemonsets:
        return _Verdict(goes=False, refusal=f"cannot delete {DAEMONS}")
    return _Verdict(goes=False, warning="ignoring DaemonSet-managed Pods")
