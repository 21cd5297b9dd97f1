"""Which pod somebody means who names what keeps it: `logs deploy/web`, `exec job/once`, `port-forward sts/db`.

Of several pods the most useful is taken, as kubectl takes it: one on a node before one without, running before
pending, ready before unready, and the one that has been so for longest. Only, one that is being deleted comes last: it
could end in the middle of a command.
"""

from collections.abc import Sequence
from typing import Any

from api.kinds import Kind, find
from api.selectors import labels_from
from cli.command import Session
from cli.errors import CommandError, UsageError
from cli.resources import wanted
from cli.watching import Deadline, listings

PHASES = {
    "Running": 0,
    "Unknown": 1,
    "Pending": 2,
}  # all others: as Running; they have something to show


def pod_kind() -> Kind:
    kind = find("pods")
    assert kind is not None
    return kind


def named_one(words: Sequence[str], complaint: str) -> tuple[Kind, str]:
    """Exactly one object; a lone name is a pod's. Raises UsageError with the complaint."""
    targets = [
        (each.kind, name) for each in wanted(words, default=pod_kind()) for name in each.names
    ]
    if len(targets) != 1:
        raise UsageError(complaint)
    return targets[0]


def behind(session: Session, kind: Kind, name: str) -> list[Any]:
    """The pod itself, or those that the object selects, best first; waits until there is one.

    Raises NotFound for the object, CommandError when it keeps no pods, or none in time.
    """
    obj = session.server.get(kind, name, session.namespace)
    if kind.name == "Pod":
        return [obj]
    labels = _labels(kind, obj)
    limit = session.flags.seconds("pod-running-timeout")
    deadline = Deadline(limit)
    for pods in listings(session.server, pod_kind(), session.namespace, deadline, labels=labels):
        if pods:
            return sorted(pods, key=usefulness)
    raise CommandError(f"timed out waiting for the condition: {kind.plural}/{name} has no pods")


def _labels(kind: Kind, obj: Any) -> str:
    if kind.name == "Service":
        if not obj.spec.selector:
            raise CommandError(
                f"service {obj.metadata.name} has no selector: nobody knows its pods"
            )
        return ",".join(f"{key}={value}" for key, value in sorted(obj.spec.selector.items()))
    if not hasattr(obj.spec, "selector") or not hasattr(obj.spec, "template"):
        raise CommandError(f"{kind.full_name} keep no pods: name a pod, or what keeps one")
    return str(labels_from(obj.spec.selector))


def usefulness(pod: Any) -> tuple[Any, ...]:
    """The smaller the better."""
    ready = next(
        (c for c in pod.status.conditions if c.type == "Ready" and c.status == "True"), None
    )
    since = ready.lastTransitionTime.seconds if ready is not None else 0
    restarts = max((each.restartCount for each in pod.status.containerStatuses), default=0)
    return (
        pod.metadata.HasField("deletionTimestamp"),
        not pod.spec.nodeName,
        PHASES.get(pod.status.phase, 0),
        ready is None,
        since,
        -restarts,
        pod.metadata.creationTimestamp.seconds,
        pod.metadata.name,
    )
