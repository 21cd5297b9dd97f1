"""Selectors: what they match, what they read as, and where a text goes wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import selectors
from api.errors import BadRequest
from proto.v1.meta_pb2 import LabelSelector

WEB = {"app": "web", "tier": "front", "size": "7", "empty": ""}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "app=web",
        "app==web",
        " app = web ",
        "app!=db",
        "none!=x",
        "app in (web, db)",
        "app in (web)",
        "tier notin (back)",
        "none notin (a,b)",
        "app",
        "!none",
        "! none",
        "size>6",
        "size<8",
        "size > -1",
        "empty=",
        "empty in ()",
        "empty in (,a)",
        "app=web,tier=front,!none",
        "app=web , tier notin (back,side),size>1",
        "app,tier",
    ],
)
def test_these_match(text: str) -> None:
    assert selectors.labels(text).matches(WEB)


@pytest.mark.parametrize(
    "text",
    [
        "app=db",
        "app!=web",
        "none=x",
        "app in (a,b)",
        "none in (a)",
        "app notin (web)",
        "none",
        "!app",
        "size>7",
        "size<7",
        "none>1",
        "app>1",
        "app=",
        "empty!=",
        "app=web,tier=back",
        "none=",
    ],
)
def test_these_do_not_match(text: str) -> None:
    assert not selectors.labels(text).matches(WEB)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("=x", "found '=' at character 1 of '=x', expected: a label's key"),
        ("app=web,", "found the end at character 9 of 'app=web,', expected: a label's key"),
        (",app", "found ',' at character 1 of ',app', expected: a label's key"),
        ("app web", "found 'web' at character 5 of 'app web', expected: one of '='"),
        ("app=a b", "found 'b' at character 7 of 'app=a b', expected: ',' or the end"),
        ("app in x", "found 'x' at character 8 of 'app in x', expected: '('"),
        ("app in (x", "found the end at character 10 of 'app in (x', expected: ')'"),
        ("app in (x y)", "found 'y' at character 11"),
        ("app=>", "found '>' at character 5"),
        ("size>big", "found 'big' at character 6 of 'size>big', expected: an integer"),
        ("!", "found the end at character 2"),
        ("-a=b", "key '-a' at character 1 of '-a=b': name part must consist of"),
        ("a/b/c", "key 'a/b/c' at character 1"),
        ("app=we_b-", "value 'we_b-' at character 5 of 'app=we_b-': a valid label must"),
        ("app in (ok,-x)", "value '-x' at character 12"),
    ],
)
def test_a_text_that_is_no_selector_is_refused_with_the_place(text: str, told: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        selectors.labels(text)
    assert refusal.value.message.startswith("unable to parse requirement: ")
    assert told in refusal.value.message


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("app==web", "app=web"),
        ("app in (b,a)", "app in (a,b)"),
        ("app in (a)", "app=a"),
        ("app notin (a)", "app!=a"),
        ("! x ,y", "!x,y"),
        ("size > 3", "size>3"),
        ("x in (,a)", "x in (,a)"),
        ("", ""),
    ],
)
def test_a_selector_is_written_in_one_form(text: str, written: str) -> None:
    assert str(selectors.labels(text)) == written


KEYS, VALUES = st.sampled_from(["a", "b", "x.y/c"]), st.sampled_from(["", "1", "2", "v", "w_w"])
REQUIREMENTS = st.one_of(
    st.builds(selectors.Requirement, KEYS, st.sampled_from(["Exists", "DoesNotExist"])),
    st.builds(
        selectors.Requirement,
        KEYS,
        st.sampled_from(["In", "NotIn"]),
        st.lists(VALUES, min_size=1, unique=True).map(tuple),
    ),
    st.builds(
        selectors.Requirement,
        KEYS,
        st.sampled_from(["Gt", "Lt"]),
        st.integers(-9, 9).map(lambda number: (str(number),)),
    ),
)


@given(st.lists(REQUIREMENTS, max_size=4), st.dictionaries(KEYS, VALUES))
def test_what_is_written_reads_as_the_same_selector(
    requirements: list[selectors.Requirement], labels: dict[str, str]
) -> None:
    selector = selectors.LabelSelector(tuple(requirements))
    again = selectors.labels(str(selector))
    assert str(again) == str(selector)
    assert again.matches(labels) == selector.matches(labels)


@given(st.text(alphabet="ab=!<>(), in1-/", max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        selector = selectors.labels(text)
    except BadRequest:
        return
    assert str(selectors.labels(str(selector))) == str(selector)


def test_a_missing_message_matches_nothing_and_an_empty_one_everything() -> None:
    assert not selectors.labels_from(None).matches(WEB)
    assert not selectors.labels_from(None).matches({})
    assert selectors.labels_from(LabelSelector()).matches({})
    assert selectors.labels_from(LabelSelector()).everything


def test_a_message_needs_all_its_labels_and_expressions() -> None:
    message = LabelSelector(matchLabels={"app": "web"})
    message.matchExpressions.add(key="tier", operator="NotIn", values=["back"])
    selector = selectors.labels_from(message)
    assert selector.matches(WEB)
    assert not selector.matches({**WEB, "tier": "back"})
    assert not selector.matches({"tier": "front"})


def test_labels_of_a_message_are_matched_without_changing_them() -> None:
    message = LabelSelector(matchLabels={"a": "1"})
    assert not selectors.labels("none=1,b").matches(message.matchLabels)
    assert dict(message.matchLabels) == {"a": "1"}


POD = {"metadata.name": "web", "spec.nodeName": "n1", "status.phase": "Running", "odd": "a,b=c\\"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("metadata.name=web", True),
        ("metadata.name==web", True),
        ("metadata.name!=web", False),
        ("spec.nodeName=n1,status.phase!=Failed", True),
        ("spec.nodeName=", False),
        ("spec.nodeName!=", True),
        ("odd=a\\,b\\=c\\\\", True),
        ("spec.nodeName=n1,", True),
    ],
)
def test_field_selectors(text: str, matches: bool) -> None:
    assert selectors.fields(text).matches(POD) is matches


@pytest.mark.parametrize("text", ["web", "a=b=c", "a=b\\x", "a=b,c", "a=\\"])
def test_a_text_that_is_no_field_selector_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="invalid field selector"):
        selectors.fields(text)


def test_a_field_that_cannot_be_selected_by_is_named() -> None:
    with pytest.raises(
        BadRequest, match=r"field label not supported: spec\.foo \(supported are: metadata\.name\)"
    ):
        selectors.fields("metadata.name=a,spec.foo=x", supported=["metadata.name"])


def test_the_one_value_that_a_field_must_have_is_known() -> None:
    selector = selectors.fields("spec.nodeName=n1,status.phase!=Failed")
    assert selector.exact("spec.nodeName") == "n1"
    assert selector.exact("status.phase") is None
    assert selector.exact("metadata.name") is None


@given(st.dictionaries(st.sampled_from(["a", "b.c"]), st.text(), max_size=2))
def test_a_field_selector_that_is_written_reads_as_the_same(values: dict[str, str]) -> None:
    selector = selectors.FieldSelector(tuple((name, True, value) for name, value in values.items()))
    assert selectors.fields(str(selector)) == selector
