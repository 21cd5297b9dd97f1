"""Jobs and CronJobs as the API server treats them: defaults, what it generates, rules (4e), rows."""

from typing import Any

import pytest

from api.jsonform import to_json
from api.schedule import schedule_problem
from tests.manifests import NOW, complaints, created, strategy, updated

Change = dict[str, Any]
INDEXED = {"completionMode": "Indexed", "completions": 3}


def spec(**fields: Any) -> Change:
    return {"spec": fields}


def pods(**fields: Any) -> Change:
    return spec(template={"spec": fields})


# Defaults


def test_the_smallest_job() -> None:
    made = to_json(created("Job"))
    assert made["spec"].pop("template")["spec"]["dnsPolicy"] == "ClusterFirst"
    assert made["spec"] == {
        "parallelism": 1,
        "completions": 1,
        "backoffLimit": 6,
        "completionMode": "NonIndexed",
        "suspend": False,
        "podReplacementPolicy": "TerminatingOrFailed",
        "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "u1"}},
    }


@pytest.mark.parametrize(
    ("fields", "name", "expected"),
    [
        ({"completions": 5}, "parallelism", 1),
        ({"completions": 5}, "completions", 5),
        ({"parallelism": 0}, "parallelism", 0),
        ({**INDEXED, "backoffLimitPerIndex": 1}, "backoffLimit", 2**31 - 1),
        ({"podFailurePolicy": {"rules": []}}, "podReplacementPolicy", "Failed"),
    ],
)
def test_defaults_that_depend(fields: Change, name: str, expected: object) -> None:
    assert getattr(created("Job", spec(**fields)).spec, name) == expected


def test_a_work_queue_has_no_number_of_completions() -> None:
    assert not created("Job", spec(parallelism=3)).spec.HasField("completions")


def test_the_smallest_cronjob() -> None:
    made = to_json(created("CronJob"))["spec"]
    template = made.pop("jobTemplate")["spec"]
    assert made == {
        "schedule": "*/5 * * * *",
        "concurrencyPolicy": "Allow",
        "suspend": False,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 1,
    }
    assert list(template) == ["template"], "what a Job means is said when it is made"
    assert template["template"]["spec"]["restartPolicy"] == "Never"


# What the server generates


def test_the_pods_of_a_job_are_known_by_its_uid() -> None:
    made = created("Job")
    labels = {
        "batch.kubernetes.io/controller-uid": "u1",
        "batch.kubernetes.io/job-name": "pi",
        "controller-uid": "u1",
        "job-name": "pi",
    }
    assert dict(made.spec.template.metadata.labels) == labels
    assert dict(made.metadata.labels) == labels


def test_a_job_with_labels_keeps_them() -> None:
    made = created("Job", {"metadata": {"labels": {"app": "pi"}}})
    assert dict(made.metadata.labels) == {"app": "pi"}


MANUAL = {
    "manualSelector": True,
    "selector": {"matchLabels": {"app": "pi"}},
    "template": {"metadata": {"labels": {"app": "pi"}}},
}


def test_who_selects_himself_is_left_alone() -> None:
    made = created("Job", spec(**MANUAL))
    assert dict(made.spec.selector.matchLabels) == {"app": "pi"}
    assert dict(made.spec.template.metadata.labels) == {"app": "pi"}
    assert list(strategy("Job").validate(made)) == []


# Rules

RULES = "spec.podFailurePolicy.rules[0]"


def failure(**rule: Any) -> Change:
    return spec(podFailurePolicy={"rules": [{"action": "Ignore", **rule}]})


def success(**rule: Any) -> Change:
    return spec(**INDEXED, successPolicy={"rules": [rule]})


