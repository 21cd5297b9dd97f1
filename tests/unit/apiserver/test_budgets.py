"""PodDisruptionBudgets as the API server treats them: rules, rows, and whether a pod may be evicted (S#101)."""

from datetime import timedelta
from typing import Any

import pytest

from api import conditions
from api.client import Delete
from api.errors import ApiError, Conflict, Forbidden, Internal, TooManyRequests
from control_plane.apiserver import eviction
from control_plane.apiserver.eviction import Grant
from proto.v1.pod_pb2 import Pod
from proto.v1.policy_pb2 import PodDisruptionBudget
from tests.manifests import NOW, complaints, created, read, strategy, updated

Change = dict[str, Any]


def spec(**fields: Any) -> Change:
    return {"spec": {"minAvailable": None, **fields}}


# Rules


@pytest.mark.parametrize(
    "change",
    [
        spec(minAvailable=0),
        spec(minAvailable="100%"),
        spec(maxUnavailable="0%"),
        spec(),  # allows nothing
        spec(maxUnavailable=1, selector=None),
        spec(maxUnavailable=1, selector={"matchLabels": None}),
        spec(maxUnavailable=1, unhealthyPodEvictionPolicy="AlwaysAllow"),
    ],
)
def test_these_are_budgets(change: Change) -> None:
    assert complaints("PodDisruptionBudget", change) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            spec(minAvailable=1, maxUnavailable=1),
            "minAvailable and maxUnavailable cannot be both set",
        ),
        (
            spec(minAvailable=-1),
            "spec.minAvailable: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            spec(minAvailable="101%"),
            'spec.minAvailable: Invalid value: "101%": must not be greater than 100%',
        ),
        (
            spec(maxUnavailable="half"),
            'spec.maxUnavailable: Invalid value: "half": a valid percent string',
        ),
        (
            spec(selector={"matchLabels": {"app": "a b"}}),
            'spec.selector.matchLabels: Invalid value: "a b"',
        ),
        (
            spec(unhealthyPodEvictionPolicy="Never"),
            'spec.unhealthyPodEvictionPolicy: Unsupported value: "Never"',
        ),
    ],
)
def test_these_are_none(change: Change, told: str) -> None:
    [said] = complaints("PodDisruptionBudget", change)
    assert told in said


def test_all_of_it_may_be_changed() -> None:
    after = spec(maxUnavailable=1, selector={"matchLabels": {"app": "shop"}})
    assert updated("PodDisruptionBudget", {}, after) == []


def test_numbers_in_a_status_are_not_negative() -> None:
    old = created("PodDisruptionBudget")
    new = read("PodDisruptionBudget", {"status": {"disruptionsAllowed": -1}})
    [said] = strategy("PodDisruptionBudget").validate_status(new, old)
    assert said.field == "status.disruptionsAllowed"


# Rows


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, ["web", "1", "N/A", 0, "60s"]),
        (spec(maxUnavailable="25%"), ["web", "N/A", "25%", 0, "60s"]),
    ],
)
def test_a_row(change: Change, told: list[Any]) -> None:
    budget = created("PodDisruptionBudget", change)
    assert list(strategy("PodDisruptionBudget").row(budget, NOW)) == told


# Eviction


def pod(*, ready: bool = True, phase: str = "Running", app: str = "web") -> Pod:
    made: Pod = created("Pod", {"metadata": {"labels": {"app": app}}, "spec": {"nodeName": "n1"}})
    made.status.phase = phase
    made.status.conditions.add(type="Ready", status="True" if ready else "False")
    return made


def budget(
    allowed: int = 1, healthy: int = 2, desired: int = 1, **fields: Any
) -> PodDisruptionBudget:
    made: PodDisruptionBudget = created("PodDisruptionBudget", {"spec": fields})
    made.metadata.generation = made.status.observedGeneration = 1
    status = made.status
    status.disruptionsAllowed, status.currentHealthy, status.desiredHealthy = (
        allowed,
        healthy,
        desired,
    )
    return made


def ending() -> Pod:
    made = pod()
    made.metadata.deletionTimestamp.seconds = 1
    return made


FREE, PINNED = Grant(), Grant(pinned=True)


