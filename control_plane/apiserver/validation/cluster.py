"""Nodes, namespaces and events: what must hold between their fields. (A lease has only rules of single fields.)"""

from collections.abc import Sequence

from api import names
from api.errors import Cause
from control_plane.apiserver.policies import podsecurity
from control_plane.apiserver.validation import causes
from proto.v1.cluster_pb2 import Event, Namespace, Node

_STANDARD_FINALIZERS = ("kubernetes",)


def validate_node(node: Node) -> list[Cause]:
    found: list[Cause] = []
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(node.spec.taints):
        if (taint.key, taint.effect) in seen:
            told = causes.duplicate(f"spec.taints[{index}]", f"{taint.key}:{taint.effect}")
            detail = f"{told.message}: taints must be unique by key and effect pair"
            found.append(Cause(told.field, detail, told.reason))
        seen.add((taint.key, taint.effect))
    if node.spec.podCIDRs and node.spec.podCIDR not in ("", node.spec.podCIDRs[0]):
        told_first = "must be the first of podCIDRs"
        found.append(causes.invalid("spec.podCIDR", node.spec.podCIDR, told_first))
    return found + validate_node_status(node)


def validate_node_status(node: Node) -> list[Cause]:
    return causes.duplicates(
        (f"status.addresses[{index}]", f"{address.type} {address.address}")
        for index, address in enumerate(node.status.addresses)
    )


def validate_node_update(new: Node, old: Node) -> list[Cause]:
    """Addresses are given to pods from the CIDR, so it is set once and for all."""
    found = []
    cidrs = _cidrs(old)
    if cidrs and _cidrs(new) != cidrs:
        told = 'node updates may not change podCIDR except from "" to valid'
        found.append(causes.forbidden("spec.podCIDRs", told))
    if old.spec.providerID and new.spec.providerID != old.spec.providerID:
        told = 'node updates may not change providerID except from "" to valid'
        found.append(causes.forbidden("spec.providerID", told))
    return found


def validate_namespace(namespace: Namespace) -> list[Cause]:
    found: list[Cause] = []
    for index, finalizer in enumerate(namespace.spec.finalizers):
        place = f"spec.finalizers[{index}]"
        found += [
            causes.invalid(place, finalizer, each) for each in names.qualified_name(finalizer)
        ]
        if "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
            told = "name is neither a standard finalizer name nor is it fully qualified"
            found.append(causes.invalid(place, finalizer, told))
    return found


def validate_new_namespace(namespace: Namespace) -> list[Cause]:
    return validate_namespace(namespace) + podsecurity.wrong_labels(namespace.metadata.labels)


def validate_namespace_update(new: Namespace, old: Namespace) -> list[Cause]:
    """Labels that were wrong before may stay as they are."""
    before = podsecurity.wrong_labels(old.metadata.labels)
    after = podsecurity.wrong_labels(new.metadata.labels)
    return after if after != before else []


def validate_namespace_status(new: Namespace, old: Namespace) -> list[Cause]:
    phase, deleting = new.status.phase, old.metadata.HasField("deletionTimestamp")
    if deleting and phase != "Terminating":
        told = "may only be 'Terminating' if `deletionTimestamp` is not empty"
        return [causes.invalid("status.phase", phase, told)]
    if not deleting and phase != "Active":
        told = "may only be 'Active' if `deletionTimestamp` is empty"
        return [causes.invalid("status.phase", phase, told)]
    return []


def validate_event(event: Event) -> list[Cause]:
    """An event is where its object is; events about cluster-wide objects are in "default"."""
    about, own = event.involvedObject.namespace, event.metadata.namespace
    modern = event.HasField("eventTime")
    home = ("default", "kube-system") if modern else ("", "default")
    found = []
    if (not about and own not in home) or (about and not modern and about != own):
        told = "does not match event.namespace"
        found.append(causes.invalid("involvedObject.namespace", about, told))
    return found + _modern_event(event) if modern else found


def _modern_event(event: Event) -> list[Cause]:
    """Events of the newer form (with eventTime) must say who did what."""
    found = [
        causes.required(name)
        for name in ("reportingComponent", "reportingInstance", "action", "reason")
        if not getattr(event, name)
    ]
    if event.reportingComponent:
        name, problems = "reportingComponent", names.qualified_name(event.reportingComponent)
        found += [causes.invalid(name, event.reportingComponent, problem) for problem in problems]
    for name, limit in (
        ("reportingInstance", 128),
        ("action", 128),
        ("reason", 128),
        ("message", 1024),
    ):
        if len(getattr(event, name)) > limit:
            told = f"can have at most {limit} characters"
            found.append(causes.invalid(name, getattr(event, name), told))
    return found


def _cidrs(node: Node) -> Sequence[str]:
    return list(node.spec.podCIDRs) or [node.spec.podCIDR][: bool(node.spec.podCIDR)]
