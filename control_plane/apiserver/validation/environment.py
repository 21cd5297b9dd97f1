"""Environment variables, and the references to the pod's own fields and resources that they and volumes use (S#44)."""

import re
from collections.abc import Sequence

from api import names
from api.errors import Cause
from control_plane.apiserver.validation import causes
from proto.v1.pod_pb2 import (
    Container,
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    ObjectFieldSelector,
    ResourceFieldSelector,
)

ENV_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
VOLUME_FIELDS = (
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
)
_SUBSCRIPTED = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]", re.DOTALL)
_RESOURCES = tuple(
    f"{part}.{name}"
    for part in ("limits", "requests")
    for name in ("cpu", "memory", "ephemeral-storage")
)
_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef")
_CPU_DIVISORS = ("1m", "1")
_BYTE_DIVISORS = (
    "1",
    *(f"1{unit}" for unit in ("k", "M", "G", "T", "P", "E")),
    *(f"1{unit}i" for unit in "KMGTPE"),
)


def validate_environment(container: Container, path: str) -> list[Cause]:
    found: list[Cause] = []
    for index, variable in enumerate(container.env):
        if variable.HasField("valueFrom"):
            found += _source(variable, f"{path}.env[{index}].valueFrom")
    for index, source in enumerate(container.envFrom):
        found += _one_of(source, ("configMapRef", "secretRef"), f"{path}.envFrom[{index}]")
    return found


def validate_field(field: ObjectFieldSelector, allowed: tuple[str, ...], path: str) -> list[Cause]:
    """A reference to a field of the pod: one of those allowed, or one label or annotation."""
    found = []
    if field.apiVersion not in ("", "v1"):
        found.append(causes.unsupported(f"{path}.apiVersion", field.apiVersion, ("v1",)))
    if subscript := _SUBSCRIPTED.fullmatch(field.fieldPath):
        key = subscript[2] if subscript[1] == "labels" else subscript[2].lower()
        problems = names.qualified_name(key)
        found += [causes.invalid(f"{path}.fieldPath", subscript[2], each) for each in problems]
    elif field.fieldPath and field.fieldPath not in allowed:
        choices = (*allowed, "metadata.labels['<key>']", "metadata.annotations['<key>']")
        found.append(causes.unsupported(f"{path}.fieldPath", field.fieldPath, choices))
    return found


def validate_resource(
    field: ResourceFieldSelector, path: str, *, volume: bool = False
) -> list[Cause]:
    """A reference to a request or limit. A volume belongs to no container, so there it must be named."""
    found = []
    if volume and not field.containerName:
        found.append(causes.required(f"{path}.containerName"))
    if field.resource and field.resource not in _RESOURCES:
        found.append(causes.unsupported(f"{path}.resource", field.resource, _RESOURCES))
    name = field.resource.partition(".")[2]
    divisors = _CPU_DIVISORS if name == "cpu" else _BYTE_DIVISORS
    if field.divisor not in ("", "0", *divisors):
        told = f"only divisor's values {', '.join(divisors)} are supported with the {name} resource"
        found.append(causes.invalid(f"{path}.divisor", field.divisor, told))
    return found


def _source(variable: EnvVar, path: str) -> list[Cause]:
    source, found = variable.valueFrom, []
    if variable.value:
        told = "may not be specified when `value` is not empty"
        found.append(causes.invalid(path, "", told))
    found += _one_of(source, _SOURCES, path)
    if source.HasField("fieldRef"):
        found += validate_field(source.fieldRef, ENV_FIELDS, f"{path}.fieldRef")
    if source.HasField("resourceFieldRef"):
        found += validate_resource(source.resourceFieldRef, f"{path}.resourceFieldRef")
    return found


def _one_of(source: EnvVarSource | EnvFromSource, names: Sequence[str], path: str) -> list[Cause]:
    given = [name for name in names if source.HasField(name)]
    if len(given) > 1:
        return [causes.invalid(path, "", "may not have more than one field specified at a time")]
    if given:
        return []
    choices = ", ".join(f"`{name}`" for name in names)
    return [causes.invalid(path, "", f"must specify one of: {choices}")]
