"""What a Job does next, as tables: its accounts, its verdict, its plan."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api import clock
from control_plane.controllers.job import indexes
from control_plane.controllers.job.account import account
from control_plane.controllers.job.plan import plan
from control_plane.controllers.job.pods import FAILURES, INDEX, TRACKING, draw_name, index_in
from control_plane.controllers.job.verdict import Verdict, verdict
from proto.v1.batch_pb2 import (
    Job,
    JobSpec,
    PodFailurePolicyOnExitCodes,
    PodFailurePolicyOnPodCondition,
    PodFailurePolicyRule,
    SuccessPolicyRule,
)
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.pod_pb2 import ContainerStatus, Pod, PodCondition

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def job(policy: str = "Never", **fields: Any) -> Job:
    fields = {"parallelism": 1, "completions": 1, "backoffLimit": 6} | fields
    made = Job(metadata=ObjectMeta(name="pi", namespace="default", uid="j"))
    made.spec.CopyFrom(
        JobSpec(**{name: value for name, value in fields.items() if value is not None})
    )
    made.spec.template.spec.restartPolicy = policy
    made.status.startTime.CopyFrom(clock.timestamp(NOW - timedelta(seconds=100)))
    return made


def pod(
    uid: str,
    phase: str = "Running",
    *,
    code: int = 1,
    index: int | None = None,
    ago: int = 0,
    **more: Any,
) -> Pod:
    """`ago`: seconds since it ended. `more`: tracked, ending, before, restarts, condition."""
    made = Pod(metadata=ObjectMeta(name=uid, namespace="default", uid=uid))
    made.spec.nodeName = "n0"
    made.status.phase = phase
    if more.get("tracked", True):
        made.metadata.finalizers.append(TRACKING)
    if more.get("ending"):
        made.metadata.deletionTimestamp.CopyFrom(clock.timestamp(NOW))
        made.metadata.deletionGracePeriodSeconds = 30
    if index is not None:
        made.metadata.annotations[INDEX] = str(index)
        made.metadata.annotations[FAILURES] = str(more.get("before", 0))
    status = ContainerStatus(name="app", restartCount=more.get("restarts", 0))
    if phase in ("Succeeded", "Failed"):
        status.state.terminated.exitCode = code if phase == "Failed" else 0
        status.state.terminated.finishedAt.CopyFrom(clock.timestamp(NOW - timedelta(seconds=ago)))
    made.status.containerStatuses.append(status)
    if more.get("condition"):
        made.status.conditions.append(PodCondition(type=more["condition"], status="True"))
    return made


def judged(given: Job, *pods: Pod) -> str:
    said = verdict(
        given, account(given, pods), [p for p in pods if p.status.phase == "Running"], NOW
    )
    return said.reason if said else ""


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("", []), ("1", [1]), ("1,2", [1, 2]), ("1,3-5", [1, 3, 4, 5]), ("0-2,7", [0, 1, 2, 7])],
)
def test_indexes(text: str, numbers: list[int]) -> None:
    assert (indexes.format(numbers), sorted(indexes.parse(text))) == (text, numbers)


def test_names_fit_a_host_name_and_keep_their_index() -> None:
    given = job()
    given.metadata.name = "a" * 70
    name = draw_name(given, 1234)
    assert (len(name), index_in(name)) == (63, 1234)


def test_a_pod_is_counted_in_two_steps_and_once() -> None:
    given = job(completions=9)
    first = account(given, [pod("a", "Succeeded"), pod("b", "Failed"), pod("c")])
    assert (first.counted, first.succeeded, first.failed) == ((0, 0), 1, 1)
    assert [p.metadata.uid for p in first.release] == ["a", "b"]
    given.status.uncountedTerminatedPods.CopyFrom(first.uncounted)
    again = account(
        given, [pod("a", "Succeeded"), pod("b", "Failed"), pod("c")]
    )  # a crash: once more
    assert again.uncounted == first.uncounted
    second = account(given, [pod("a", "Succeeded", tracked=False), pod("c")])  # b is gone already
    assert (second.counted, second.succeeded, second.failed) == ((1, 1), 1, 1)
    given.status.succeeded, given.status.failed = second.counted
    given.status.uncountedTerminatedPods.CopyFrom(second.uncounted)
    third = account(given, [pod("a", "Succeeded", tracked=False), pod("c")])
    assert (third.counted, third.uncounted.ListFields()) == ((1, 1), [])


@pytest.mark.parametrize(("policy", "failed"), [("TerminatingOrFailed", 1), ("Failed", 0)])
def test_an_ending_pod_has_failed_unless_its_end_is_waited_for(policy: str, failed: int) -> None:
    given = job(podReplacementPolicy=policy)
    assert account(given, [pod("a", ending=True)]).failed == failed


FAILED = [pod(f"f{i}", "Failed") for i in range(3)]


@pytest.mark.parametrize(
    ("given", "pods", "reason"),
    [
        (job(), [pod("a")], ""),
        (job(), [pod("a", "Succeeded")], "CompletionsReached"),
        (job(completions=2), [pod("a", "Succeeded")], ""),
        (job(completions=0), [], "CompletionsReached"),
        (job(completions=None), [pod("a", "Succeeded"), pod("b")], ""),
        (job(completions=None), [pod("a", "Succeeded")], "CompletionsReached"),
        (job(backoffLimit=3), FAILED, ""),
        (job(backoffLimit=2), FAILED, "BackoffLimitExceeded"),
        (job(backoffLimit=0), [], ""),
        (job("OnFailure", backoffLimit=2), [pod("a", restarts=1)], ""),
        (
            job("OnFailure", backoffLimit=2),
            [pod("a", restarts=1), pod("b", restarts=1)],
            "BackoffLimitExceeded",
        ),
        (job("OnFailure", backoffLimit=0), [pod("a", restarts=0)], ""),
        (job("OnFailure", backoffLimit=0), [pod("a", restarts=1)], "BackoffLimitExceeded"),
        (job("Never", backoffLimit=0), [pod("a", restarts=1)], ""),
        (job(activeDeadlineSeconds=101), [pod("a")], ""),
        (job(activeDeadlineSeconds=100), [pod("a")], "DeadlineExceeded"),
        (job(activeDeadlineSeconds=100, suspend=True), [pod("a")], ""),
        (job(activeDeadlineSeconds=100), [pod("a", "Succeeded")], "DeadlineExceeded"),
        (job(activeDeadlineSeconds=100, backoffLimit=2), FAILED, "BackoffLimitExceeded"),
    ],
)
def test_verdicts_in_their_order(given: Job, pods: list[Pod], reason: str) -> None:
    assert judged(given, *pods) == reason


def test_a_verdict_stands() -> None:
    given = job()
    given.status.conditions.add(type="FailureTarget", status="True", reason="X", message="m")
    sums = account(given, [pod("a", "Succeeded")])
    assert verdict(given, sums, [], NOW) == Verdict("FailureTarget", "X", "m")


def with_rules(**fields: Any) -> Job:
    given = job(backoffLimit=0, **fields)
    codes, kinds = PodFailurePolicyOnExitCodes, PodFailurePolicyOnPodCondition
    given.spec.podFailurePolicy.rules.extend(
        [
            PodFailurePolicyRule(
                action="Ignore", onPodConditions=[kinds(type="DisruptionTarget", status="True")]
            ),
            PodFailurePolicyRule(action="FailJob", onExitCodes=codes(operator="In", values=[42])),
            PodFailurePolicyRule(action="Ignore", onExitCodes=codes(operator="NotIn", values=[7])),
        ]
    )
    return given


@pytest.mark.parametrize(
    ("failed", "reason", "count"),
    [
        (pod("a", "Failed", code=42), "PodFailurePolicy", 1),
        (pod("a", "Failed", code=42, condition="DisruptionTarget"), "", 0),
        (pod("a", "Failed", code=5), "", 0),
        (pod("a", "Failed", code=7), "BackoffLimitExceeded", 1),
    ],
)
def test_the_first_rule_that_matches_says_what_a_failure_means(
    failed: Pod, reason: str, count: int
) -> None:
    given = with_rules()
    assert (judged(given, failed), account(given, [failed]).failed) == (reason, count)


INDEXED: dict[str, Any] = {"completionMode": "Indexed", "completions": 3, "parallelism": 3}


@pytest.mark.parametrize(
    ("more", "pods", "reason"),
    [
        ({}, [pod("a", "Failed", index=0, before=1)], ""),
        (
            {},
            [
                pod("a", "Failed", index=0, before=1),
                *(pod(f"s{i}", "Succeeded", index=i) for i in (1, 2)),
            ],
            "FailedIndexes",
        ),
        (
            {"maxFailedIndexes": 0},
            [pod("a", "Failed", index=0, before=1)],
            "MaxFailedIndexesExceeded",
        ),
        ({"maxFailedIndexes": 0}, [pod("a", "Failed", index=0, before=0)], ""),
    ],
)
def test_failures_per_index(more: dict[str, Any], pods: list[Pod], reason: str) -> None:
    assert judged(job(**INDEXED, backoffLimitPerIndex=1, **more), *pods) == reason


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (SuccessPolicyRule(succeededIndexes="0"), "SuccessPolicy"),
        (SuccessPolicyRule(succeededIndexes="0-1"), ""),
        (SuccessPolicyRule(succeededIndexes="0-1", succeededCount=1), "SuccessPolicy"),
        (SuccessPolicyRule(succeededCount=2), ""),
    ],
)
def test_success_policy(rule: SuccessPolicyRule, reason: str) -> None:
    given = job(**INDEXED)
    given.spec.successPolicy.rules.append(rule)
    assert judged(given, pod("a", "Succeeded", index=0)) == reason


def planned(
    given: Job, pods: list[Pod], coming: tuple[int | None, ...] = ()
) -> tuple[list[int | None], list[str], float]:
    todo = plan(given, pods, account(given, pods), coming, NOW)
    wait = todo.wait.total_seconds() if todo.wait else 0
    return list(todo.create), sorted(p.metadata.uid for p in todo.end), wait


N = None


@pytest.mark.parametrize(
    ("given", "pods", "coming", "expected"),
    [
        (job(parallelism=2, completions=5), [], (), ([N, N], [], 0)),
        (job(parallelism=2, completions=5), [], (N,), ([N], [], 0)),
        (job(parallelism=2, completions=2), [pod("a", "Succeeded")], (), ([N], [], 0)),
        (job(parallelism=0, completions=5), [pod("a")], (), ([], ["a"], 0)),
        (job(suspend=True), [pod("a")], (), ([], ["a"], 0)),
        (job(completions=None, parallelism=3), [pod("a"), pod("b", "Succeeded")], (), ([], [], 0)),
        (job(), [pod("a", "Failed", ago=4)], (), ([], [], 6)),
        (job(), [pod("a", "Failed", ago=10)], (), ([N], [], 0)),
        (job(), [pod("a", "Failed", ago=50), pod("b", "Failed", ago=15)], (), ([], [], 5)),
        (
            job(completions=2),
            [pod("a", "Failed", ago=9), pod("b", "Succeeded", ago=8)],
            (),
            ([N], [], 0),
        ),
        (job(), [pod(f"f{i}", "Failed", ago=i) for i in range(20)], (), ([], [], 600)),
        (job(podReplacementPolicy="Failed"), [pod("a", ending=True)], (), ([], [], 0)),
        (job(**INDEXED), [pod("a", index=1)], (0,), ([2], [], 0)),
        (job(**INDEXED), [pod("a", index=1), pod("b", index=7)], (), ([], ["b"], 0)),
        (job(**INDEXED), [pod("a", "Succeeded", index=0), pod("b", index=0)], (), ([], ["b"], 0)),
        (
            job(**INDEXED, backoffLimitPerIndex=1),
            [pod("a", "Failed", index=1, ago=4)],
            (),
            ([0, 2], [], 6),
        ),
    ],
)
def test_plan(given: Job, pods: list[Pod], coming: tuple[int | None, ...], expected: Any) -> None:
    assert planned(given, pods, coming) == expected


def test_of_two_pods_with_an_index_one_goes() -> None:
    [_, ended, _] = planned(job(**INDEXED), [pod("a", index=0), pod("b", index=0)])
    assert len(ended) == 1
