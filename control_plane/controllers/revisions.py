"""What a template was once: ControllerRevisions, for those who keep pods without ReplicaSets in between (S#73, S#75).

A Deployment remembers its old templates in its ReplicaSets. A StatefulSet and a DaemonSet own their pods directly, so
each version of their template is kept as an object of its own, whose form `api/revisions.py` knows. A revision
is named after its owner and a hash of the template, but as with ReplicaSets the hash decides nothing: the revision of
the present template is the newest one whose template is equal. When a template comes back, its old revision gets the
highest number; there are never two of one template.

Everything here is a function of its arguments; `history.py` beside this module writes what `plan` decides.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from api.jsonform import from_json, to_json
from api.revisions import template_of
from control_plane.controllers import owners
from control_plane.controllers.deployment.template import template_hash
from proto.v1.apps_pb2 import ControllerRevision, PodTemplateSpec

# On a StatefulSet's revision its hash is under this label. A DaemonSet's has it under POD_LABEL, as its pods have.
HASH_LABEL = "controller.kubernetes.io/hash"
# On a pod: the revision it was made from. A StatefulSet writes the revision's name here, a DaemonSet its hash.
POD_LABEL = "controller-revision-hash"
CHANGE_CAUSE = "kubernetes.io/change-cause"  # an annotation, for people
_LONGEST_PREFIX = 223  # a name with its hash must fit into 253 letters


def in_order(revisions: Iterable[ControllerRevision]) -> list[ControllerRevision]:
    """Oldest first; of equal numbers the one that was made first."""

    def age(each: ControllerRevision) -> tuple[Any, ...]:
        stamp = each.metadata.creationTimestamp
        return each.revision, stamp.seconds, stamp.nanos, each.metadata.name

    return sorted(revisions, key=age)


def next_number(revisions: Iterable[ControllerRevision]) -> int:
    return max((each.revision for each in revisions), default=0) + 1


def find(
    revisions: Iterable[ControllerRevision], template: PodTemplateSpec
) -> ControllerRevision | None:
    """The newest revision of a template."""
    wanted, _ = from_json(
        PodTemplateSpec, to_json(template)
    )  # what was stored has gone that way too
    newest_first = reversed(in_order(revisions))
    return next((each for each in newest_first if template_of(each) == wanted), None)


def new_revision(
    owner: Any, number: int, collisions: int | None = None, *, hash_label: str = HASH_LABEL
) -> ControllerRevision:
    """Of the present template of a StatefulSet or DaemonSet, with the owner's annotations: why it was changed."""
    template = owner.spec.template
    digest = template_hash(template, collisions)
    made = ControllerRevision(revision=number)
    meta = made.metadata
    meta.name = f"{owner.metadata.name[:_LONGEST_PREFIX]}-{digest}"
    meta.namespace = owner.metadata.namespace
    meta.labels.update(template.metadata.labels)
    meta.labels[hash_label] = digest
    meta.annotations.update(owner.metadata.annotations)
    meta.ownerReferences.append(owners.reference_to(owner))
    made.data.update({"spec": {"template": {**to_json(template), "$patch": "replace"}}})
    return made


@dataclass(frozen=True)
class Step:
    """How to have a revision of the present template: as it is, with a new number, or made."""

    revision: ControllerRevision
    create: bool = False
    renumber: bool = False


def plan(
    owner: Any, revisions: Sequence[ControllerRevision], *, hash_label: str = HASH_LABEL
) -> Step:
    number = next_number(revisions)
    known = find(revisions, owner.spec.template)
    if known is None:
        status = owner.status
        collisions = status.collisionCount if status.HasField("collisionCount") else None
        made = new_revision(owner, number, collisions, hash_label=hash_label)
        return Step(made, create=True)
    if known is in_order(revisions)[-1]:
        return Step(known)
    again = ControllerRevision()
    again.CopyFrom(known)
    again.revision = number
    return Step(again, renumber=True)


def surplus(
    revisions: Iterable[ControllerRevision], live: Collection[str], limit: int
) -> list[ControllerRevision]:
    """The oldest revisions beyond the limit. `live`: names of those that are in use, which neither count nor go."""
    past = [each for each in in_order(revisions) if each.metadata.name not in live]
    return past[: max(0, len(past) - limit)]
