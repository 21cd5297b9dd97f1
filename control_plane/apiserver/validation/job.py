"""Jobs: what must hold between their fields, and what may change while their pods run (4e)."""

from typing import Any

from api import names
from api.errors import Cause
from control_plane.apiserver.validation import causes, schema
from control_plane.apiserver.validation.counts import validate_counts
from control_plane.apiserver.validation.jobpolicies import validate_policies
from control_plane.apiserver.validation.selector import validate_selector
from control_plane.apiserver.validation.template import validate_fit, validate_template
from proto.v1.apps_pb2 import PodTemplateSpec
from proto.v1.batch_pb2 import Job, JobSpec
from proto.v1.meta_pb2 import LabelSelector

UID_LABEL, NAME_LABEL = "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"
# The same two as they were called before 1.27; much that reads them still asks for these.
OLD_UID_LABEL, OLD_NAME_LABEL = "controller-uid", "job-name"
MAX_INDEXED_PARALLELISM = 100_000


def own_labels(job: Job) -> dict[str, str]:
    """What all pods of this very Job carry."""
    uid, name = job.metadata.uid, job.metadata.name
    return {UID_LABEL: uid, OLD_UID_LABEL: uid, NAME_LABEL: name, OLD_NAME_LABEL: name}


def validate_job(job: Job) -> list[Cause]:
    return [*_generated(job), *validate_changed_job(job)]


def validate_changed_job(job: Job) -> list[Cause]:
    spec = job.spec
    return [*_selector(spec), *validate_job_spec(spec, "spec"), *_hostnames(job)]


def validate_job_spec(spec: JobSpec, path: str) -> list[Cause]:
    """Of a Job, or of a CronJob's template (where the selector is still open)."""
    found = _indexed(spec, path)
    if spec.HasField("template"):
        found += validate_template(spec.template, f"{path}.template")
        found += _restart_policy(spec, f"{path}.template.spec.restartPolicy")
    return found + validate_policies(spec, path)


def validate_job_update(new: Job, old: Job) -> list[Cause]:
    """What counts the pods and what they are stays; how many run at a time may change."""
    ours, theirs = new.spec, old.spec
    found = schema.check_immutable(ours, theirs, "spec", deep=False)
    for name in ("selector", "podFailurePolicy", "successPolicy"):
        if getattr(ours, name) != getattr(theirs, name):
            found.append(_immutable(f"spec.{name}", getattr(ours, name)))
    return found + _completions(ours, theirs) + _template(new, old)


def validate_job_status(new: Job, old: Job) -> list[Cause]:
    status = new.status
    found = validate_counts(status, ("active", "succeeded", "failed", "ready", "terminating"))
    held = {each.type for each in status.conditions if each.status == "True"}
    if {"Complete", "Failed"} <= held:
        told = "cannot set Complete=True and Failed=true conditions"
        found.append(causes.invalid("status.conditions", sorted(held), told))
    if status.HasField("completionTime") and "Complete" not in held:
        told = "cannot set completionTime when there is no Complete=True condition"
        found.append(Cause("status.completionTime", f"Invalid value: {told}"))
    return found


def _immutable(path: str, value: Any) -> Cause:
    return causes.invalid(path, value, "field is immutable")


def _generated(job: Job) -> list[Cause]:
    """Unless the user selects himself, selector and labels are the server's; see `batch.prepare_job`."""
    spec = job.spec
    if spec.manualSelector or not spec.HasField("template"):
        return []
    labels, place = spec.template.metadata.labels, "spec.template.metadata.labels"
    found = [
        causes.invalid(f"{place}[{key}]", labels[key], f"must be '{value}'")
        for key, value in own_labels(job).items()
        if labels[key] != value
    ]
    if spec.selector != LabelSelector(matchLabels={UID_LABEL: job.metadata.uid}):
        told = "`selector` not auto-generated"
        found.append(causes.invalid("spec.selector", spec.selector, told))
    return found


def _selector(spec: JobSpec) -> list[Cause]:
    if not spec.HasField("selector"):
        return [causes.required("spec.selector")]
    found = validate_selector(spec.selector, "spec.selector")
    if found or not spec.HasField("template"):
        return found
    return validate_fit(spec.selector, spec.template, "spec.template")


