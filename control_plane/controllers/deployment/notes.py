"""What a Deployment writes down in annotations of its ReplicaSets.

Revisions count the changes of the template. Going back to an old template gives its ReplicaSet a new, highest
revision, and the ones it had before stay in its history. `desired-replicas` and `max-replicas` are the size of the
whole Deployment at the time when the ReplicaSet got its size: a difference to the present spec tells that the
Deployment was scaled since, and the ratio tells how much of it was this set's.
"""

from collections.abc import Iterable

from control_plane.controllers.configrollout.plan import SEEN as CONFIG_SEEN
from control_plane.controllers.deployment import bounds
from proto.v1.apps_pb2 import Deployment, ReplicaSet

_PREFIX = "deployment.kubernetes.io/"
REVISION, HISTORY = _PREFIX + "revision", _PREFIX + "revision-history"
DESIRED, MAXIMUM = _PREFIX + "desired-replicas", _PREFIX + "max-replicas"
CHANGE_CAUSE = "kubernetes.io/change-cause"
# Ours: see rollback.py. The first is the user's, the second is put on a ReplicaSet, the others on the Deployment.
WANTED, FULLY_AVAILABLE = "helmling.dev/rollback-on-deadline", "helmling.dev/was-fully-available"
ROLLED_BACK_FROM, ROLLED_BACK_TO = "helmling.dev/rolled-back-from", "helmling.dev/rolled-back-to"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
ROLLBACK = (FULLY_AVAILABLE, ROLLED_BACK_FROM, ROLLED_BACK_TO)
OWN = frozenset(
    (REVISION, HISTORY, DESIRED, MAXIMUM, LAST_APPLIED, CONFIG_SEEN, *ROLLBACK)
)  # not copied
HISTORY_LENGTH = 2000  # characters


def number(rs: ReplicaSet, annotation: str) -> int | None:
    """None: it is not there, or is no number."""
    try:
        return int(rs.metadata.annotations.get(annotation, ""))
    except ValueError:
        return None


def revision(rs: ReplicaSet) -> int:
    return number(rs, REVISION) or 0


def next_revision(old: Iterable[ReplicaSet]) -> int:
    return max((revision(rs) for rs in old), default=0) + 1


def note_size(rs: ReplicaSet, deployment: Deployment) -> None:
    """To be written together with a new size."""
    rs.metadata.annotations[DESIRED] = str(deployment.spec.replicas)
    rs.metadata.annotations[MAXIMUM] = str(bounds.most(deployment))


def note_revision(rs: ReplicaSet, deployment: Deployment, old: Iterable[ReplicaSet]) -> None:
    """Make it the newest, with the Deployment's annotations (why this change was made, above all)."""
    notes = rs.metadata.annotations
    for key, value in deployment.metadata.annotations.items():
        if key not in OWN:
            notes[key] = value
    before, now = revision(rs), next_revision(old)
    if before >= now:
        return
    notes[REVISION] = str(now)
    if before:
        notes[HISTORY] = _remembered([*filter(None, notes[HISTORY].split(",")), str(before)])


def _remembered(history: list[str]) -> str:
    while len(",".join(history)) > HISTORY_LENGTH:
        history = history[1:]
    return ",".join(history)