@pytest.mark.parametrize(
    ("subject", "budgets", "grant"),
    [
        (pod(), [], FREE),
        (pod(app="other"), [budget(0)], FREE),
        (pod(phase="Succeeded"), [budget(0)], FREE),
        (pod(phase="Failed"), [budget(0), budget(0)], FREE),
        (ending(), [budget(0)], FREE),
        (pod(phase="Pending"), [budget(0)], PINNED),
        (pod(ready=False), [budget(0, healthy=1)], PINNED),
        (pod(ready=False), [budget(0, 0, unhealthyPodEvictionPolicy="AlwaysAllow")], PINNED),
        (pod(), [budget(1)], Grant(charge=budget(1))),
        (pod(ready=False), [budget(0, healthy=0)], Grant(charge=budget(0, healthy=0))),
        (pod(ready=False), [budget(0, 0, 0)], Grant(charge=budget(0, 0, 0))),
        (pod(), [budget(selector=None)], FREE),
        (
            pod(app="other"),
            [budget(selector={"matchLabels": None})],
            Grant(charge=budget(selector={"matchLabels": None})),
        ),
    ],
    ids=[
        "no budget",
        "of another application",
        "ended well",
        "ended badly",
        "goes anyway",
        "has not begun",
        "unready, and enough others",
        "unready, always allowed",
        "one is left",
        "unready, and too few others",
        "unready, and none is desired",
        "a budget without a selector",
        "a budget for the whole namespace",
    ],
)
def test_who_is_asked(subject: Pod, budgets: list[PodDisruptionBudget], grant: Grant) -> None:
    assert eviction.judge(subject, budgets) == grant


def test_two_budgets_for_one_pod_are_a_mistake() -> None:
    with pytest.raises(Internal, match="more than one PodDisruptionBudget"):
        eviction.judge(pod(), [budget(), budget()])


def test_a_grant_is_taken_off_and_noted() -> None:
    charged = budget(2)
    eviction.charge(charged, pod(), NOW)
    assert charged.status.disruptionsAllowed == 1
    assert charged.status.disruptedPods["web"].ToDatetime() == NOW.replace(tzinfo=None)
    assert not charged.status.conditions


def test_the_last_grant_changes_the_condition() -> None:
    charged = budget(1)
    eviction.charge(charged, pod(), NOW)
    [condition] = charged.status.conditions
    assert (condition.type, condition.status, condition.reason) == (
        "DisruptionAllowed",
        "False",
        "InsufficientPods",
    )


def unseen() -> PodDisruptionBudget:
    made = budget(1)
    made.metadata.generation = 2
    return made


def failed() -> PodDisruptionBudget:
    made = budget(0)
    made.status.conditions.add(
        type="DisruptionAllowed", status="False", reason="SyncFailed", message="why"
    )
    return made


def crowded() -> PodDisruptionBudget:
    made = budget(1)
    for number in range(eviction.MOST_DISRUPTED + 1):
        made.status.disruptedPods[f"p{number}"].seconds = 1
    return made


@pytest.mark.parametrize(
    ("charged", "error", "told", "retry_after"),
    [
        (
            budget(0, 1, 2),
            TooManyRequests,
            "The disruption budget web needs 2 healthy pods and has 1 currently",
            0,
        ),
        (
            unseen(),
            TooManyRequests,
            "The disruption budget web is still being processed by the server.",
            10,
        ),
        (
            failed(),
            TooManyRequests,
            "The disruption budget web does not allow evicting pods currently because it failed sync: why",
            0,
        ),
        (budget(-1), Forbidden, "pdb disruptions allowed is negative", 0),
        (crowded(), Forbidden, "DisruptedPods map too big", 0),
    ],
)
def test_a_refusal_says_why(
    charged: PodDisruptionBudget, error: type[ApiError], told: str, retry_after: int
) -> None:
    with pytest.raises(error) as raised:
        eviction.charge(charged, pod(), NOW)
    said = raised.value
    causes = [(cause.reason, cause.message) for cause in said.causes]
    if error is TooManyRequests:
        assert said.message == eviction.REFUSAL
        assert causes == [("DisruptionBudget", told)]
    else:
        assert told in said.message
    assert said.retry_after == retry_after


def test_a_pod_that_is_made_to_go_says_so() -> None:
    subject = pod()
    eviction.leave(strategy("Pod"), subject, Delete(grace=7), NOW)
    said = conditions.find(subject.status.conditions, "DisruptionTarget")
    assert said is not None
    assert (said.status, said.reason) == ("True", "EvictionByEvictionAPI")
    assert subject.metadata.deletionGracePeriodSeconds == 7
    assert subject.metadata.deletionTimestamp.ToDatetime() == (NOW + timedelta(seconds=7)).replace(
        tzinfo=None
    )


@pytest.mark.parametrize("subject", [pod(phase="Failed"), ending()])
def test_a_pod_that_has_ended_was_not_made_to(subject: Pod) -> None:
    eviction.leave(strategy("Pod"), subject, Delete(), NOW)
    assert conditions.find(subject.status.conditions, "DisruptionTarget") is None


def test_another_pod_of_the_name_is_left_alone() -> None:
    with pytest.raises(Conflict):
        eviction.leave(strategy("Pod"), pod(), Delete(uid="another"), NOW)
