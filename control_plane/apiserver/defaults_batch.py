"""What Jobs and CronJobs mean when they do not say (S#17, 4e)."""

from control_plane.apiserver.defaults import default_fields, default_template, default_type
from proto.v1.batch_pb2 import CronJob, Job, JobSpec

BACKOFF_LIMIT = 6
UNLIMITED = 2**31 - 1
SUCCESSFUL_KEPT, FAILED_KEPT = 3, 1


def default_job(job: Job) -> None:
    default_type(job)
    spec = job.spec
    _default_counts(spec)
    spec.completionMode = spec.completionMode or "NonIndexed"
    default_fields(spec, suspend=False)
    policy = "Failed" if spec.HasField("podFailurePolicy") else "TerminatingOrFailed"
    spec.podReplacementPolicy = spec.podReplacementPolicy or policy
    for rule in spec.podFailurePolicy.rules:
        for condition in rule.onPodConditions:
            condition.status = condition.status or "True"
    default_template(spec)
    default_labels(job)


def default_labels(job: Job) -> None:
    """A Job without labels of its own has those of its pods."""
    if not job.metadata.labels:
        job.metadata.labels.update(job.spec.template.metadata.labels)


def _default_counts(spec: JobSpec) -> None:
    """One pod, once; but with a parallelism and no completions the first success ends the work."""
    if not spec.HasField("completions") and not spec.HasField("parallelism"):
        spec.completions = 1
    per_index = spec.HasField("backoffLimitPerIndex")
    default_fields(spec, parallelism=1, backoffLimit=UNLIMITED if per_index else BACKOFF_LIMIT)


def default_cronjob(cronjob: CronJob) -> None:
    """The template of its Jobs is defaulted when a Job is made from it, only the pods' already here (as Kubernetes)."""
    default_type(cronjob)
    spec = cronjob.spec
    spec.concurrencyPolicy = spec.concurrencyPolicy or "Allow"
    default_fields(
        spec,
        suspend=False,
        successfulJobsHistoryLimit=SUCCESSFUL_KEPT,
        failedJobsHistoryLimit=FAILED_KEPT,
    )
    default_template(spec.jobTemplate.spec)
