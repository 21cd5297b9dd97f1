"""The patch of `apply`: what the manifest says becomes true, what it drops goes, and the rest is left alone."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.errors import BadRequest
from api.patch import strategic_patch, three_way
from proto.v1.pod_pb2 import Pod

WEB, LOG = {"name": "web", "image": "web:1"}, {"name": "log", "image": "log:1"}
Spec = dict[str, Any]

CASES: list[tuple[str, Spec, Spec, Spec, Spec]] = [
    # what is proved, original, modified, current, patch
    ("nothing to do", {"nodeName": "a"}, {"nodeName": "a"}, {"nodeName": "a", "hostname": "h"}, {}),
    ("a value is set", {}, {"nodeName": "a"}, {}, {"nodeName": "a"}),
    (
        "a drift is corrected",
        {"nodeName": "a"},
        {"nodeName": "a"},
        {"nodeName": "b"},
        {"nodeName": "a"},
    ),
    ("what the manifest drops goes", {"nodeName": "a"}, {}, {"nodeName": "a"}, {"nodeName": None}),
    ("what is gone already needs no removal", {"nodeName": "a"}, {}, {}, {}),
    (
        "defaults stay",
        {},
        {"containers": [WEB]},
        {"containers": [{**WEB, "imagePullPolicy": "Always"}]},
        {},
    ),
    (
        "a dropped map loses only its own keys",
        {"nodeSelector": {"a": "1"}},
        {},
        {"nodeSelector": {"a": "1", "b": "2"}},
        {"nodeSelector": {"a": None}},
    ),
    (
        "an element changes",
        {"containers": [WEB]},
        {"containers": [{**WEB, "image": "web:2"}]},
        {"containers": [WEB, LOG]},
        {
            "containers": [{"image": "web:2", "name": "web"}],
            "$setElementOrder/containers": [{"name": "web"}],
        },
    ),
    (
        "an element is added in its place",
        {"containers": [WEB]},
        {"containers": [LOG, WEB]},
        {"containers": [WEB]},
        {"containers": [LOG], "$setElementOrder/containers": [{"name": "log"}, {"name": "web"}]},
    ),
    (
        "an element is dropped",
        {"containers": [WEB, LOG]},
        {"containers": [WEB]},
        {"containers": [WEB, LOG]},
        {
            "containers": [{"$patch": "delete", "name": "log"}],
            "$setElementOrder/containers": [{"name": "web"}],
        },
    ),
    (
        "an element somebody else added stays",
        {"containers": [WEB]},
        {"containers": [WEB]},
        {"containers": [WEB, LOG]},
        {},
    ),
    (
        "only the order changes",
        {"containers": [WEB, LOG]},
        {"containers": [LOG, WEB]},
        {"containers": [WEB, LOG]},
        {"$setElementOrder/containers": [{"name": "log"}, {"name": "web"}]},
    ),
    (
        "a plain list is replaced",
        {},
        {"tolerations": [{"operator": "Exists"}]},
        {"tolerations": []},
        {"tolerations": [{"operator": "Exists"}]},
    ),
    (
        "another member of a union",
        {"volumes": [{"name": "v", "emptyDir": {}}]},
        {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]},
        {"volumes": [{"name": "v", "emptyDir": {}}]},
        {
            "volumes": [
                {
                    "emptyDir": None,
                    "hostPath": {"path": "/"},
                    "$retainKeys": ["hostPath", "name"],
                    "name": "v",
                }
            ],
            "$setElementOrder/volumes": [{"name": "v"}],
        },
    ),
    ("null in a manifest removes", {}, {"nodeName": None}, {"nodeName": "a"}, {"nodeName": None}),
]


@pytest.mark.parametrize(
    ("original", "modified", "current", "patch"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_the_patch(original: Spec, modified: Spec, current: Spec, patch: Spec) -> None:
    made = three_way({"spec": original}, {"spec": modified}, {"spec": current}, Pod)
    assert made == ({"spec": patch} if patch else {})


def test_sets_of_values_gain_and_lose_their_own() -> None:
    made = three_way(
        {"metadata": {"finalizers": ["x/a", "x/b"]}},
        {"metadata": {"finalizers": ["x/c", "x/a"]}},
        {"metadata": {"finalizers": ["x/a", "x/b", "x/other"]}},
        Pod,
    )
    assert made == {
        "metadata": {
            "finalizers": ["x/c"],
            "$deleteFromPrimitiveList/finalizers": ["x/b"],
            "$setElementOrder/finalizers": ["x/c", "x/a"],
        }
    }


def test_a_key_that_is_not_unique_makes_the_list_be_replaced() -> None:
    ports = [{"containerPort": 53, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}]
    current = {"spec": {"containers": [{**WEB, "ports": ports[:1]}]}}
    modified = {"spec": {"containers": [{**WEB, "ports": ports}]}}
    patch = three_way(current, modified, current, Pod)
    assert strategic_patch(current, patch, Pod) == modified


def test_an_element_without_its_key_is_refused() -> None:
    with pytest.raises(BadRequest, match=r"containers\[0\]: the merge key 'name' is missing"):
        three_way(
            {}, {"spec": {"containers": [{"image": "x"}]}}, {"spec": {"containers": [WEB]}}, Pod
        )


# Small pods over few names, so that chance makes them collide.
IMAGES, KEYS = st.sampled_from(["i:1", "i:2"]), st.sampled_from(["a", "b", "c"])
PORTS = st.lists(
    st.fixed_dictionaries({"containerPort": st.integers(1, 3)}, optional={"name": KEYS}),
    max_size=3,
    unique_by=lambda port: port["containerPort"],
)
CONTAINERS = st.lists(
    st.fixed_dictionaries(
        {"name": KEYS},
        optional={
            "image": IMAGES,
            "command": st.lists(KEYS, min_size=1, max_size=2),
            "ports": PORTS,
            "tty": st.booleans(),
        },
    ),
    max_size=3,
    unique_by=lambda container: container["name"],
)
VOLUMES = st.lists(
    st.one_of(
        st.fixed_dictionaries({"name": KEYS, "emptyDir": st.just({})}),
        st.fixed_dictionaries({"name": KEYS, "hostPath": st.fixed_dictionaries({"path": KEYS})}),
    ),
    max_size=3,
    unique_by=lambda volume: volume["name"],
)
MAPS = st.dictionaries(KEYS, KEYS, max_size=3)
PODS = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.fixed_dictionaries(
            {}, optional={"labels": MAPS, "finalizers": st.lists(KEYS, max_size=3, unique=True)}
        ),
        "spec": st.fixed_dictionaries(
            {},
            optional={
                "containers": CONTAINERS,
                "volumes": VOLUMES,
                "nodeSelector": MAPS,
                "nodeName": KEYS,
                "tolerations": st.lists(st.fixed_dictionaries({"key": KEYS}), max_size=2),
            },
        ),
    },
)


def holds(wanted: Any, found: Any, *, key: str = "") -> bool:
    """Whether all that is wanted is there; in a table the wanted elements stand in their order."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            name in found and holds(value, found[name], key=TABLES.get(name, ""))
            for name, value in wanted.items()
        )
    if not key:
        return bool(wanted == found)
    identity = (lambda each: each) if key == "self" else (lambda each: each[key])
    ours = [each for each in found if identity(each) in map(identity, wanted)]
    return len(ours) == len(wanted) and all(map(holds, wanted, ours))


