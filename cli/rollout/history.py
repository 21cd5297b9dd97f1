"""What an object was before: its revisions (S#69, S#73, S#75).

Of a Deployment each is one of its ReplicaSets, which keeps the template of that time; of a DaemonSet or StatefulSet it
is a ControllerRevision. There is no other record. A revision that is used again gets a new, highest number, so there
are gaps; and what revisionHistoryLimit has cleared away cannot be gone back to.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from api.jsonform import to_json
from cli.describe.template import template_lines
from cli.describe.workloads import bare
from cli.errors import CommandError
from cli.output import table
from cli.rollout.progress import REVISION

KEEPERS = {
    "Deployment": "replicasets",
    "DaemonSet": "controllerrevisions",
    "StatefulSet": "controllerrevisions",
}
CHANGE_CAUSE = "kubernetes.io/change-cause"
_PREFIX = "deployment.kubernetes.io/"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# What stays with a Deployment when it goes back: these annotations say nothing about a template.
STAY = (
    LAST_APPLIED, REVISION, f"{_PREFIX}revision-history", f"{_PREFIX}desired-replicas", f"{_PREFIX}max-replicas",
    "helmling.dev/rollback-on-deadline", "helmling.dev/was-fully-available",
    "helmling.dev/rolled-back-from", "helmling.dev/rolled-back-to",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Revision:
    record: Any  # the ReplicaSet or ControllerRevision
    template: Any

    @property
    def cause(self) -> str:
        """Why the change was made, if its author said so."""
        return str(self.record.metadata.annotations.get(CHANGE_CAUSE, ""))


Revisions = Mapping[int, Revision]  # number -> revision, the oldest first


def revisions(records: Iterable[Any]) -> Revisions:
    """Those that have been numbered."""
    numbered = {_number(record): record for record in records}
    return {n: Revision(numbered[n], _template(numbered[n])) for n in sorted(numbered) if n}


def _number(record: Any) -> int:
    if hasattr(record, "revision"):
        return int(record.revision)
    return int(record.metadata.annotations.get(REVISION) or 0)


def _template(record: Any) -> Any:
    if hasattr(record, "revision"):
        from api.revisions import template_of

        return template_of(record)
    return record.spec.template


def overview(known: Revisions) -> list[str]:
    """REVISION and CHANGE-CAUSE of each."""
    if not known:
        return ["No rollout history found."]
    rows = [["REVISION", "CHANGE-CAUSE"]]
    rows += [[str(number), each.cause or table.NONE] for number, each in known.items()]
    return [*table.render(rows, gap=2), ""]


def details(revision: Revision) -> list[str]:
    """The template of a revision, and why it was made."""
    template = type(revision.template)()
    template.CopyFrom(revision.template)
    if revision.cause:
        template.metadata.annotations[CHANGE_CAUSE] = revision.cause
    return template_lines(template)


def as_object(obj: Any, revision: Revision) -> Any:
    """What `-o yaml` shows of a revision: a Deployment's ReplicaSet, the others as they were."""
    if obj.kind == "Deployment":
        return revision.record
    copy = type(obj)()
    copy.CopyFrom(obj)
    copy.spec.template.CopyFrom(revision.template)
    return copy


def chosen(obj: Any, known: Revisions, number: int) -> Revision:
    """The revision to go back to; 0 is the last but one. Raises CommandError when there is none."""
    if number == 0:
        if len(known) < 2 and obj.kind == "Deployment":
            raise CommandError(f'no rollout history found for deployment "{obj.metadata.name}"')
        if len(known) < 2:
            raise CommandError("no last revision to roll back to")
        return known[list(known)[-2]]
    if number not in known:
        raise CommandError(f"unable to find specified revision {number} in history")
    return known[number]


def is_present(obj: Any, revision: Revision) -> bool:
    """Going back to it would change nothing."""
    return bool(bare(obj.spec.template) == bare(revision.template))


def going_back(obj: Any, revision: Revision) -> list[dict[str, Any]]:
    """The JSON patch that makes the object what it was; a patch that merges would leave what came since."""
    template = to_json(bare(revision.template))
    patch = [{"op": "replace", "path": "/spec/template", "value": template}]
    if obj.kind != "Deployment":
        return patch
    notes = {k: v for k, v in revision.record.metadata.annotations.items() if k not in STAY}
    notes |= {k: v for k, v in obj.metadata.annotations.items() if k in STAY}
    return [*patch, {"op": "add", "path": "/metadata/annotations", "value": notes}]
