"""A template of pods in words: what is common to all who make pods."""

from collections.abc import Iterable
from typing import Any

from cli.describe.container import container_lines
from cli.describe.lines import NONE, Field, fields, map_lines
from cli.describe.pod import spread, toleration
from cli.describe.volumes import volume_lines

INDENT = "  "


def template_lines(template: Any) -> list[str]:
    meta, spec = template.metadata, template.spec
    marks: list[Field] = [("Labels", map_lines(meta.labels))]
    if meta.annotations:
        marks.append(("Annotations", map_lines(meta.annotations, ": ")))
    lines = ["Pod Template:", *fields(marks, INDENT)]
    if spec.initContainers:
        lines += _containers("Init Containers", spec.initContainers)
    lines += _containers("Containers", spec.containers)
    if spec.volumes:
        volumes = (volume_lines(volume) for volume in spec.volumes)
        lines += [f"{INDENT}Volumes:", *(line for each in volumes for line in _deeper(each))]
    return lines + fields(_placement(spec), INDENT)


def _containers(title: str, containers: Iterable[Any]) -> list[str]:
    lines = [f"{INDENT}{title}:"]
    for container in containers:
        lines += _deeper(container_lines(container, None))
    return lines


def _deeper(lines: list[str]) -> list[str]:
    """The name one further in than in a pod, the rest as it is: kubectl's layout."""
    return [f" {lines[0]}", *lines[1:]]


def _placement(spec: Any) -> list[Field]:
    rows: list[Field] = [] if spec.volumes else [("Volumes", NONE)]
    if spec.topologySpreadConstraints:
        constraints = [spread(each) for each in spec.topologySpreadConstraints]
        rows.append(("Topology Spread Constraints", constraints))
    return [
        *rows,
        ("Node-Selectors", map_lines(spec.nodeSelector)),
        ("Tolerations", [toleration(each) for each in spec.tolerations] or NONE),
    ]
