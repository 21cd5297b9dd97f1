"""What a pod's containers may be told about themselves and their node: the downward API. Pure.

https://kubernetes.io/docs/concepts/workloads/pods/downward-api/
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from api import quantity
from proto.v1.pod_pb2 import Container, ObjectFieldSelector, Pod, ResourceFieldSelector

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class ConfigError(Exception):
    """The pod asks for something that does not exist; shown as CreateContainerConfigError."""


@dataclass(frozen=True)
class NodeFacts:
    """The node, as far as pods can see it."""

    name: str
    ip: str = "127.0.0.1"
    allocatable: Mapping[str, str] = field(default_factory=dict)  # cpu, memory, …: quantities
    resolv_conf: str = ""  # the node's own, for pods
    name_server: str = ""  # the cluster's, as its pods reach it; empty: there is none
    cluster_domain: str = "cluster.local"


def field_value(
    selector: ObjectFieldSelector, pod: Pod, node: NodeFacts, pod_ip: str, *, whole: bool = False
) -> str:
    """A field of the pod as text. `whole` allows all labels at once, as files can hold them. Raises ConfigError."""
    path = selector.fieldPath
    meta, host = pod.metadata, pod.spec.hostNetwork
    address = node.ip if host else pod_ip
    simple = {
        "metadata.name": meta.name,
        "metadata.namespace": meta.namespace,
        "metadata.uid": meta.uid,
        "spec.nodeName": pod.spec.nodeName,
        "spec.serviceAccountName": "",
        "status.hostIP": node.ip,
        "status.hostIPs": node.ip,
        "status.podIP": address,
        "status.podIPs": address,
    }
    if path in simple:
        return simple[path]
    found = _SUBSCRIPT.fullmatch(path)
    if found:
        return str(getattr(meta, found[1]).get(found[2], ""))
    if whole and path in ("metadata.labels", "metadata.annotations"):
        return _lines(getattr(meta, path.removeprefix("metadata.")))
    raise ConfigError(f'fieldRef "{path}" is not a field that a container can be told')


def _lines(pairs: Mapping[str, str]) -> str:
    return "\n".join(f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in sorted(pairs.items()))


def resource_value(
    selector: ResourceFieldSelector, pod: Pod, container: Container | None, node: NodeFacts
) -> str:
    """A request or limit in units of the divisor, rounded up; without a limit: all of the node. Raises ConfigError."""
    if selector.containerName:
        every = (*pod.spec.initContainers, *pod.spec.containers)
        container = next((c for c in every if c.name == selector.containerName), None)
    if container is None:
        raise ConfigError(f'resourceFieldRef names no container of the pod: "{selector}"'.strip())
    kind, _, resource = selector.resource.partition(".")
    if kind not in ("limits", "requests") or not resource:
        raise ConfigError(f'resourceFieldRef "{selector.resource}" is not like limits.cpu')
    amount = getattr(container.resources, kind).get(resource, "")
    if not amount and kind == "limits":
        amount = node.allocatable.get(resource, "0")
    divisor = quantity.parse(selector.divisor or "1").nanos or quantity.NANO
    return str(-(-quantity.parse(amount or "0").nanos // divisor))
