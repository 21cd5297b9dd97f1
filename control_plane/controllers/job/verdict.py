"""Whether a Job is over, and why. The order of the questions is Kubernetes' (4e): the first that says yes decides.

A verdict is pronounced twice. First as SuccessCriteriaMet or FailureTarget: from then on no pod is made and those that
run are ended. When the last of them has gone and all are counted, as Complete or Failed; that one is final.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from api import clock
from control_plane.controllers.job import indexes
from control_plane.controllers.job.account import Account
from control_plane.controllers.job.pods import is_indexed
from proto.v1.batch_pb2 import Job, JobCondition
from proto.v1.pod_pb2 import Pod

FINAL = {"SuccessCriteriaMet": "Complete", "FailureTarget": "Failed"}


@dataclass(frozen=True)
class Verdict:
    type: str  # SuccessCriteriaMet, FailureTarget
    reason: str
    message: str


def condition(job: Job, type: str) -> JobCondition | None:
    """If it is true."""
    return next((c for c in job.status.conditions if (c.type, c.status) == (type, "True")), None)


def is_finished(job: Job) -> bool:
    return any(condition(job, type) for type in FINAL.values())


def deadline(job: Job) -> datetime | None:
    spec = job.spec
    counts = spec.HasField("activeDeadlineSeconds") and job.status.HasField("startTime")
    if not counts or spec.suspend:
        return None
    start = clock.to_datetime(job.status.startTime)
    return start + timedelta(seconds=spec.activeDeadlineSeconds)


def verdict(job: Job, sums: Account, active: Iterable[Pod], now: datetime) -> Verdict | None:
    """`active`: pods that are pending or running and not ending."""
    for type in FINAL:
        if said := condition(job, type):
            return Verdict(type, said.reason, said.message)
    active = list(active)
    return _failure(job, sums, active, now) or _success(job, sums, active)


def _failure(job: Job, sums: Account, active: list[Pod], now: datetime) -> Verdict | None:
    if sums.fatal:
        return _failed("PodFailurePolicy", sums.fatal)
    if sums.failed > job.spec.backoffLimit or _restarted_too_often(job, active):
        return _failed("BackoffLimitExceeded", "Job has reached the specified backoff limit")
    due = deadline(job)
    if due is not None and due <= now:
        told = "Job was active longer than specified deadline"
        return _failed("DeadlineExceeded", told)
    return _indexes_failed(job, sums)


def _failed(reason: str, message: str) -> Verdict:
    return Verdict("FailureTarget", reason, message)


def _restarted_too_often(job: Job, active: list[Pod]) -> bool:
    """With OnFailure a pod does not fail, its containers are started again: those starts are counted, and the limit is
    the number that is too much. With Never the limit is the number of failures that are put up with, one more."""
    if job.spec.template.spec.restartPolicy != "OnFailure":
        return False
    starts = sum(
        status.restartCount
        for pod in active
        for status in (*pod.status.containerStatuses, *pod.status.initContainerStatuses)
    )
    return starts >= max(job.spec.backoffLimit, 1)


def _indexes_failed(job: Job, sums: Account) -> Verdict | None:
    if not sums.lost:
        return None
    spec = job.spec
    if spec.HasField("maxFailedIndexes") and len(sums.lost) > spec.maxFailedIndexes:
        told = "Job has exceeded the specified maximal number of failed indexes"
        return _failed("MaxFailedIndexesExceeded", told)
    if len(sums.lost) + len(sums.done) >= spec.completions:
        return _failed("FailedIndexes", "Job has failed indexes")
    return None


def _success(job: Job, sums: Account, active: list[Pod]) -> Verdict | None:
    if (rule := _matching_rule(job, sums)) is not None:
        return Verdict("SuccessCriteriaMet", "SuccessPolicy", f"Matched rules at index {rule}")
    if job.spec.HasField("completions"):
        reached = sums.succeeded >= job.spec.completions
    else:  # a work queue: the first success says that the work is done, and the others finish theirs
        reached = sums.succeeded > 0 and not active
    if not reached or (job.spec.suspend and job.spec.completions > sums.succeeded):
        return None
    told = "Reached expected number of succeeded pods"
    return Verdict("SuccessCriteriaMet", "CompletionsReached", told)


def _matching_rule(job: Job, sums: Account) -> int | None:
    if not is_indexed(job):
        return None
    for number, rule in enumerate(job.spec.successPolicy.rules):
        wanted = indexes.parse(rule.succeededIndexes) or sums.done
        needed = rule.succeededCount if rule.HasField("succeededCount") else len(wanted)
        if wanted and len(wanted & sums.done) >= needed:
            return number
    return None
