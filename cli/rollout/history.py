"""The revisions of a Deployment: each is one of its ReplicaSets, which keeps the template of that time (S#69).

There is no other record. A revision that is used again gets a new, highest number, so there are gaps; and what
revisionHistoryLimit has cleared away cannot be gone back to.
"""

from collections.abc import Sequence
from typing import Any

from api.jsonform import to_json
from cli.describe.template import template_lines
from cli.describe.workloads import bare
from cli.errors import CommandError
from cli.output import table
from cli.rollout.progress import REVISION

CHANGE_CAUSE = "kubernetes.io/change-cause"
_PREFIX = "deployment.kubernetes.io/"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# What stays with the Deployment when it goes back: these annotations say nothing about a template.
STAY = (
    LAST_APPLIED, REVISION, f"{_PREFIX}revision-history", f"{_PREFIX}desired-replicas", f"{_PREFIX}max-replicas",
    "helmling.dev/rollback-on-deadline", "helmling.dev/was-fully-available",
    "helmling.dev/rolled-back-from", "helmling.dev/rolled-back-to",
)  # fmt: skip
Revisions = dict[int, Any]  # number -> ReplicaSet, the oldest first


def revisions(replicasets: Sequence[Any]) -> Revisions:
    """Those that have been numbered."""
    numbered = {int(rs.metadata.annotations.get(REVISION) or 0): rs for rs in replicasets}
    return {number: numbered[number] for number in sorted(numbered) if number}


def overview(known: Revisions) -> list[str]:
    """REVISION and CHANGE-CAUSE of each."""
    if not known:
        return ["No rollout history found."]
    rows = [["REVISION", "CHANGE-CAUSE"]]
    for number, rs in known.items():
        rows.append([str(number), rs.metadata.annotations.get(CHANGE_CAUSE) or table.NONE])
    return [*table.render(rows, gap=2), ""]


def details(replicaset: Any) -> list[str]:
    """The template of a revision, and why it was made."""
    template = type(replicaset.spec.template)()
    template.CopyFrom(replicaset.spec.template)
    cause = replicaset.metadata.annotations.get(CHANGE_CAUSE)
    if cause:
        template.metadata.annotations[CHANGE_CAUSE] = cause
    return template_lines(template)


def chosen(name: str, known: Revisions, number: int) -> Any:
    """The ReplicaSet to go back to; 0 is the last but one. Raises CommandError when there is none."""
    if number == 0:
        if len(known) < 2:
            raise CommandError(f'no rollout history found for deployment "{name}"')
        return known[list(known)[-2]]
    if number not in known:
        raise CommandError(f"unable to find specified revision {number} in history")
    return known[number]


def is_present(deployment: Any, replicaset: Any) -> bool:
    """Going back to it would change nothing."""
    return bool(bare(deployment.spec.template) == bare(replicaset.spec.template))


def going_back(deployment: Any, replicaset: Any) -> list[dict[str, Any]]:
    """The JSON patch that makes the Deployment what it was; a patch that merges would leave what came since."""
    notes = {k: v for k, v in replicaset.metadata.annotations.items() if k not in STAY}
    notes |= {k: v for k, v in deployment.metadata.annotations.items() if k in STAY}
    template = to_json(bare(replicaset.spec.template))
    return [
        {"op": "replace", "path": "/spec/template", "value": template},
        {"op": "add", "path": "/metadata/annotations", "value": notes},
    ]
