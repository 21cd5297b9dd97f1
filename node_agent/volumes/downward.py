"""downwardAPI volumes: facts about the pod as files, which follow when its labels or annotations change. Pure."""

from node_agent.pods.facts import NodeFacts, field_value, resource_value
from node_agent.volumes.atomic import File
from proto.v1.pod_pb2 import DownwardAPIVolumeSource, Pod

DEFAULT_MODE = 0o644


def files(source: DownwardAPIVolumeSource, pod: Pod, node: NodeFacts) -> dict[str, File]:
    """The files by their relative paths. Raises ConfigError."""
    default = source.defaultMode if source.HasField("defaultMode") else DEFAULT_MODE
    if pod.spec.securityContext.HasField("fsGroup"):
        default |= 0o440  # the group is to read them
    told = {}
    for item in source.items:
        if item.HasField("resourceFieldRef"):
            text = resource_value(item.resourceFieldRef, pod, None, node)
        else:
            text = field_value(item.fieldRef, pod, node, "", whole=True)
        told[item.path] = File(text.encode(), item.mode if item.HasField("mode") else default)
    return told
