"""The strategies of Jobs and CronJobs."""

from api import kinds
from control_plane.apiserver import defaults_batch as defaults
from control_plane.apiserver.hooks import (
    changed_object,
    changed_status,
    drop_status,
    keep_all_but_status,
    keep_status,
    metadata_fields,
    new_object,
)
from control_plane.apiserver.printers import batch as printer
from control_plane.apiserver.strategy import Strategy, no_causes
from control_plane.apiserver.validation import cronjob as cronjob_rules
from control_plane.apiserver.validation import job as job_rules
from control_plane.apiserver.validation.job import own_labels
from proto.v1.batch_pb2 import CronJob, Job

_JOB, _CRONJOB = kinds.of(Job), kinds.of(CronJob)


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
    Strategy(
        _JOB,
        default=defaults.default_job,
        prepare_create=prepare_job,
        prepare_update=keep_status,
        prepare_status=keep_all_but_status,
        validate=new_object(_JOB, job_rules.validate_job),
        validate_update=changed_object(
            _JOB, job_rules.validate_changed_job, job_rules.validate_job_update
        ),
        validate_status=changed_status(job_rules.validate_job_status),
        selectable=job_fields,
        columns=printer.JOB_COLUMNS,
        row=printer.job_row,
    ),
    Strategy(
        _CRONJOB,
        default=defaults.default_cronjob,
        prepare_create=drop_status,
        prepare_update=keep_status,
        prepare_status=keep_all_but_status,
        validate=new_object(_CRONJOB, cronjob_rules.validate_cronjob),
        validate_update=changed_object(_CRONJOB, cronjob_rules.validate_cronjob),
        validate_status=changed_status(no_causes),
        selectable=metadata_fields,
        columns=printer.CRONJOB_COLUMNS,
        row=printer.cronjob_row,
    ),
)
