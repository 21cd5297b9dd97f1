"""Containers: names, images, ports, security; probes and hooks are in handlers.py."""

from collections.abc import Sequence

from api.errors import Cause
from control_plane.apiserver.validation import causes
from control_plane.apiserver.validation.environment import validate_environment
from control_plane.apiserver.validation.handlers import validate_handlers
from control_plane.apiserver.validation.resources import validate_resources
from control_plane.apiserver.validation.volumes import validate_mounts
from proto.v1.pod_pb2 import Container, PodSpec, SecurityContext

_ONLY_SIDECARS = "may not be set for init containers without restartPolicy=Always"
_ONLY_AT_THE_END = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle")


def validate_containers(spec: PodSpec, path: str) -> list[Cause]:
    found: list[Cause] = []
    seen: set[str] = set()
    for name, containers in (
        ("initContainers", spec.initContainers),
        ("containers", spec.containers),
    ):
        for index, container in enumerate(containers):
            place = f"{path}.{name}[{index}]"
            if container.name and container.name in seen:
                found.append(causes.duplicate(f"{place}.name", container.name))
            seen.add(container.name)
            found += _container(spec, container, place)
            found += _by_role(container, place, init=name == "initContainers")
    return found + _host_ports(spec, path)


def is_sidecar(container: Container) -> bool:
    """Of an init container: whether it keeps running beside the others (S#40)."""
    return container.restartPolicy == "Always"


def validate_image(container: Container, path: str) -> list[Cause]:
    if container.image != container.image.strip():
        told = "must not have leading or trailing whitespace"
        return [causes.invalid(f"{path}.image", container.image, told)]
    return []


def _container(spec: PodSpec, container: Container, path: str) -> list[Cause]:
    found = validate_image(container, path)
    if container.ports:
        found += _ports(spec, container, path)
    if container.env or container.envFrom:
        found += validate_environment(container, path)
    if container.volumeMounts:
        found += validate_mounts(container, spec.volumes, path)
    if container.HasField("resources"):
        found += validate_resources(container.resources, f"{path}.resources")
    if container.HasField("securityContext"):
        found += _security(container.securityContext, f"{path}.securityContext")
    return found + validate_handlers(spec, container, path)


def _by_role(container: Container, path: str, *, init: bool) -> list[Cause]:
    if not init:
        told = "may not be set for non-init containers"
        return [causes.forbidden(f"{path}.restartPolicy", told)] if container.restartPolicy else []
    if is_sidecar(container):
        return []
    return [
        causes.forbidden(f"{path}.{name}", _ONLY_SIDECARS)
        for name in _ONLY_AT_THE_END
        if container.HasField(name)
    ]


def _ports(spec: PodSpec, container: Container, path: str) -> list[Cause]:
    found: list[Cause] = []
    seen: set[str] = set()
    for index, port in enumerate(container.ports):
        place = f"{path}.ports[{index}]"
        if port.name and port.name in seen:
            found.append(causes.duplicate(f"{place}.name", port.name))
        seen.add(port.name)
        if spec.hostNetwork and port.hostPort != port.containerPort:
            told = "must match `hostPort` when `hostNetwork` is true"
            found.append(causes.invalid(f"{place}.containerPort", port.containerPort, told))
    return found


def _host_ports(spec: PodSpec, path: str) -> list[Cause]:
    """Containers that run at the same time cannot share a port of the node. Plain init containers run alone."""
    together = [(f"{path}.containers[{at}]", each) for at, each in enumerate(spec.containers)]
    found: list[Cause] = []
    for index, container in enumerate(spec.initContainers):
        place = (f"{path}.initContainers[{index}]", container)
        if is_sidecar(container):
            together.append(place)
        else:
            found += _host_port_conflicts([place])
    return found + _host_port_conflicts(together)


def _host_port_conflicts(places: Sequence[tuple[str, Container]]) -> list[Cause]:
    return causes.duplicates(
        (f"{path}.ports[{index}].hostPort", f"{port.protocol}/{port.hostIP}/{port.hostPort}")
        for path, container in places
        for index, port in enumerate(container.ports)
        if port.hostPort
    )


def _security(context: SecurityContext, path: str) -> list[Cause]:
    if not context.HasField("allowPrivilegeEscalation") or context.allowPrivilegeEscalation:
        return []
    told, found = "cannot set `allowPrivilegeEscalation` to false and ", []
    if context.privileged:
        found.append(Cause(path, f"Invalid value: {told}`privileged` to true"))
    if {"SYS_ADMIN", "CAP_SYS_ADMIN"} & set(context.capabilities.add):
        found.append(Cause(path, f"Invalid value: {told}`capabilities.Add` CAP_SYS_ADMIN"))
    return found
