"""What an object means when it does not say: Kubernetes' defaults, stored, so that all can see them (S#17).

Each function changes its object and touches only what is unset. Defaulting something twice changes nothing.
"""

import re
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from api import kinds, quantity
from proto.v1.cluster_pb2 import Namespace, Node
from proto.v1.pod_pb2 import (
    Container,
    DownwardAPIVolumeFile,
    EnvVarSource,
    HTTPGetAction,
    LifecycleHandler,
    Pod,
    PodSpec,
    Probe,
    Volume,
)

NAME_LABEL = "kubernetes.io/metadata.name"  # of a namespace: lets selectors choose it by its name
DEFAULT_FILE_MODE = 0o644
TOKEN_SECONDS = 3600
NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"


def default_type(obj: Any) -> None:
    kind = kinds.of(obj)
    obj.apiVersion, obj.kind = kind.api_version, kind.name


def default_fields(message: Any, **values: Any) -> None:
    """Sets the fields that are not set. What the user has set stays, 0 and False too."""
    for name, value in values.items():
        if not message.HasField(name):
            setattr(message, name, value)


def default_template(spec: Any) -> None:
    """Of whatever makes pods. One that is missing stays away, and validation says so."""
    if spec.HasField("template"):
        default_pod_spec(spec.template.spec)


def default_pod(pod: Pod) -> None:
    default_type(pod)
    default_pod_spec(pod.spec)


def default_pod_spec(spec: PodSpec) -> None:
    """Of a pod, or of a template."""
    spec.restartPolicy = spec.restartPolicy or "Always"
    spec.dnsPolicy = spec.dnsPolicy or "ClusterFirst"
    spec.schedulerName = spec.schedulerName or "default-scheduler"
    spec.securityContext.SetInParent()
    if not spec.HasField("terminationGracePeriodSeconds"):
        spec.terminationGracePeriodSeconds = 30
    if not spec.HasField("enableServiceLinks"):
        spec.enableServiceLinks = True
    for container in (*spec.initContainers, *spec.containers):
        default_container(container, host_network=spec.hostNetwork)
    for volume in spec.volumes:
        default_volume(volume)
    canonical_amounts(spec.overhead)


def default_container(container: Container, *, host_network: bool = False) -> None:
    container.imagePullPolicy = container.imagePullPolicy or pull_policy(container.image)
    container.terminationMessagePath = container.terminationMessagePath or "/dev/termination-log"
    container.terminationMessagePolicy = container.terminationMessagePolicy or "File"
    for port in container.ports:
        port.protocol = port.protocol or "TCP"
        if host_network:
            port.hostPort = port.hostPort or port.containerPort
    for variable in container.env:
        if variable.HasField("valueFrom"):
            _default_source(variable.valueFrom)
    if container.HasField("resources"):
        _default_resources(container)
    _default_hooks(container)


@lru_cache(maxsize=4096)
def pull_policy(image: str) -> str:
    """Always for images whose tag moves (latest, or none), IfNotPresent for all others."""
    if "@" in image:
        return "IfNotPresent"
    tag = re.search(r":([^:/]*)$", image)
    return "Always" if tag is None or tag[1] == "latest" else "IfNotPresent"


def default_probe(probe: Probe) -> None:
    probe.timeoutSeconds = probe.timeoutSeconds or 1
    probe.periodSeconds = probe.periodSeconds or 10
    probe.successThreshold = probe.successThreshold or 1
    probe.failureThreshold = probe.failureThreshold or 3
    if probe.HasField("httpGet"):
        _default_http(probe.httpGet)


def default_volume(volume: Volume) -> None:
    given = [field.name for field, _ in volume.ListFields() if field.name != "name"]
    if not given:
        volume.emptyDir.SetInParent()
    for name in given:
        source = getattr(volume, name)
        if "defaultMode" in source.DESCRIPTOR.fields_by_name and not source.HasField("defaultMode"):
            source.defaultMode = DEFAULT_FILE_MODE
    for item in volume.downwardAPI.items:
        _default_source(item)
    for part in volume.projected.sources:
        for item in part.downwardAPI.items:
            _default_source(item)
        if part.HasField("serviceAccountToken"):
            token = part.serviceAccountToken
            token.expirationSeconds = token.expirationSeconds or TOKEN_SECONDS


def default_node(node: Node) -> None:
    default_type(node)
    spec = node.spec
    if spec.podCIDR and not spec.podCIDRs:
        spec.podCIDRs.append(spec.podCIDR)
    elif spec.podCIDRs and not spec.podCIDR:
        spec.podCIDR = spec.podCIDRs[0]
    if node.HasField("status"):
        status = node.status
        canonical_amounts(status.capacity)
        canonical_amounts(status.allocatable)
        if not status.allocatable:
            status.allocatable.update(status.capacity)


def default_namespace(namespace: Namespace) -> None:
    default_type(namespace)
    namespace.status.phase = namespace.status.phase or "Active"
    name = namespace.metadata.name
    if name and NAME_LABEL not in namespace.metadata.labels:
        namespace.metadata.labels[NAME_LABEL] = name


@dataclass(frozen=True)
class Tolerance:
    """Seconds that a pod stays on a node that has failed."""

    not_ready: int = 300
    unreachable: int = 300


KUBERNETES = Tolerance()


def default_tolerations(pod: Pod, tolerance: Tolerance = KUBERNETES) -> None:
    """What admission adds, unless the pod says otherwise."""
    for taint, seconds in (
        (NOT_READY, tolerance.not_ready),
        (UNREACHABLE, tolerance.unreachable),
    ):
        if not any(_tolerates(pod, taint)):
            pod.spec.tolerations.add(
                key=taint, operator="Exists", effect="NoExecute", tolerationSeconds=seconds
            )


def default_priority(pod: Pod) -> None:
    """What admission adds for a pod without a priority class."""
    if not pod.spec.HasField("priority"):
        pod.spec.priority = 0


def _tolerates(pod: Pod, taint: str) -> Iterable[bool]:
    for toleration in pod.spec.tolerations:
        yield toleration.key in (taint, "") and toleration.effect in ("NoExecute", "")


def _default_resources(container: Container) -> None:
    """Whoever has a limit and no request asks for the limit (S#46)."""
    limits, requests = container.resources.limits, container.resources.requests
    canonical_amounts(limits)
    canonical_amounts(requests)
    for name in limits:
        if name not in requests and quantity.valid(limits[name]):
            requests[name] = limits[name]


def canonical_amounts(amounts: MutableMapping[str, str]) -> None:
    """Written as Kubernetes writes them: "1000m" is "1"."""
    for name, amount in list(amounts.items()):
        written = quantity.canonical(amount)
        if written != amount:
            amounts[name] = written


def _default_source(source: EnvVarSource | DownwardAPIVolumeFile) -> None:
    if source.HasField("fieldRef"):
        source.fieldRef.apiVersion = source.fieldRef.apiVersion or "v1"
    if source.HasField("resourceFieldRef"):
        # Kubernetes stores 0 for "not said", and reads it as 1.
        source.resourceFieldRef.divisor = source.resourceFieldRef.divisor or "0"


def _default_hooks(container: Container) -> None:
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.HasField(name):
            default_probe(getattr(container, name))
    if container.HasField("lifecycle"):
        for name in ("postStart", "preStop"):
            if container.lifecycle.HasField(name):
                handler: LifecycleHandler = getattr(container.lifecycle, name)
                if handler.HasField("httpGet"):
                    _default_http(handler.httpGet)


def _default_http(action: HTTPGetAction) -> None:
    action.path = action.path or "/"
    action.scheme = action.scheme or "HTTP"