TABLES = {"containers": "name", "ports": "containerPort", "volumes": "name", "finalizers": "self"}


@settings(max_examples=300, deadline=None)
@given(PODS, PODS, PODS)
def test_the_patched_object_is_as_the_manifest_says(
    original: Spec, modified: Spec, current: Spec
) -> None:
    before = copy.deepcopy((original, modified, current))
    result = strategic_patch(current, three_way(original, modified, current, Pod), Pod)
    assert holds(modified, result)
    assert (original, modified, current) == before


@settings(max_examples=300, deadline=None)
@given(PODS, PODS, PODS)
def test_applying_again_changes_nothing(original: Spec, modified: Spec, current: Spec) -> None:
    once = strategic_patch(current, three_way(original, modified, current, Pod), Pod)
    again = strategic_patch(once, three_way(modified, modified, once, Pod), Pod)
    assert again == once


@settings(max_examples=300, deadline=None)
@given(PODS, PODS)
def test_what_only_the_manifest_had_is_gone_when_it_drops_it(original: Spec, current: Spec) -> None:
    applied = strategic_patch(current, three_way({}, original, current, Pod), Pod)
    emptied = strategic_patch(applied, three_way(original, {}, applied, Pod), Pod)
    if "nodeName" in original.get("spec", {}):
        assert "nodeName" not in (emptied.get("spec") or {})
    assert (
        not original.get("metadata", {}).get("labels", {}).keys()
        & (emptied.get("metadata") or {}).get("labels", {}).keys()
    )
