"""One step of a StatefulSet, as tables (S#72-S#74).

A pod is written as its ordinal, the revision it is of, and how it is: `2B+` is web-2 of revision B, available.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api import clock
from control_plane.controllers.revisions import POD_LABEL
from control_plane.controllers.statefulset.identity import INDEX_LABEL, NAME_LABEL, ordinal_of
from control_plane.controllers.statefulset.plan import Plan, Versions, plan
from control_plane.controllers.statefulset.status import next_look
from control_plane.controllers.statefulset.update import max_unavailable
from proto.v1.apps_pb2 import StatefulSet
from proto.v1.pod_pb2 import Pod
from tests.manifests import created

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
ORDERED, PARALLEL = "OrderedReady", "Parallel"
#  state -> phase, seconds of being ready, ending
STATES: dict[str, tuple[str, float | None, bool]] = {
    "+": ("Running", 3600, False),  # available
    "r": ("Running", 5, False),  # ready, not for long
    "-": ("Running", None, False),  # not ready
    "~": ("Pending", None, False),
    "x": ("Running", 3600, True),  # ready still, and told to end
    "F": ("Failed", None, False),
    "S": ("Succeeded", None, False),
    "f": ("Failed", None, True),
}


def web(replicas: int = 3, policy: str = ORDERED, **spec: Any) -> StatefulSet:
    change = {"replicas": replicas, "podManagementPolicy": policy, "serviceName": "db", **spec}
    made: StatefulSet = created("StatefulSet", {"spec": change})
    return made


def rolling(**fields: Any) -> dict[str, Any]:
    return {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": fields}}


def pod(text: str) -> Pod:
    found = re.fullmatch(r"(\d+)([A-Z])(.)", text)
    assert found is not None
    ordinal, revision, state = found.groups()
    phase, ready, ending = STATES[state]
    made = Pod()
    made.metadata.name = f"web-{ordinal}"
    made.metadata.uid = f"uid-{ordinal}"
    made.metadata.labels.update(
        {POD_LABEL: revision, NAME_LABEL: made.metadata.name, INDEX_LABEL: ordinal}
    )
    made.status.phase = phase
    if ready is not None:
        since = clock.timestamp(NOW - timedelta(seconds=ready))
        made.status.conditions.add(type="Ready", status="True", lastTransitionTime=since)
    if ending:
        made.metadata.deletionTimestamp.CopyFrom(clock.timestamp(NOW))
    return made


def decided(sts: StatefulSet, pods: str, current: str = "B") -> Plan:
    """The present template is always revision B."""
    versions = Versions(current, "B", created("StatefulSet").spec.template)
    return plan(sts, [pod(each) for each in pods.split()], versions, NOW)


def told(todo: Plan) -> str:
    made = [f"+{p.metadata.name[4:]}{p.metadata.labels[POD_LABEL]}" for p in todo.create]
    gone = [f"-{p.metadata.name[4:]}" for p in todo.delete]
    return " ".join([*made, *gone])


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ("", "+0B"),
        ("0B~", ""),
        ("0B-", ""),
        ("0B+", "+1B"),
        ("0B+ 1B+", "+2B"),
        ("0B+ 1B+ 2B+", ""),
        ("0B+ 2B+", "+1B"),
        ("0B- 2B+", ""),  # web-1 waits, although web-2 is there
        ("0Bx 1B+", ""),  # until it is gone
        ("0BF 1B+ 2B+", "-0"),
        ("0BS 1B+ 2B+", "-0"),
        ("0Bf 1B+ 2B+", ""),
        ("1B+ 2B+", "+0B"),
    ],
)
def test_pods_are_made_in_order_each_waiting_for_those_before(pods: str, expected: str) -> None:
    assert told(decided(web(3), pods)) == expected


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ("", "+0B +1B +2B"),
        ("0B~ 2B-", "+1B"),
        ("0BF 1Bx", "+2B -0"),
        ("0Bx 1B+ 2B+", ""),  # nobody takes its name while it is there
        ("0B+ 1B+ 2B+ 3B- 4B+", "-4 -3"),
        ("0B- 1B+ 3B+ 4Bx", "+2B -3"),
    ],
)
def test_in_parallel_nobody_waits(pods: str, expected: str) -> None:
    assert told(decided(web(3, PARALLEL), pods)) == expected


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ("0B+ 1B+ 2B+ 3B+", "-3"),
        ("0B+ 1B+ 2B+", "-2"),
        ("0B+ 1B+ 2Bx", ""),
        ("0B- 1B+ 2B+", ""),  # halts while one that stays is unhealthy
        ("0B+ 1B- 2B+", "-2"),  # web-2 is healthy, so it goes before the broken web-1
        ("0B+ 1B+ 2B-", "-2"),
        ("0B+ 1B- 2B-", ""),  # web-2 waits for web-1, which is broken and not the last
        ("0B+ 1B-", "-1"),
        ("0B+ 1BF", "-1"),
        ("0B+ 1BF 2BF", "-2"),  # nobody waits for what has failed and is too many
        ("0B- 1BF 2BF", ""),
        ("0B+", ""),
        ("", "+0B"),
    ],
)
def test_scaling_down_ends_the_highest_first_one_at_a_time(pods: str, expected: str) -> None:
    assert told(decided(web(1), pods)) == expected


def test_ordinals_begin_where_the_set_says() -> None:
    sts = web(3, ordinals={"start": 5})
    assert told(decided(sts, "")) == "+5B"
    assert told(decided(sts, "5B+ 6B+ 7B+")) == ""
    assert told(decided(sts, "0B+ 5B+ 6B+ 7B+ 8B+")) == "-8"
    assert told(decided(sts, "0B+ 5B+ 6B+ 7B+")) == "-0"


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ("0A+ 1A+ 2A+", "-2"),
        ("0A+ 1A+ 2Ax", ""),
        ("0A+ 1A+", "+2B"),
        ("0A+ 1A+ 2B~", ""),
        ("0A+ 1A+ 2B+", "-1"),
        ("0A+ 1B+ 2B+", "-0"),
        ("0B+ 1B+ 2B+", ""),
        ("0A- 1A+ 2A+", ""),  # an unhealthy pod stops an update in order
        ("0A+ 1A+ 2C-", ""),  # the trap: web-2 of a broken revision is not replaced
    ],
)
def test_an_update_goes_from_the_highest_down(pods: str, expected: str) -> None:
    assert told(decided(web(3), pods, current="A")) == expected


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ("0A- 1A+ 2A+", "-2"),
        ("0A+ 1A+ 2A-", "-2"),
        ("0A+ 1A+ 2B-", ""),
        ("0A+ 1A+ 2Ax", ""),
        ("0A+ 1A+ 2B+", "-1"),
        ("0A+ 1A+ 2C-", "-2"),  # no trap without an order
        ("0A+ 1A+ 2AF", "-2"),
        ("0A+ 1A+", "+2B"),  # and web-1 waits for it
    ],
)
def test_an_update_in_parallel_goes_one_by_one_too(pods: str, expected: str) -> None:
    assert told(decided(web(3, PARALLEL), pods, current="A")) == expected


@pytest.mark.parametrize(
    ("partition", "pods", "expected"),
    [
        (2, "0A+ 1A+ 2A+", "-2"),
        (2, "0A+ 1A+ 2B+", ""),
        (2, "0A+ 2B+", "+1A"),  # below the partition the old template lives on
        (2, "0A+ 1A+", "+2B"),
        (3, "0A+ 1A+ 2A+", ""),
        (7, "0A+ 1A+", "+2A"),
        (0, "0A+ 1A+ 2B+", "-1"),
    ],
)
def test_below_the_partition_nothing_changes(partition: int, pods: str, expected: str) -> None:
    assert told(decided(web(3, **rolling(partition=partition)), pods, current="A")) == expected


def test_a_partition_counts_places_and_not_ordinals() -> None:
    sts = web(3, ordinals={"start": 10}, **rolling(partition=1))
    assert told(decided(sts, "10A+ 11A+ 12B+", current="A")) == "-11"
    assert told(decided(sts, "10A+ 11B+ 12B+", current="A")) == ""
    assert told(decided(sts, "11B+ 12B+", current="A")) == "+10A"


@pytest.mark.parametrize(
    ("policy", "maximum", "pods", "expected"),
    [
        (ORDERED, 2, "0A+ 1A+ 2A+ 3A+ 4A+", "-4 -3"),
        (ORDERED, "50%", "0A+ 1A+ 2A+ 3A+ 4A+", "-4 -3"),
        (ORDERED, 9, "0A+ 1A+ 2A+ 3A+ 4A+", "-4 -3 -2 -1 -0"),
        (ORDERED, 2, "0A+ 1A+ 2A+ 3Ax 4A+", ""),  # in order even one is too many
        (PARALLEL, 2, "0A+ 1A+ 2A+ 3Ax 4A+", "-4"),
        (PARALLEL, 2, "0A+ 1A+ 2A+ 3Ax 4Ax", ""),
        (PARALLEL, 2, "0A+ 1A+ 2A+ 3B~ 4B+", "-2"),
        (PARALLEL, 2, "0A+ 1A+ 2A+", "+3B +4B"),
        (PARALLEL, 2, "0A- 1A- 2A- 3A+ 4A+", "-2 -1 -0"),  # what is broken goes in any case
        (PARALLEL, 2, "0A- 1A+ 2A+ 3A+ 4A+", "-0 -4"),
        (PARALLEL, 2, "0B- 1B- 2A+ 3A+ 4A+", ""),
    ],
)
def test_so_many_may_be_missing_during_an_update(
    policy: str, maximum: int | str, pods: str, expected: str
) -> None:
    sts = web(5, policy, **rolling(maxUnavailable=maximum))
    assert told(decided(sts, pods, current="A")) == expected


@pytest.mark.parametrize(
    ("replicas", "value", "expected"), [(10, 3, 3), (10, "25%", 2), (3, "25%", 1), (3, "100%", 3)]
)
def test_percentages_are_rounded_down_but_one_may_always_go(
    replicas: int, value: int | str, expected: int
) -> None:
    assert max_unavailable(web(replicas, **rolling(maxUnavailable=value))) == expected


def test_on_delete_nothing_is_ended_and_what_is_made_is_new() -> None:
    sts = web(3, updateStrategy={"type": "OnDelete"})
    assert told(decided(sts, "0A+ 1A+ 2A+", current="A")) == ""
    assert told(decided(sts, "0A+ 2A+", current="A")) == "+1B"


def test_without_bounds_a_pod_that_dies_during_an_update_comes_back_as_it_was() -> None:
    sts = web(3, updateStrategy={"type": "RollingUpdate"})
    sts.status.currentReplicas = 2  # web-2 is being renewed
    assert told(decided(sts, "1A+ 2B+", current="A")) == "+0A"
    assert told(decided(sts, "0A+ 1A+", current="A")) == "+2B"


def test_scaling_goes_before_an_update() -> None:
    assert told(decided(web(2), "0A+ 1A+ 2A+", current="A")) == "-2"


def test_ready_is_not_enough_when_time_is_asked_for() -> None:
    sts = web(2, minReadySeconds=60)
    assert told(decided(sts, "0Br")) == ""
    assert told(decided(sts, "0B+")) == "+1B"
    assert next_look(sts, [pod("0Br"), pod("1B+")], NOW) == 55
    assert next_look(sts, [pod("1B+")], NOW) is None


def test_a_set_that_is_being_deleted_does_nothing() -> None:
    going = web(3)
    going.metadata.deletionTimestamp.CopyFrom(clock.timestamp(NOW))
    todo = decided(going, "0B+ 1BF")
    assert told(todo) == ""
    assert todo.status.replicas == 2


def test_a_new_pod_knows_who_it_is() -> None:
    made = decided(web(1), "").create[0]
    assert made.metadata.name == made.spec.hostname == "web-0"
    assert made.spec.subdomain == "db"
    assert dict(made.metadata.labels) == {
        "app": "web",
        POD_LABEL: "B",
        "statefulset.kubernetes.io/pod-name": "web-0",
        "apps.kubernetes.io/pod-index": "0",
    }
    [owner] = made.metadata.ownerReferences
    assert (owner.kind, owner.name, owner.controller) == ("StatefulSet", "web", True)


def test_an_adopted_pod_is_told_who_it_is() -> None:
    adopted = pod("0B+")
    del adopted.metadata.labels[NAME_LABEL]
    todo = plan(web(1), [adopted], Versions("B", "B", web().spec.template), NOW)
    [changed] = todo.relabel
    assert changed.metadata.labels[NAME_LABEL] == "web-0"
    assert NAME_LABEL not in adopted.metadata.labels, "what came from a cache is not changed"


@pytest.mark.parametrize(
    ("name", "ordinal"),
    [("web-0", 0), ("web-12", 12), ("web-01", None), ("web", None), ("web-x", None), ("a-web-0", None), ("web-0-0", None)],
)  # fmt: skip
def test_the_name_is_the_identity(name: str, ordinal: int | None) -> None:
    made = Pod()
    made.metadata.name = name
    assert ordinal_of(web(), made) == ordinal


@pytest.mark.parametrize(
    ("pods", "current", "counts"),
    # replicas, ready, available, current, updated
    [
        ("", "B", (0, 0, 0, 0, 0)),
        ("0B+ 1B- 2B~", "B", (3, 1, 1, 3, 3)),
        ("0B+ 1Br", "B", (2, 2, 1, 2, 2)),
        ("0A+ 1A+ 2A+", "A", (3, 3, 3, 2, 0)),  # web-2 is ended in this step
        ("0A+ 1A+ 2Ax", "A", (3, 3, 3, 2, 0)),
        ("0A+ 1A+ 2B~", "A", (3, 2, 2, 2, 1)),
        ("0C+ 1C+ 2C-", "A", (3, 2, 2, 0, 0)),
    ],
)
def test_what_is_counted(pods: str, current: str, counts: tuple[int, ...]) -> None:
    status = decided(web(3, minReadySeconds=60), pods, current=current).status
    assert counts == (
        status.replicas,
        status.readyReplicas,
        status.availableReplicas,
        status.currentReplicas,
        status.updatedReplicas,
    )
    assert (status.currentRevision, status.updateRevision) == (current, "B")
    assert status.HasField("collisionCount")


@pytest.mark.parametrize(
    ("spec", "pods", "revision"),
    [
        ({}, "0B+ 1B+ 2B+", "B"),
        ({}, "0B+ 1B+ 2B-", "A"),
        ({}, "0B+ 1B+", "A"),
        ({}, "0B+ 1B+ 2B+ 3B+", "A"),  # one too many still
        (rolling(partition=1), "0A+ 1B+ 2B+", "A"),
        ({"updateStrategy": {"type": "OnDelete"}}, "0B+ 1B+ 2B+", "A"),
    ],
)
def test_an_update_is_over_when_all_pods_are_new_and_ready(
    spec: dict[str, Any], pods: str, revision: str
) -> None:
    status = decided(web(3, **spec), pods, current="A").status
    assert status.currentRevision == revision
    if revision == "B":
        assert status.currentReplicas == status.updatedReplicas == 3
