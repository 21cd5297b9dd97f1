"""Strategic merge patches: lists that are tables, and the directives."""

import copy
from typing import Any

import pytest

from api.errors import BadRequest, Invalid, UnsupportedMedia
from api.patch import apply_patch, patch_type, strategic_patch
from proto.v1.pod_pb2 import Pod

WEB, LOG = {"name": "web", "image": "web:1"}, {"name": "log", "image": "log:1"}


def pod(**spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "p", "labels": {"app": "web"}, "finalizers": ["x/a", "x/b"]},
        "spec": spec,
    }


def patched(spec: dict[str, Any], patch: dict[str, Any]) -> Any:
    return strategic_patch({"spec": spec}, {"spec": patch}, Pod)["spec"]


CASES: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ("a value is replaced", {"nodeName": "a"}, {"nodeName": "b"}, {"nodeName": "b"}),
    ("null removes", {"nodeName": "a", "hostname": "h"}, {"nodeName": None}, {"hostname": "h"}),
    ("null for what is not there does nothing", {}, {"nodeName": None}, {}),
    (
        "maps are merged",
        {"nodeSelector": {"a": "1", "b": "2"}},
        {"nodeSelector": {"a": None, "c": "3"}},
        {"nodeSelector": {"b": "2", "c": "3"}},
    ),
    (
        "an element is found by its key",
        {"containers": [WEB, LOG]},
        {"containers": [{"name": "log", "image": "log:2"}]},
        {"containers": [WEB, {"name": "log", "image": "log:2"}]},
    ),
    (
        "a new element is appended",
        {"containers": [WEB]},
        {"containers": [LOG]},
        {"containers": [WEB, LOG]},
    ),
    (
        "tables in tables",
        {"containers": [{**WEB, "ports": [{"containerPort": 80, "name": "http"}]}]},
        {
            "containers": [
                {
                    "name": "web",
                    "ports": [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 81}],
                }
            ]
        },
        {
            "containers": [
                {
                    **WEB,
                    "ports": [
                        {"containerPort": 80, "name": "http", "protocol": "TCP"},
                        {"containerPort": 81},
                    ],
                }
            ]
        },
    ),
    (
        "lists without a key are replaced",
        {"containers": [{**WEB, "command": ["a", "b"]}]},
        {"containers": [{"name": "web", "command": ["c"]}]},
        {"containers": [{**WEB, "command": ["c"]}]},
    ),
    (
        "lists of objects without a key are replaced",
        {"tolerations": [{"key": "a", "operator": "Exists"}]},
        {"tolerations": [{"key": "b", "operator": "Exists"}]},
        {"tolerations": [{"key": "b", "operator": "Exists"}]},
    ),
    (
        "an element is deleted",
        {"containers": [WEB, LOG]},
        {"containers": [{"name": "web", "$patch": "delete"}]},
        {"containers": [LOG]},
    ),
    (
        "deleting what is not there does nothing",
        {"containers": [WEB]},
        {"containers": [{"name": "x", "$patch": "delete"}]},
        {"containers": [WEB]},
    ),
    (
        "a table is replaced",
        {"containers": [WEB]},
        {"containers": [{"$patch": "replace"}, LOG]},
        {"containers": [LOG]},
    ),
    (
        "a table is emptied",
        {"volumes": [{"name": "v"}]},
        {"volumes": [{"$patch": "replace"}]},
        {"volumes": []},
    ),
    (
        "an object is replaced",
        {"nodeSelector": {"a": "1"}},
        {"nodeSelector": {"$patch": "replace", "b": "2"}},
        {"nodeSelector": {"b": "2"}},
    ),
    (
        "an object is emptied",
        {"nodeSelector": {"a": "1"}},
        {"nodeSelector": {"$patch": "delete"}},
        {"nodeSelector": {}},
    ),
    (
        "merge is what happens anyway",
        {"nodeSelector": {"a": "1"}},
        {"nodeSelector": {"$patch": "merge", "b": "2"}},
        {"nodeSelector": {"a": "1", "b": "2"}},
    ),
    (
        "what is new is free of directives",
        {},
        {"containers": [{**WEB, "ports": [{"$patch": "replace"}, {"containerPort": 1}]}]},
        {"containers": [{**WEB, "ports": [{"containerPort": 1}]}]},
    ),
    (
        "only retained members of a union stay",
        {"volumes": [{"name": "v", "emptyDir": {}}]},
        {
            "volumes": [
                {"name": "v", "hostPath": {"path": "/"}, "$retainKeys": ["name", "hostPath"]}
            ]
        },
        {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]},
    ),
    (
        "elements are put in order",
        {"containers": [WEB, LOG]},
        {"$setElementOrder/containers": [{"name": "log"}, {"name": "web"}]},
        {"containers": [LOG, WEB]},
    ),
    (
        "a new element goes to its place",
        {"containers": [WEB]},
        {"containers": [LOG], "$setElementOrder/containers": [{"name": "log"}, {"name": "web"}]},
        {"containers": [LOG, WEB]},
    ),
    (
        "elements nobody ordered keep their places",
        {"containers": [{"name": "x"}, WEB, {"name": "y"}, LOG, {"name": "z"}]},
        {"$setElementOrder/containers": [{"name": "web"}, {"name": "log"}]},
        {"containers": [{"name": "x"}, WEB, {"name": "y"}, LOG, {"name": "z"}]},
    ),
    (
        "a type that changed is replaced",
        {"affinity": "x"},
        {"affinity": {"nodeAffinity": {}}},
        {"affinity": {"nodeAffinity": {}}},
    ),
    (
        "fields the schema does not know merge like JSON",
        {"foo": {"a": [1], "b": 2}},
        {"foo": {"a": [2]}},
        {"foo": {"a": [2], "b": 2}},
    ),
]