def _hostnames(job: Job) -> list[Cause]:
    """The pods of an Indexed Job are called by its name and their index, so both must fit into a host's name."""
    if job.spec.completionMode != "Indexed" or job.spec.completions < 1:
        return []
    last = f"{job.metadata.name}-{job.spec.completions - 1}"
    told = f"will not able to create pod with invalid DNS label: {last}"
    wrong = names.dns_label(last)
    return [causes.invalid("metadata.name", job.metadata.name, told)] if wrong else []


def _indexed(spec: JobSpec, path: str) -> list[Cause]:
    if spec.completionMode != "Indexed":
        told = "requires indexed completion mode"
        return [
            causes.invalid(f"{path}.{name}", getattr(spec, name), told)
            for name in ("backoffLimitPerIndex", "maxFailedIndexes", "successPolicy")
            if spec.HasField(name)
        ]
    found = []
    if not spec.HasField("completions"):
        found.append(causes.required(f"{path}.completions", "when completion mode is Indexed"))
    if spec.parallelism > MAX_INDEXED_PARALLELISM:
        told = f"must be less than or equal to {MAX_INDEXED_PARALLELISM} when completion mode is Indexed"
        found.append(causes.invalid(f"{path}.parallelism", spec.parallelism, told))
    if spec.HasField("maxFailedIndexes"):
        found += _failed_indexes(spec, path)
    return found


def _failed_indexes(spec: JobSpec, path: str) -> list[Cause]:
    found = []
    if not spec.HasField("backoffLimitPerIndex"):
        told = "when maxFailedIndexes is specified"
        found.append(causes.required(f"{path}.backoffLimitPerIndex", told))
    if spec.HasField("completions") and spec.maxFailedIndexes > spec.completions:
        told = "must be less than or equal to completions"
        found.append(causes.invalid(f"{path}.maxFailedIndexes", spec.maxFailedIndexes, told))
    return found


def _restart_policy(spec: JobSpec, path: str) -> list[Cause]:
    """A pod that is always started again never ends."""
    policy = spec.template.spec.restartPolicy
    if policy in ("", "Always"):  # what the pods' default would be
        return [causes.required(path, 'valid values: "OnFailure", "Never"')]
    if policy == "OnFailure" and spec.HasField("podFailurePolicy"):
        told = 'only "Never" is supported when podFailurePolicy is specified'
        return [causes.invalid(path, policy, told)]
    return []


def _completions(new: JobSpec, old: JobSpec) -> list[Cause]:
    """Fixed; but an Indexed Job may grow and shrink, as long as all its indexes run at once."""
    if (new.HasField("completions"), new.completions) == (
        old.HasField("completions"),
        old.completions,
    ):
        return []
    if new.completionMode != "Indexed":
        return [_immutable("spec.completions", new.completions)]
    if new.completions == new.parallelism and old.completions == old.parallelism:
        return []
    told = "can only be modified in tandem with spec.parallelism"
    return [causes.invalid("spec.completions", new.completions, told)]


def _template(new: Job, old: Job) -> list[Cause]:
    """While it waits for its first start, a queue may still say where its pods go."""
    ours, theirs = new.spec.template, old.spec.template
    if old.spec.suspend and not old.status.HasField("startTime"):
        ours, theirs = _elsewhere(ours), _elsewhere(theirs)
    if ours == theirs:
        return []
    return [_immutable("spec.template", new.spec.template)]


def _elsewhere(template: PodTemplateSpec) -> PodTemplateSpec:
    """Without what only says where its pods go, and how they are marked."""
    copy = PodTemplateSpec()
    copy.CopyFrom(template)
    copy.metadata.ClearField("labels")
    copy.metadata.ClearField("annotations")
    for name in ("nodeSelector", "tolerations", "schedulingGates"):
        copy.spec.ClearField(name)
    copy.spec.affinity.ClearField("nodeAffinity")
    if not copy.spec.affinity.ListFields():
        copy.spec.ClearField("affinity")
    return copy
