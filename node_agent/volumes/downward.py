"""downwardAPI volumes: facts about the pod as files, which follow when its labels or annotations change. Pure."""

from collections.abc import Sequence

from node_agent.pods.facts import NodeFacts, field_value, resource_value
from node_agent.volumes.atomic import File
from proto.v1.pod_pb2 import DownwardAPIVolumeFile, Pod


def files(
    items: Sequence[DownwardAPIVolumeFile], mode: int, pod: Pod, node: NodeFacts
) -> dict[str, File]:
    """The files by their relative paths; `mode` is for those that say none. Raises ConfigError."""
    told = {}
    for item in items:
        if item.HasField("resourceFieldRef"):
            text = resource_value(item.resourceFieldRef, pod, None, node)
        else:
            text = field_value(item.fieldRef, pod, node, "", whole=True)
        told[item.path] = File(text.encode(), item.mode if item.HasField("mode") else mode)
    return told