@pytest.mark.parametrize(
    ("spec", "patch", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_patch(spec: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]) -> None:
    before = copy.deepcopy((spec, patch))
    assert patched(spec, patch) == expected
    assert (spec, patch) == before


@pytest.mark.parametrize(
    ("patch", "finalizers"),
    [
        ({"finalizers": ["x/b", "x/c"]}, ["x/a", "x/b", "x/c"]),
        ({"$deleteFromPrimitiveList/finalizers": ["x/a", "x/z"]}, ["x/b"]),
        ({"$deleteFromPrimitiveList/finalizers": ["x/a"], "finalizers": ["x/c"]}, ["x/b", "x/c"]),
        (
            {"finalizers": ["x/c"], "$setElementOrder/finalizers": ["x/c", "x/b", "x/a"]},
            ["x/c", "x/b", "x/a"],
        ),
    ],
)
def test_sets_of_values(patch: dict[str, Any], finalizers: list[str]) -> None:
    assert strategic_patch(pod(), {"metadata": patch}, Pod)["metadata"]["finalizers"] == finalizers


@pytest.mark.parametrize(
    ("patch", "told"),
    [
        ({"containers": [{"image": "x"}]}, "spec.containers[0]: the merge key 'name' is missing"),
        ({"containers": ["web"]}, "spec.containers[0]: must be an object, to be matched by 'name'"),
        (
            {"containers": [{"name": "web", "ports": [{"name": "http"}]}]},
            "spec.containers[0].ports[0]: the merge key 'containerPort' is missing",
        ),
        (
            {"containers": [{"name": "web", "$patch": "remove"}]},
            "spec.containers[0].$patch: unknown directive 'remove'",
        ),
        ({"$patch": "x"}, "spec.$patch: unknown directive 'x'; there are: delete, replace, merge"),
        ({"$foo": 1}, "spec.$foo: there is no such directive"),
        (
            {"volumes": [{"name": "v", "emptyDir": {}, "$retainKeys": ["name"]}]},
            "spec.volumes[0].$retainKeys: must name 'emptyDir', which the patch sets",
        ),
        ({"volumes": [{"name": "v", "$retainKeys": "name"}]}, "$retainKeys: must be a list"),
        (
            {"$setElementOrder/containers": [{"name": "web"}], "containers": [{"name": "x"}]},
            "spec.$setElementOrder/containers: must contain 'x', which the patch sets",
        ),
        ({"$setElementOrder/containers": [{}]}, "the merge key 'name' is missing"),
        (
            {"$setElementOrder/foo": []},
            "spec.$setElementOrder/foo: must be a list, and 'foo' a list of the object",
        ),
        ({"$deleteFromPrimitiveList/x": 1}, "spec.$deleteFromPrimitiveList/x: must be a list"),
    ],
)
def test_a_patch_that_makes_no_sense_is_refused_with_its_place(
    patch: dict[str, Any], told: str
) -> None:
    with pytest.raises(BadRequest) as refusal:
        patched({"containers": [WEB]}, patch)
    assert told in refusal.value.message


@pytest.mark.parametrize(
    ("media", "kind"),
    [
        ("application/json-patch+json", "json"),
        ("application/merge-patch+json", "merge"),
        ("application/strategic-merge-patch+json; charset=utf-8", "strategic"),
    ],
)
def test_the_type_of_a_patch_is_told_by_its_media_type(media: str, kind: str) -> None:
    assert patch_type(media) == kind


@pytest.mark.parametrize("media", ["", "application/json", "text/plain"])
def test_any_other_type_is_refused(media: str) -> None:
    with pytest.raises(UnsupportedMedia, match="supported are: application/json-patch"):
        patch_type(media)


@pytest.mark.parametrize(
    ("kind", "patch", "told"),
    [
        ("json", {}, "must be a list"),
        ("json", "x", "must be a list"),
        ("merge", [], "must be an object"),
        ("strategic", [1], "a strategic patch must be an object"),
    ],
)
def test_a_patch_of_the_wrong_shape_is_refused(kind: Any, patch: Any, told: str) -> None:
    with pytest.raises(BadRequest, match=told):
        apply_patch({}, patch, patch_type=kind, message_type=Pod)


def test_a_patch_nested_without_end_is_refused() -> None:
    deep: Any = {}
    for _ in range(100_000):
        deep = {"a": deep}
    with pytest.raises(BadRequest, match="nested too deeply"):
        apply_patch({}, deep, patch_type="merge", message_type=Pod)
    while deep:  # taken apart here: the interpreter would do it recursively
        deep = deep.pop("a")


def test_each_type_is_applied_as_what_it_is() -> None:
    doc = pod(containers=[WEB])
    patch = {"spec": {"containers": [LOG]}}
    merged = apply_patch(doc, patch, patch_type="merge", message_type=Pod)
    assert merged["spec"]["containers"] == [LOG]
    strategic = apply_patch(doc, patch, patch_type="strategic", message_type=Pod)
    assert strategic["spec"]["containers"] == [WEB, LOG]
    ops = [{"op": "remove", "path": "/spec/containers/0"}]
    assert apply_patch(doc, ops, patch_type="json", message_type=Pod)["spec"]["containers"] == []
    with pytest.raises(Invalid):
        apply_patch(doc, ops * 2, patch_type="json", message_type=Pod)
