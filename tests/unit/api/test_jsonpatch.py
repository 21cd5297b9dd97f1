"""JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7396)."""

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import BadRequest, Invalid
from api.patch import json_patch, merge_patch

DOC = {"a": {"b": [1, 2, 3], "c/d": 1, "e~f": 2, "": 3, "8": 4}, "n": None}


@pytest.mark.parametrize(
    ("doc", "ops", "expected"),
    [
        ({}, [], {}),
        ({"a": 1}, [{"op": "add", "path": "/b", "value": 2}], {"a": 1, "b": 2}),
        ({"a": 1}, [{"op": "add", "path": "/a", "value": 2}], {"a": 2}),
        ({"a": 1}, [{"op": "add", "path": "/b", "value": None}], {"a": 1, "b": None}),
        ({"a": [1, 3]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2, 3]}),
        ({"a": [1]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2]}),
        ({"a": [1]}, [{"op": "add", "path": "/a/-", "value": [2]}], {"a": [1, [2]]}),
        ({"a": 1}, [{"op": "add", "path": "", "value": [1]}], [1]),
        ({"a": 1, "b": 2}, [{"op": "remove", "path": "/a"}], {"b": 2}),
        ({"a": [1, 2, 3]}, [{"op": "remove", "path": "/a/1"}], {"a": [1, 3]}),
        ({"a": 1}, [{"op": "remove", "path": ""}], None),
        ({"a": None}, [{"op": "remove", "path": "/a"}], {}),
        ({"a": 1}, [{"op": "replace", "path": "/a", "value": {"b": 1}}], {"a": {"b": 1}}),
        ({"a": [1, 2]}, [{"op": "replace", "path": "/a/0", "value": 9}], {"a": [9, 2]}),
        ({"a": 1}, [{"op": "replace", "path": "", "value": 7}], 7),
        ({"a": {"b": 1}}, [{"op": "move", "from": "/a/b", "path": "/c"}], {"a": {}, "c": 1}),
        ({"a": [1, 2, 3]}, [{"op": "move", "from": "/a/0", "path": "/a/2"}], {"a": [2, 3, 1]}),
        ({"a": 1}, [{"op": "move", "from": "/a", "path": "/a"}], {"a": 1}),
        ({"a": [1]}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": [1], "b": [1]}),
        (
            {"a": [1]},
            [{"op": "copy", "from": "/a", "path": "/b"}, {"op": "add", "path": "/b/-", "value": 2}],
            {"a": [1], "b": [1, 2]},
        ),
        (
            {"a": {"b": [1, "x"]}},
            [{"op": "test", "path": "/a", "value": {"b": [1, "x"]}}],
            {"a": {"b": [1, "x"]}},
        ),
        ({"a": 1}, [{"op": "test", "path": "/a", "value": 1.0}], {"a": 1}),
        (DOC, [{"op": "test", "path": "/a/c~1d", "value": 1}], DOC),
        (DOC, [{"op": "test", "path": "/a/e~0f", "value": 2}], DOC),
        (DOC, [{"op": "test", "path": "/a/", "value": 3}], DOC),
        (DOC, [{"op": "test", "path": "/a/8", "value": 4}], DOC),
        (DOC, [{"op": "test", "path": "/n", "value": None}], DOC),
        ({"~1": 1}, [{"op": "test", "path": "/~01", "value": 1}], {"~1": 1}),
    ],
)
def test_operations(doc: Any, ops: list[Any], expected: Any) -> None:
    before = copy.deepcopy(doc)
    assert json_patch(doc, ops) == expected
    assert doc == before


