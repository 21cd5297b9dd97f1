"""How far a rollout is, in one sentence (S#69).

The server never says "done": whoever asks compares the numbers of the status with the spec. They count only when the
controller has seen the present spec, which is what observedGeneration is for; without it, a rollout that has not begun
would look like one that is over.
"""

from typing import Any

from cli.errors import CommandError

REVISION = "deployment.kubernetes.io/revision"


def standing(deployment: Any, revision: int = 0) -> tuple[str, bool]:
    """The sentence, and whether the rollout is over. Raises CommandError when it got stuck, or is of another revision.

    `revision` 0 is whichever there is.
    """
    meta, status = deployment.metadata, deployment.status
    running = int(meta.annotations.get(REVISION, "0"))
    if revision and revision != running:
        raise CommandError(
            f"desired revision ({revision}) is different from the running revision ({running})"
        )
    if status.observedGeneration < meta.generation:
        return "Waiting for deployment spec update to be observed...", False
    if any(c.type == "Progressing" and c.reason == "ProgressDeadlineExceeded" for c in status.conditions):  # fmt: skip
        raise CommandError(f'deployment "{meta.name}" exceeded its progress deadline')
    if missing := _missing(deployment.spec.replicas, status):
        return f'Waiting for deployment "{meta.name}" rollout to finish: {missing}...', False
    return f'deployment "{meta.name}" successfully rolled out', True


def _missing(wanted: int, status: Any) -> str:
    """Nothing, or what has to happen next."""
    new, total, available = status.updatedReplicas, status.replicas, status.availableReplicas
    if new < wanted:
        return f"{new} out of {wanted} new replicas have been updated"
    if total > new:
        return f"{total - new} old replicas are pending termination"
    if available < new:
        return f"{available} of {new} updated replicas are available"
    return ""
