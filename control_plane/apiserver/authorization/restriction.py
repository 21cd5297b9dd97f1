"""A node writes about itself and its own pods (S#33): what depends on the object, where nodes.py sees names alone.

Labels decide where pods run, so a node that was broken into must not call itself something that draws the pods with the
interesting Secrets. It may set the labels that describe a machine, and any outside of Kubernetes' own domains; those
under node-restriction.kubernetes.io/ are the administrator's.
https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction
"""

from collections.abc import Iterable, Mapping
from typing import Any

from api import kinds
from control_plane.apiserver import refusals
from control_plane.apiserver.authorization.nodes import LEASE_NAMESPACE, POD, node_of
from control_plane.apiserver.identity import CALLER
from control_plane.apiserver.registry import Place
from proto.v1.cluster_pb2 import Lease, Node

NODE, LEASE = kinds.of(Node), kinds.of(Lease)
OWN_LABELS = frozenset(
    (
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
    )
)
OWN_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")
GUARDED_DOMAINS = ("kubernetes.io", "k8s.io")


def restrict(place: Place, new: Any | None, old: Any | None) -> None:
    """A guard of the registry. Raises Forbidden."""
    node = node_of(CALLER.get())
    if not node:
        return
    why = ""
    if place.kind is NODE:
        why = _node(node, place, new, old)
    elif place.kind is POD:
        why = _pod(node, place, new, old)
    elif place.kind is LEASE and (place.namespace, place.name) != (LEASE_NAMESPACE, node):
        why = "can only access node lease with the same name as the requesting node"
    if why:
        raise refusals.forbidden(place.kind, place.name, why)


def _node(node: str, place: Place, new: Any | None, old: Any | None) -> str:
    if place.name != node:
        return f'node "{node}" is not allowed to modify node "{place.name}"'
    if new is None:
        return f'node "{node}" is not allowed to delete itself'
    if old is None:
        forbidden = guarded(new.metadata.labels)
        return _told(node, "is not allowed to set the following labels", forbidden)
    if list(new.spec.taints) != list(old.spec.taints):
        return f'node "{node}" is not allowed to modify taints'
    changed = _changed(new.metadata.labels, old.metadata.labels)
    return _told(node, "is not allowed to modify labels", guarded(changed))


def _told(node: str, what: str, labels: Iterable[str]) -> str:
    shown = ", ".join(labels)
    return f'node "{node}" {what}: {shown}' if shown else ""


def _changed(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    return [key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key)]


def guarded(labels: Iterable[str]) -> list[str]:
    """Those that a node may not set or change."""
    return sorted(key for key in labels if key not in OWN_LABELS and _guarded(key))


def _guarded(key: str) -> bool:
    domain, slash, _ = key.partition("/")
    if not slash or any(_within(domain, own) for own in OWN_DOMAINS):
        return False
    return any(_within(domain, each) for each in GUARDED_DOMAINS)


def _within(domain: str, parent: str) -> bool:
    return domain == parent or domain.endswith(f".{parent}")


def _pod(node: str, place: Place, new: Any | None, old: Any | None) -> str:
    if old is None:
        return f'node "{node}" can only create mirror pods, and there are none here'
    if old.spec.nodeName != node:
        verb = "update pod status for" if new is not None else "delete"
        return f'node "{node}" can only {verb} pods with spec.nodeName set to itself'
    if new is not None and new.metadata.labels != old.metadata.labels:
        return f'node "{node}" cannot update labels through pod status'
    return ""
