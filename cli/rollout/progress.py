"""How far a rollout is, in one sentence (S#69, S#73, S#75).

The server never says "done": whoever asks compares the numbers of the status with the spec. They count only when the
controller has seen the present spec, which is what observedGeneration is for; without it, a rollout that has not begun
would look like one that is over. The sentences are kubectl's.
"""

from collections.abc import Callable
from typing import Any

from cli.errors import CommandError

REVISION = "deployment.kubernetes.io/revision"
Standing = tuple[str, bool]  # the sentence, and whether the rollout is over


def standing(obj: Any, revision: int = 0) -> Standing:
    """Raises CommandError when it got stuck, is of another revision, or is of a kind that rolls nothing out.

    `revision` 0 is whichever there is; only a Deployment knows the number of its own.
    """
    form = STANDINGS.get(obj.kind)
    if form is None:
        raise CommandError(f"no status viewer has been implemented for {obj.kind}")
    return form(obj, revision)


def of_deployment(deployment: Any, revision: int) -> Standing:
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


def of_daemonset(daemonset: Any, _revision: int) -> Standing:
    _must_roll(daemonset)
    meta, status = daemonset.metadata, daemonset.status
    if status.observedGeneration < meta.generation:
        return "Waiting for daemon set spec update to be observed...", False
    new, wanted = status.updatedNumberScheduled, status.desiredNumberScheduled
    waiting = f'Waiting for daemon set "{meta.name}" rollout to finish'
    if new < wanted:
        return f"{waiting}: {new} out of {wanted} new pods have been updated...", False
    if (available := status.numberAvailable) < wanted:
        return f"{waiting}: {available} of {wanted} updated pods are available...", False
    return f'daemon set "{meta.name}" successfully rolled out', True


def of_statefulset(statefulset: Any, _revision: int) -> Standing:
    _must_roll(statefulset)
    spec, status = statefulset.spec, statefulset.status
    if status.observedGeneration < (statefulset.metadata.generation or 1):
        return "Waiting for statefulset spec update to be observed...", False
    if status.readyReplicas < spec.replicas:
        return f"Waiting for {spec.replicas - status.readyReplicas} pods to be ready...", False
    new, rolling = status.updatedReplicas, spec.updateStrategy
    if rolling.HasField("rollingUpdate"):
        wanted = spec.replicas - rolling.rollingUpdate.partition
        if new < wanted:
            told = f"{new} out of {wanted} new pods have been updated..."
            return f"Waiting for partitioned roll out to finish: {told}", False
        return f"partitioned roll out complete: {new} new pods have been updated...", True
    if status.updateRevision != status.currentRevision:
        told = f"{new} pods at revision {status.updateRevision}..."
        return f"waiting for statefulset rolling update to complete {told}", False
    told = f"{status.currentReplicas} pods at revision {status.currentRevision}..."
    return f"statefulset rolling update complete {told}", True


def _must_roll(obj: Any) -> None:
    if obj.spec.updateStrategy.type != "RollingUpdate":
        raise CommandError("rollout status is only available for RollingUpdate strategy type")


STANDINGS: dict[str, Callable[[Any, int], Standing]] = {
    "Deployment": of_deployment,
    "DaemonSet": of_daemonset,
    "StatefulSet": of_statefulset,
}
