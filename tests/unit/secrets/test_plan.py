"""The steps of a rotation, from the file and the counts alone."""

from datetime import UTC, datetime

import pytest

from control_plane.secrets import plan
from control_plane.secrets.configuration import PLAIN, Configuration, Rule
from control_plane.secrets.plan import (
    AddKey,
    Census,
    Forget,
    NothingToRotate,
    Promote,
    Rewrite,
    StillNeeded,
)
from tests.encryption import configuration, key

NOW = datetime(2026, 11, 22, 15, 0, 0, tzinfo=UTC)
NEW, OLD = "key-20261122T150000Z", "key-20250101T000000Z"
UNDER_OLD, UNDER_NEW = ("aesgcm", OLD), ("aesgcm", NEW)
PLAIN_USE = ("identity", "")


def counted(
    waiting: dict[tuple[str, str], int], current: dict[tuple[str, str], int] | None = None
) -> Census:
    return Census({**(current or {}), **waiting}, waiting)


LOST = Census({UNDER_OLD: 1}, {}, (("/registry/secrets/a/b", "why"),))


@pytest.mark.parametrize(
    ("keys", "census", "steps"),
    [
        pytest.param([OLD], counted({}, {UNDER_OLD: 3}), [AddKey(NEW), Promote(NEW), Rewrite(3), Forget()], id="from the beginning"),
        pytest.param([OLD, NEW], counted({}, {UNDER_OLD: 3}), [Promote(NEW), Rewrite(3), Forget()], id="the key was added"),
        pytest.param([NEW, OLD], counted({UNDER_OLD: 3}), [Rewrite(3), Forget()], id="it writes"),
        pytest.param([NEW, OLD], counted({UNDER_OLD: 1}, {UNDER_NEW: 2}), [Rewrite(1), Forget()], id="some are rewritten"),
        pytest.param([OLD, "key1"], counted({}, {UNDER_OLD: 1}), [AddKey(NEW), Promote(NEW), Rewrite(1), Forget()], id="an older key that is idle"),
        pytest.param([OLD], counted({PLAIN_USE: 2}, {UNDER_OLD: 1}), [AddKey(NEW), Promote(NEW), Rewrite(3), Forget()], id="plain objects are no rotation that was begun"),
        pytest.param([NEW, OLD], LOST, [AddKey("key-20261122T150001Z"), Promote("key-20261122T150001Z"), Rewrite(0), Forget()], id="nor are lost ones"),
        pytest.param([OLD], Census(), [AddKey(NEW), Promote(NEW), Rewrite(0), Forget()], id="an empty store"),
    ],
)  # fmt: skip
def test_what_is_left_of_a_rotation(
    keys: list[str], census: Census, steps: list[plan.Step]
) -> None:
    assert plan.rotation(configuration(*map(key, keys)), census, NOW) == steps


def test_carrying_out_each_step_leaves_the_others() -> None:
    """Wherever it stops, the same question gives the rest."""
    now = configuration(key(OLD))
    census = counted({}, {UNDER_OLD: 2})
    steps = plan.rotation(now, census, NOW)
    now = plan.with_key(now, key(NEW))
    assert now.rules[0].keys == (key(OLD), key(NEW)), "it reads first"
    assert plan.rotation(now, census, NOW) == steps[1:]
    now = plan.promoted(now, NEW)
    assert now.rules[0].keys == (key(NEW), key(OLD))
    assert plan.rotation(now, counted({UNDER_OLD: 2}), NOW) == steps[2:]


def test_rules_that_encrypt_nothing_stay_as_they_are() -> None:
    rules = (Rule(("secrets",), (key(OLD),)), Rule(("*.*",), (PLAIN, key("key1"))))
    after = plan.promoted(plan.with_key(Configuration(rules), key(NEW)), NEW)
    assert after.rules == (Rule(("secrets",), (key(NEW), key(OLD))), rules[1])
    with pytest.raises(NothingToRotate, match="encrypts nothing"):
        plan.rotation(Configuration(rules[1:]), Census(), NOW)


def test_a_hand_written_key_is_rotated_away_from() -> None:
    now = configuration(key("mine", "secretbox"))
    assert plan.rotation(now, Census(), NOW)[0] == AddKey(NEW)
    assert plan.newest_waiting(plan.with_key(now, key(NEW))) == NEW


def test_a_clock_that_goes_back_makes_no_older_key() -> None:
    later = configuration(key("key-20301231T235959Z"))
    assert plan.next_name(later, NOW) == "key-20310101T000000Z"


@pytest.mark.parametrize(
    ("name", "census", "why"),
    [
        ("nope", Census(), f"there is no key 'nope' .*there are: {NEW}, {OLD}"),
        (NEW, Census(), "is the key that writes: rotate first"),
        (OLD, counted({UNDER_OLD: 1}), "1 object is still encrypted with .* run `helmling secrets reencrypt` first"),
        (OLD, counted({UNDER_OLD: 3}), "3 objects are still encrypted"),
        (OLD, LOST, "1 object is under .* cannot be read: delete them first"),
    ],
)  # fmt: skip
def test_a_key_that_is_needed_is_not_removed(name: str, census: Census, why: str) -> None:
    with pytest.raises(StillNeeded, match=why):
        plan.without(configuration(key(NEW), key(OLD)), name, census)


def test_a_key_that_nothing_needs_is() -> None:
    now = configuration(key(NEW), key(OLD))
    assert plan.without(now, OLD, counted({}, {UNDER_NEW: 9})) == configuration(key(NEW))
