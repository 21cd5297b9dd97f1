"""Gathering what an engine lists, one by one, into pods. Pure."""

from collections import defaultdict
from collections.abc import Iterable

from node_agent.runtime.model import ContainerStatus, PodRecord, Sandbox


def group(found: Iterable[Sandbox | ContainerStatus]) -> list[PodRecord]:
    """Gather records by pod, the newest attempt last."""
    pods: dict[str, tuple[list[Sandbox], list[ContainerStatus]]] = defaultdict(lambda: ([], []))
    for one in sorted(found, key=lambda one: one.attempt):
        sandboxes, containers = pods[one.pod_uid]
        if isinstance(one, Sandbox):
            sandboxes.append(one)
        else:
            containers.append(one)
    return [
        PodRecord(uid, tuple(sandboxes), tuple(containers))
        for uid, (sandboxes, containers) in sorted(pods.items())
    ]
