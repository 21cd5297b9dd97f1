"""The strategies of Jobs and CronJobs."""

from api import kinds
from control_plane.apiserver import defaults_batch as defaults
from control_plane.apiserver.hooks import changed_object, drop_status, metadata_fields, strategy
from control_plane.apiserver.printers import batch as printer
from control_plane.apiserver.validation import cronjob as cronjob_rules
from control_plane.apiserver.validation import job as job_rules
from control_plane.apiserver.validation.job import own_labels
from proto.v1.batch_pb2 import CronJob, Job


def prepare_job(job: Job) -> None:
    """Its pods are known by its uid, so that a Job never counts those of another, not even of one with its name.

    What the user has set of this stays, to be refused.
    """
    drop_status(job)
    spec = job.spec
    if spec.manualSelector:
        return
    labels = own_labels(job)
    if spec.HasField("template"):
        template = spec.template.metadata.labels
        template.update({key: labels[key] for key in labels if key not in template})
    if job_rules.UID_LABEL not in spec.selector.matchLabels:
        spec.selector.matchLabels[job_rules.UID_LABEL] = labels[job_rules.UID_LABEL]
    defaults.default_labels(job)


def job_fields(job: Job) -> dict[str, str]:
    return {**metadata_fields(job), "status.successful": str(job.status.succeeded)}


STRATEGIES = (
    strategy(
        Job,
        job_rules.validate_job,
        status=job_rules.validate_job_status,
        default=defaults.default_job,
        prepare_create=prepare_job,
        validate_update=changed_object(
            kinds.of(Job), job_rules.validate_changed_job, job_rules.validate_job_update
        ),
        selectable=job_fields,
        columns=printer.JOB_COLUMNS,
        row=printer.job_row,
    ),
    strategy(
        CronJob,
        cronjob_rules.validate_cronjob,
        default=defaults.default_cronjob,
        columns=printer.CRONJOB_COLUMNS,
        row=printer.cronjob_row,
    ),
)