def codes(*values: int, operator: str = "In", **more: Any) -> Change:
    return failure(onExitCodes={"operator": operator, "values": list(values), **more})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (spec(parallelism=-1), "spec.parallelism: Invalid value: -1: must be greater than or equal to 0"),
        (spec(template=None), "spec.template: Required value"),
        (
            pods(restartPolicy=None),
            'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
        ),
        (
            pods(restartPolicy="Sometimes"),
            'spec.template.spec.restartPolicy: Unsupported value: "Sometimes"',
        ),
        (pods(containers=None), "spec.template.spec.containers: Required value"),
        (
            spec(selector={"matchLabels": {"app": "pi"}}, template={"metadata": {"labels": {"app": "pi"}}}),
            'spec.selector: Invalid value: {"matchLabels": {"app": "pi", "batch.kubernetes.io/controller-uid": "u1"}}: '
            "`selector` not auto-generated",
        ),
        (
            spec(template={"metadata": {"labels": {"job-name": "e"}}}),
            "spec.template.metadata.labels[job-name]: Invalid value: \"e\": must be 'pi'",
        ),
        (spec(manualSelector=True), "spec.selector: Required value"),
        (
            spec(manualSelector=True, selector={"matchLabels": {"app": "pi"}}),
            "spec.template.metadata.labels: Invalid value: {}: `selector` does not match template `labels`",
        ),
        (
            spec(completionMode="Indexed", parallelism=2),
            "spec.completions: Required value: when completion mode is Indexed",
        ),
        (
            spec(**INDEXED, parallelism=100_001),
            "spec.parallelism: Invalid value: 100001: must be less than or equal to 100000",
        ),
        (
            spec(backoffLimitPerIndex=1),
            "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode",
        ),
        (
            spec(**INDEXED, maxFailedIndexes=1),
            "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified",
        ),
        (
            spec(**INDEXED, backoffLimitPerIndex=1, maxFailedIndexes=4),
            "spec.maxFailedIndexes: Invalid value: 4: must be less than or equal to completions",
        ),
        (
            {"metadata": {"name": "p" * 62}, **spec(**INDEXED)},
            f'metadata.name: Invalid value: "{"p" * 62}": will not able to create pod',
        ),
        (failure(), f"{RULES}: Invalid value"),
        (
            failure(action="FailIndex", onPodConditions=[{"type": "Ready"}]),
            f'{RULES}.action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set',
        ),
        (codes(0), f"{RULES}.onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator"),
        (codes(2, 1), f"{RULES}.onExitCodes.values: Invalid value: [2, 1]: must be ordered"),
        (codes(1, 1), f"{RULES}.onExitCodes.values[1]: Duplicate value: 1"),
        (
            codes(1, containerName="x"),
            f'{RULES}.onExitCodes.containerName: Invalid value: "x": must be one of the container',
        ),
        (
            {"spec": {**codes(1)["spec"], "template": {"spec": {"restartPolicy": "OnFailure"}}}},
            'spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never" is supported',
        ),
        (
            {"spec": {**codes(1)["spec"], "podReplacementPolicy": "TerminatingOrFailed"}},
            'spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"',
        ),
        (success(), "spec.successPolicy.rules[0]: Required value: at least one of"),
        (success(succeededIndexes="0,x"), 'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "0,x"'),
        (success(succeededIndexes="1,0"), "spec.successPolicy.rules[0].succeededIndexes: Invalid value"),
        (success(succeededIndexes="0-3"), "spec.successPolicy.rules[0].succeededIndexes: Invalid value"),
        (
            success(succeededIndexes="0,2", succeededCount=3),
            "spec.successPolicy.rules[0].succeededCount: Invalid value: 3: must be less than or equal to 2",
        ),
    ],
)  # fmt: skip
def test_this_is_wrong_with_a_job(change: Change, told: str) -> None:
    said = complaints("Job", change)
    assert len(said) == 1, said
    assert said[0].startswith(told)


@pytest.mark.parametrize(
    "change",
    [
        pods(restartPolicy="OnFailure"),
        spec(**INDEXED, backoffLimitPerIndex=1, maxFailedIndexes=3),
        codes(0, 1, operator="NotIn", containerName="a"),
        failure(onPodConditions=[{"type": "DisruptionTarget"}]),
        success(succeededIndexes="0-1,2", succeededCount=3),
        success(succeededCount=3),
    ],
)
def test_this_is_fine_with_a_job(change: Change) -> None:
    assert complaints("Job", change) == []


# Changes

GENERATED = spec(
    selector={"matchLabels": {"batch.kubernetes.io/controller-uid": "u1"}},
    template={
        "metadata": {
            "labels": {
                "batch.kubernetes.io/controller-uid": "u1",
                "batch.kubernetes.io/job-name": "pi",
                "controller-uid": "u1",
                "job-name": "pi",
            }
        }
    },
)


def changed(before: Change, **after: Any) -> list[str]:
    """What is said about an update of a Job as the server has stored it."""
    whole = {"spec": {**GENERATED["spec"], **before, **after}}
    if "template" in after:
        whole["spec"]["template"] = {**GENERATED["spec"]["template"], **after["template"]}
    return updated("Job", spec(**before), whole)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({}, {"completions": 1, "parallelism": 5, "suspend": True, "backoffLimit": 1}, None),
        ({"completions": 3}, {"completions": 4}, "spec.completions: Invalid value: 4: field is immutable"),
        ({**INDEXED, "parallelism": 3}, {"completions": 5, "parallelism": 5}, None),
        (
            {**INDEXED, "parallelism": 3},
            {"completions": 5},
            "spec.completions: Invalid value: 5: can only be modified in tandem with spec.parallelism",
        ),
        (
            INDEXED,
            {"completionMode": "NonIndexed"},
            'spec.completionMode: Invalid value: "NonIndexed": field is immutable',
        ),
        ({}, {"template": {"spec": {"nodeSelector": {"a": "b"}}}}, "spec.template: Invalid value"),
        ({"suspend": True}, {"template": {"spec": {"nodeSelector": {"a": "b"}}}}, None),
        ({"suspend": True}, {"template": {"spec": {"hostNetwork": True}}}, "spec.template: Invalid value"),
    ],
)  # fmt: skip
def test_what_may_change_in_a_job(before: Change, after: Change, told: str | None) -> None:
    said = changed(before, **after)
    assert len(said) == (told is not None), said
    assert all(each.startswith(told or "") for each in said)


