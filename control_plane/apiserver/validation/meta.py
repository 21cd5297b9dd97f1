"""Metadata, the same for all kinds: names, labels, annotations, owners, finalizers (S#2, S#20, S#21)."""

from typing import Any

from api import names
from api.errors import Cause
from api.kinds import Kind
from control_plane.apiserver.validation import causes, schema
from control_plane.apiserver.validation.formats import Check
from proto.v1.meta_pb2 import ObjectMeta

ANNOTATIONS_LIMIT = 256 * 1024  # bytes, keys and values together

# What a name of a kind may look like, where it is not a DNS subdomain.
NAME_FORMATS: dict[str, Check] = {
    "Namespace": names.dns_label,
    "Service": names.dns_label_1035,
    # It begins the host names of the pods.
    "StatefulSet": names.dns_label,
    **dict.fromkeys(
        ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"), names.path_segment
    ),
}


def validate_metadata(obj: Any, kind: Kind) -> list[Cause]:
    """All that is wrong with the metadata of an object, beyond the rules of single fields."""
    meta: ObjectMeta = obj.metadata
    return [
        *_name(meta, kind),
        *_namespace(meta, kind),
        *_labels(meta),
        *validate_annotations(meta.annotations, "metadata.annotations"),
        *_owners(meta),
        *_finalizers(meta),
    ]


def validate_metadata_update(new: Any, old: Any) -> list[Cause]:
    """What an update may not change; the rest of the new metadata is checked by validate_metadata."""
    ours, theirs = new.metadata, old.metadata
    found = []
    if ours.uid != theirs.uid:
        found.append(causes.invalid("metadata.uid", ours.uid, "field is immutable"))
    if ours.creationTimestamp != theirs.creationTimestamp:
        found.append(_immutable("creationTimestamp", "field is immutable"))
    only_deletion = "field is immutable; may only be changed via deletion"
    if ours.deletionTimestamp != theirs.deletionTimestamp:
        found.append(_immutable("deletionTimestamp", only_deletion))
    if ours.deletionGracePeriodSeconds != theirs.deletionGracePeriodSeconds:
        found.append(_immutable("deletionGracePeriodSeconds", only_deletion))
    return found + schema.check_immutable(ours, theirs, "metadata") + _new_finalizers(ours, theirs)


def validate_labels(labels: Any, path: str) -> list[Cause]:
    """Keys and values of a map of labels."""
    found = []
    for key, value in labels.items():
        found += [causes.invalid(path, key, problem) for problem in names.qualified_name(key)]
        found += [causes.invalid(path, value, problem) for problem in names.label_value(value)]
    return found


def validate_annotations(annotations: Any, path: str) -> list[Cause]:
    found, size = [], 0
    for key, value in annotations.items():
        found += [causes.invalid(path, key, each) for each in names.qualified_name(key.lower())]
        size += len(key.encode()) + len(value.encode())
    return [*found, causes.too_long(path, ANNOTATIONS_LIMIT)] if size > ANNOTATIONS_LIMIT else found


def _immutable(name: str, detail: str) -> Cause:
    return Cause(f"metadata.{name}", f"Invalid value: {detail}", "FieldValueInvalid")


def _name(meta: ObjectMeta, kind: Kind) -> list[Cause]:
    problems = NAME_FORMATS.get(kind.name, names.dns_subdomain)
    found = []
    if prefix := meta.generateName:
        masked = f"{prefix[:-1]}a" if prefix.endswith("-") else prefix
        found += [
            causes.invalid("metadata.generateName", prefix, each) for each in problems(masked)
        ]
    if not meta.name:
        return [*found, causes.required("metadata.name", "name or generateName is required")]
    return found + [
        causes.invalid("metadata.name", meta.name, each) for each in problems(meta.name)
    ]


def _namespace(meta: ObjectMeta, kind: Kind) -> list[Cause]:
    if kind.namespaced:
        return [] if meta.namespace else [causes.required("metadata.namespace")]
    told = "not allowed on this type"
    return [causes.forbidden("metadata.namespace", told)] if meta.namespace else []


def _labels(meta: ObjectMeta) -> list[Cause]:
    return validate_labels(meta.labels, "metadata.labels") if meta.labels else []


def _owners(meta: ObjectMeta) -> list[Cause]:
    path, found = "metadata.ownerReferences", []
    for index, owner in enumerate(meta.ownerReferences):
        if (owner.apiVersion, owner.kind) == ("v1", "Event"):
            told = "is disallowed from being an owner"
            found.append(causes.invalid(f"{path}[{index}]", "v1, Kind=Event", told))
    controllers = [owner for owner in meta.ownerReferences if owner.controller]
    if len(controllers) > 1:
        first, second = (f"{owner.kind}/{owner.name}" for owner in controllers[:2])
        told = (
            "Only one reference can have Controller set to true. "
            f'Found "true" in references for {first} and {second}'
        )
        found.append(Cause(path, f"Invalid value: {told}", "FieldValueInvalid"))
    return found


def _finalizers(meta: ObjectMeta) -> list[Cause]:
    if {"orphan", "foregroundDeletion"} <= set(meta.finalizers):
        told = "finalizer orphan and foregroundDeletion cannot be both set"
        return [causes.invalid("metadata.finalizers", list(meta.finalizers), told)]
    return []


def _new_finalizers(ours: ObjectMeta, theirs: ObjectMeta) -> list[Cause]:
    if not theirs.HasField("deletionTimestamp"):
        return []
    added = [name for name in ours.finalizers if name not in theirs.finalizers]
    told = "no new finalizers can be added if the object is being deleted, found new finalizers"
    shown = ", ".join(causes.quoted(name) for name in added)
    return [causes.forbidden("metadata.finalizers", f"{told} {shown}")] if added else []