@pytest.mark.parametrize(
    ("op", "told"),
    [
        ({"op": "remove", "path": "/x"}, "operation 0 (remove '/x'): there is no '/x'"),
        ({"op": "replace", "path": "/a/x", "value": 1}, "there is no '/a/x'"),
        ({"op": "add", "path": "/x/y", "value": 1}, "there is no '/x'"),
        ({"op": "add", "path": "/a/b/4", "value": 1}, "index 4 is beyond the end"),
        ({"op": "add", "path": "/a/b/01", "value": 1}, "'01' is no index of a list"),
        ({"op": "add", "path": "/a/b/-1", "value": 1}, "'-1' is no index of a list"),
        ({"op": "add", "path": "/a/b/x", "value": 1}, "'x' is no index of a list"),
        ({"op": "replace", "path": "/a/b/3", "value": 1}, "index 3 is beyond the end"),
        ({"op": "remove", "path": "/a/b/-"}, "'-' is no index of a list"),
        ({"op": "add", "path": "/a/8/x", "value": 1}, "'/a/8' is neither an object nor a list"),
        ({"op": "move", "from": "/a", "path": "/a/z"}, "cannot be moved into itself"),
        ({"op": "copy", "from": "/zz", "path": "/y"}, "there is no '/zz'"),
        ({"op": "test", "path": "/a/8", "value": 5}, "the value there is a different one"),
        ({"op": "test", "path": "/a/b/0", "value": True}, "the value there is a different one"),
        ({"op": "test", "path": "/n", "value": False}, "the value there is a different one"),
    ],
)
def test_an_operation_that_does_not_fit_is_named_with_its_place(
    op: dict[str, Any], told: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        json_patch(DOC, [op])
    assert told in refusal.value.message


@pytest.mark.parametrize(
    ("op", "told"),
    [
        ("add", "operation 0 must be an object"),
        ({}, "unknown op None; there are: add, remove, replace, move, copy, test"),
        ({"op": "delete", "path": "/a"}, "unknown op 'delete'"),
        ({"op": "add", "value": 1}, "'path' is missing"),
        ({"op": "add", "path": "/a"}, "'value' is missing"),
        ({"op": "move", "path": "/a"}, "'from' is missing"),
        ({"op": "remove", "path": "a"}, "path must be a text that begins with '/', not 'a'"),
        ({"op": "remove", "path": 5}, "path must be a text that begins with '/', not 5"),
    ],
)
def test_what_is_no_operation_is_refused_before_anything_is_done(op: Any, told: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        json_patch({}, [{"op": "remove", "path": "/missing"}, op][1:])
    assert told in refusal.value.message
    assert not isinstance(refusal.value, Invalid)


def test_a_failing_operation_undoes_those_before_it() -> None:
    doc = {"a": 1}
    with pytest.raises(Invalid, match="operation 1"):
        json_patch(doc, [{"op": "remove", "path": "/a"}, {"op": "remove", "path": "/a"}])
    assert doc == {"a": 1}


def test_a_patch_cannot_fill_the_memory_by_copying() -> None:
    double = [{"op": "copy", "from": "/a", "path": "/a/-"}] * 40
    with pytest.raises(Invalid, match="copies more than"):
        json_patch({"a": [1]}, double)


def test_a_patch_has_a_largest_length() -> None:
    with pytest.raises(BadRequest, match="10000 operations, not 10001"):
        json_patch({}, [{"op": "test", "path": "", "value": {}}] * 10_001)


@pytest.mark.parametrize(
    ("doc", "patch", "expected"),
    [  # the examples of RFC 7396, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patches(doc: Any, patch: Any, expected: Any) -> None:
    before = copy.deepcopy(doc)
    assert merge_patch(doc, patch) == expected
    assert doc == before


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["", "a", "~", "/", "0"]), inner, max_size=3),
    ),
    max_leaves=8,
)
PATHS = st.lists(st.sampled_from(["", "a", "~0", "~1", "0", "1", "-"]), max_size=3).map(
    lambda steps: "".join(f"/{step}" for step in steps)
)
OPS = st.one_of(
    st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "replace", "test"]), "path": PATHS, "value": JSON}
    ),
    st.fixed_dictionaries({"op": st.just("remove"), "path": PATHS}),
    st.fixed_dictionaries({"op": st.sampled_from(["move", "copy"]), "path": PATHS, "from": PATHS}),
)


@given(JSON, st.lists(OPS, max_size=4))
def test_any_patch_applies_or_is_refused_and_the_document_stays(doc: Any, ops: list[Any]) -> None:
    before = copy.deepcopy(doc)
    with contextlib.suppress(Invalid):
        json_patch(doc, ops)
    assert doc == before


@given(JSON, JSON)
def test_a_merge_patch_leaves_nothing_to_merge(doc: Any, patch: Any) -> None:
    once = merge_patch(doc, patch)
    assert merge_patch(once, patch) == once
