"""The hands of `revisions.py`: makes the revision of the present template, and lets go of the oldest ones."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from api.client import Client, Delete
from api.errors import AlreadyExists, NotFound
from control_plane.controllers import owners, revisions
from control_plane.controllers.revisions import HASH_LABEL
from proto.v1.apps_pb2 import ControllerRevision


@dataclass(frozen=True)
class Recorded:
    revision: ControllerRevision  # of the present template
    # How often its name was taken by something else; to be reported in the owner's status.
    collisions: int


async def record(
    client: Client,
    owner: Any,
    known: Sequence[ControllerRevision],
    *,
    hash_label: str = HASH_LABEL,
) -> Recorded:
    """`known`: the owner's revisions. Raises Conflict: they have changed since."""
    step = revisions.plan(owner, known, hash_label=hash_label)
    collisions = owner.status.collisionCount
    if step.renumber:
        return Recorded(await client.update(step.revision), collisions)
    if not step.create:
        return Recorded(step.revision, collisions)
    made = step.revision
    while True:
        try:
            return Recorded(await client.create(made), collisions)
        except AlreadyExists:
            taken = await client.get(
                ControllerRevision, made.metadata.name, made.metadata.namespace
            )
        if owners.is_managed_by(taken, owner) and taken.data == made.data:
            return Recorded(taken, collisions)  # an earlier request did arrive, and the cache lags
        collisions += 1
        made = revisions.new_revision(owner, made.revision, collisions, hash_label=hash_label)


async def forget(client: Client, old: Iterable[ControllerRevision]) -> None:
    for each in old:
        meta = each.metadata
        with suppress(NotFound):
            await client.delete(ControllerRevision, meta.name, meta.namespace, Delete(uid=meta.uid))
