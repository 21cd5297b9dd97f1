"""The rows of StatefulSets and ControllerRevisions."""

from collections.abc import Sequence
from datetime import datetime

from control_plane.apiserver.printers.cells import AGE, NAME, NONE, age
from control_plane.apiserver.printers.workloads import CONTENTS, contents
from control_plane.apiserver.strategy import Cell, Column
from proto.v1.apps_pb2 import ControllerRevision, StatefulSet

STATEFULSET_COLUMNS = (
    NAME,
    Column("Ready", description="Pods that are ready, of those that there should be."),
    AGE,
    *CONTENTS[:2],  # kubectl shows no selector here
)
REVISION_COLUMNS = (
    NAME,
    Column("Controller", description="Whose template it remembers."),
    Column("Revision", "integer", description="Higher is newer."),
    AGE,
)


def statefulset_row(statefulset: StatefulSet, now: datetime) -> Sequence[Cell]:
    meta, spec = statefulset.metadata, statefulset.spec
    return (
        meta.name,
        f"{statefulset.status.readyReplicas}/{spec.replicas}",
        age(meta.creationTimestamp, now),
        *contents(spec.template, spec.selector)[:2],
    )


def revision_row(revision: ControllerRevision, now: datetime) -> Sequence[Cell]:
    meta = revision.metadata
    return (meta.name, _controller(revision), revision.revision, age(meta.creationTimestamp, now))


def _controller(revision: ControllerRevision) -> str:
    """`statefulset.apps/web`."""
    for owner in revision.metadata.ownerReferences:
        if owner.controller:
            group = owner.apiVersion.rpartition("/")[0]
            kind = f"{owner.kind.lower()}.{group}" if group else owner.kind.lower()
            return f"{kind}/{owner.name}"
    return NONE