# CronJobs


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (spec(schedule=None), "spec.schedule: Required value"),
        (spec(schedule="* * * *"), 'spec.schedule: Invalid value: "* * * *": expected exactly 5 fields, found 4'),
        (
            spec(schedule="TZ=UTC * * * * *"),
            'spec.schedule: Invalid value: "TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule',
        ),
        (spec(timeZone=""), 'spec.timeZone: Invalid value: "": must be nil or non-empty string'),
        (spec(timeZone="Local"), 'spec.timeZone: Invalid value: "Local": must be an explicit time zone'),
        (spec(timeZone="Europe/Atlantis"), 'spec.timeZone: Invalid value: "Europe/Atlantis": unknown time zone'),
        (spec(timeZone="../etc/passwd"), "spec.timeZone: Invalid value"),
        ({"metadata": {"name": "t" * 53}}, f'metadata.name: Invalid value: "{"t" * 53}": must be no more than 52'),
        (spec(concurrencyPolicy="Never"), 'spec.concurrencyPolicy: Unsupported value: "Never"'),
        (
            spec(jobTemplate={"spec": {"template": {"spec": {"restartPolicy": "Always"}}}}),
            "spec.jobTemplate.spec.template.spec.restartPolicy: Required value",
        ),
    ],
)  # fmt: skip
def test_this_is_wrong_with_a_cronjob(change: Change, told: str) -> None:
    said = complaints("CronJob", change)
    assert len(said) == 1, said
    assert said[0].startswith(told)


def test_a_cronjob_in_a_time_zone() -> None:
    assert complaints("CronJob", spec(timeZone="Europe/Berlin")) == []


@pytest.mark.parametrize(
    "text",
    ["* * * * *", "*/5 0 1,15 jan-MAR ?", "0-30/10 3/2 * 12 sun,tue", "@daily", "@every 1h30m"],
)
def test_schedules(text: str) -> None:
    assert schedule_problem(text) == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("5-3 * * * *", "beginning of range (5) beyond end of range (3): 5-3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("x * * * *", 'failed to parse int from x: the minute "x" is no number'),
        ("* * * * mon-", 'failed to parse int from : the day of week "" is no number'),
        ("@often", "unrecognized descriptor: @often"),
        ("@every day", "failed to parse duration day"),
        ("* * * * * *", "expected exactly 5 fields, found 6: [* * * * * *]"),
    ],
)
def test_schedules_that_are_none(text: str, told: str) -> None:
    assert schedule_problem(text).startswith(told)


# Rows


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([], "Running"),
        (["FailureTarget"], "FailureTarget"),
        (["Suspended"], "Suspended"),
        (["SuccessCriteriaMet", "Complete"], "Complete"),
        (["FailureTarget", "Failed"], "Failed"),
    ],
)
def test_the_state_of_a_job(conditions: list[str], expected: str) -> None:
    made = created("Job")
    for each in conditions:
        made.status.conditions.add(type=each, status="True")
    assert strategy("Job").row(made, NOW)[1] == expected


def test_a_job_that_goes() -> None:
    made = created("Job")
    made.metadata.deletionTimestamp.seconds = 1
    assert strategy("Job").row(made, NOW)[1] == "Terminating"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"completions": 3}, "1/3"),
        ({"parallelism": 5}, "1/1 of 5"),
        ({"parallelism": 1}, "1/1"),
    ],
)
def test_completions(fields: Change, expected: str) -> None:
    made = created("Job", spec(**fields))
    made.status.succeeded = 1
    assert strategy("Job").row(made, NOW)[2] == expected


def test_how_long_a_job_takes_and_took() -> None:
    made, now = created("Job"), int(NOW.timestamp())
    assert strategy("Job").row(made, NOW)[3] == ""
    made.status.startTime.seconds = now - 50
    assert strategy("Job").row(made, NOW)[3] == "50s"
    made.status.completionTime.seconds = now - 20
    assert strategy("Job").row(made, NOW)[3] == "30s"


def test_a_cronjob_in_a_row() -> None:
    made = created("CronJob")
    first = ["tidy", "*/5 * * * *", "<none>", "False", 0, "<none>", "60s", "a", "i:1", "<none>"]
    assert list(strategy("CronJob").row(made, NOW)) == first
    made.status.active.add(name="tidy-1")
    made.status.lastScheduleTime.seconds = int(NOW.timestamp()) - 30
    made.spec.timeZone = "Asia/Tokyo"
    assert list(strategy("CronJob").row(made, NOW))[2:6] == ["Asia/Tokyo", "False", 1, "30s"]


# Status


def test_a_job_cannot_have_succeeded_and_failed() -> None:
    old, new = created("Job"), created("Job")
    for each in ("Complete", "Failed"):
        new.status.conditions.add(type=each, status="True")
    [said] = strategy("Job").validate_status(new, old)
    assert said.field == "status.conditions"


def test_only_a_complete_job_has_a_completion_time() -> None:
    old, new = created("Job"), created("Job")
    new.status.completionTime.seconds = 5
    [said] = strategy("Job").validate_status(new, old)
    assert said.field == "status.completionTime"
    new.status.conditions.add(type="Complete", status="True")
    assert list(strategy("Job").validate_status(new, old)) == []
