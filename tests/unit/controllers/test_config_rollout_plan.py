"""When a change of a ConfigMap or Secret begins a rollout, and when it does not."""

from typing import Any

import pytest

from api.configrefs import Content, Reference
from control_plane.controllers.configrollout.plan import SEEN, WANTED, fingerprint, plan
from proto.v1.apps_pb2 import Deployment
from proto.v1.config_pb2 import ConfigMap, Secret
from tests.manifests import read

SETTINGS = Reference("ConfigMap", "default", "settings")
KEYS = Reference("Secret", "default", "keys")
EXTRA = Reference("ConfigMap", "default", "extra")
CONTAINER = {
    "name": "a",
    "image": "i:1",
    "envFrom": [
        {"configMapRef": {"name": "settings"}},
        {"secretRef": {"name": "keys"}},
        {"configMapRef": {"name": "extra", "optional": True}},
    ],
}


def deployment(seen: str = "", wanted: str = "true") -> Deployment:
    notes = {WANTED: wanted} | ({SEEN: seen} if seen else {})
    change: dict[str, Any] = {
        "metadata": {"annotations": notes},
        "spec": {"template": {"spec": {"containers": [CONTAINER]}}},
    }
    made: Deployment = read("Deployment", change)
    return made


def config(color: str = "blue", uid: str = "u1", **binary: bytes) -> ConfigMap:
    return ConfigMap(metadata={"uid": uid}, data={"color": color}, binaryData=binary)


def secret(password: bytes = b"p") -> Secret:
    return Secret(metadata={"uid": "u2"}, data={"password": password})


def found(**changes: Content | None) -> dict[Reference, Content | None]:
    first: dict[Reference, Content | None] = {SETTINGS: config(), KEYS: secret(), EXTRA: None}
    named = {"settings": SETTINGS, "keys": KEYS, "extra": EXTRA}
    return first | {named[name]: content for name, content in changes.items()}


SEEN_FIRST = plan(deployment(), found()).seen


def test_the_first_look_is_noted_and_starts_nothing() -> None:
    """Asking for the service restarts nobody."""
    decision = plan(deployment(), found())
    assert decision.changed == ()
    assert [each.partition("=")[0] for each in decision.seen.split(",")] == [
        "configmap/extra",
        "configmap/settings",
        "secret/keys",
    ]


@pytest.mark.parametrize(
    ("changes", "changed"),
    [
        ({}, ()),
        ({"settings": config("red")}, ('configmap "settings"',)),
        ({"settings": config(icon=b"1")}, ('configmap "settings"',)),
        ({"keys": secret(b"q")}, ('secret "keys"',)),
        (
            {"settings": config("red"), "keys": secret(b"q")},
            ('configmap "settings"', 'secret "keys"'),
        ),
        ({"extra": config(uid="u3")}, ('configmap "extra"',)),  # the pods run without it
    ],
)
def test_a_change_begins_a_rollout(
    changes: dict[str, Content | None], changed: tuple[str, ...]
) -> None:
    decision = plan(deployment(SEEN_FIRST), found(**changes))
    assert decision.changed == changed
    assert bool(decision.hash) is bool(changed)
    again = plan(deployment(decision.seen), found(**changes))
    assert (again.seen, again.changed) == (decision.seen, ())


def test_while_something_is_missing_nothing_begins() -> None:
    """New pods could not start."""
    decision = plan(deployment(SEEN_FIRST), found(settings=None, keys=secret(b"q")))
    assert (decision.seen, decision.changed) == (SEEN_FIRST, ())


def test_what_pods_have_waited_for_starts_nothing_when_it_comes() -> None:
    waiting = plan(deployment(), found(settings=None))
    assert "configmap/settings=-" in waiting.seen
    assert plan(deployment(waiting.seen), found()).changed == ()


def test_an_optional_object_that_goes_changes_nothing() -> None:
    with_extra = plan(deployment(), found(extra=config(uid="u3"))).seen
    assert plan(deployment(with_extra), found()).changed == ()


def test_a_template_that_names_something_new_is_a_rollout_already() -> None:
    fewer = ",".join(each for each in SEEN_FIRST.split(",") if "secret/" not in each)
    decision = plan(deployment(fewer), found(keys=secret(b"q")))
    assert decision.changed == ()
    assert "secret/keys=" in decision.seen


@pytest.mark.parametrize("wanted", ["false", "", "yes"])
def test_who_does_not_ask_is_left_alone(wanted: str) -> None:
    decision = plan(deployment(SEEN_FIRST, wanted), found(settings=config("red")))
    assert (decision.seen, decision.changed) == ("", ())


def test_a_note_that_is_not_ours_counts_as_none() -> None:
    decision = plan(deployment("what is this"), found())
    assert (decision.seen, decision.changed) == (SEEN_FIRST, ())


def test_a_fingerprint_is_of_the_content_and_helps_nobody_to_guess_it() -> None:
    same = ConfigMap(metadata={"uid": "u1", "resourceVersion": "7"}, data={"color": "blue"})
    assert fingerprint(same) == fingerprint(config())
    assert fingerprint(config()) != fingerprint(config(uid="other"))
    moved = ConfigMap(metadata={"uid": "u1"}, binaryData={"color": b"blue"})
    assert fingerprint(moved) != fingerprint(config())
    one = ConfigMap(data={"a": "b", "c": "d"})
    other = ConfigMap(data={"a": "b1:1:cd"})
    assert fingerprint(one) != fingerprint(other)
