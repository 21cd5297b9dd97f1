"""Kubernetes' JSONPath: the examples of its documentation, and the traps."""

from typing import Any

import pytest

from cli.output.jsonpath import JsonPathError, Template, relaxed

DOCUMENT: dict[str, Any] = {
    "kind": "List",
    "items": [
        {
            "kind": "None",
            "metadata": {"name": "127.0.0.1", "labels": {"kubernetes.io/hostname": "127.0.0.1"}},
            "status": {
                "capacity": {"cpu": "4"},
                "addresses": [{"type": "LegacyHostIP", "address": "127.0.0.1"}],
            },
        },
        {
            "kind": "None",
            "metadata": {"name": "127.0.0.2"},
            "status": {
                "capacity": {"cpu": "8"},
                "addresses": [
                    {"type": "LegacyHostIP", "address": "127.0.0.2"},
                    {"type": "another", "address": "127.0.0.3"},
                ],
            },
        },
    ],
    "users": [
        {"name": "myself", "user": {}},
        {"name": "e2e", "user": {"username": "admin", "password": "secret"}, "age": 7, "old": True},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("text", "text"),
        ("kind is {.kind}", "kind is List"),
        ("{.kind}", "List"),
        ("{$.kind}", "List"),
        ("{@.kind}", "List"),
        ("{.items[*].metadata.name}", "127.0.0.1 127.0.0.2"),
        ("{.items[0].metadata.name}", "127.0.0.1"),
        ("{.items[-1].metadata.name}", "127.0.0.2"),
        ("{.items[0:1].metadata.name}", "127.0.0.1"),
        ("{.items[0:2:2].metadata.name}", "127.0.0.1"),
        ("{.items[*].status.capacity.cpu}", "4 8"),
        ("{['kind']}", "List"),
        ("{.items[*]['metadata.name', 'status.capacity']}", ""),
        ("{.items[*]['kind','kind']}", "None None None None"),
        ("{..name}", "127.0.0.1 127.0.0.2 myself e2e"),
        ("{.items[0]..address}", "127.0.0.1"),
        ('{.users[?(@.name=="e2e")].user.password}', "secret"),
        ("{.users[?(@.name=='e2e')].user.password}", "secret"),
        ('{.users[?(@.name!="e2e")].name}', "myself"),
        ("{.users[?(@.age>5)].name}", "e2e"),
        ("{.users[?(@.age<=5)].name}", ""),
        ("{.users[?(@.old==true)].name}", "e2e"),
        ("{.users[?(@.user.username)].name}", "e2e"),
        ('{.items[*].status.addresses[?(@.type=="another")].address}', "127.0.0.3"),
        ("{.items[0].metadata.labels.kubernetes\\.io/hostname}", "127.0.0.1"),
        ("{.items[0].metadata.labels['kubernetes.io/hostname']}", "127.0.0.1"),
        ('{range .items[*]}{.metadata.name}{"\\n"}{end}', "127.0.0.1\n127.0.0.2\n"),
        (
            "{range .items[*]}[{.metadata.name}, {.status.capacity.cpu}] {end}",
            "[127.0.0.1, 4] [127.0.0.2, 8] ",
        ),
        (
            "{range .items[*]}{.metadata.name}:{range .status.addresses[*]}{.address},{end};{end}",
            "127.0.0.1:127.0.0.1,;127.0.0.2:127.0.0.2,127.0.0.3,;",
        ),
        ("{.users[0].user}", "{}"),
        ("{.users[1].user}", '{"username":"admin","password":"secret"}'),
        ("{.users[1].age}{'\\t'}{.users[1].old}", "7\ttrue"),
        ("{.missing.field}", ""),
        ("{.items[7].metadata.name}", ""),
        ("{.*}", None),
    ],
)
def test_templates(template: str, expected: str | None) -> None:
    """`None`: only that it can be rendered."""
    rendered = Template(template).render(DOCUMENT)
    assert expected is None or rendered == expected


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{.items[0", "unclosed"),
        ("{.items[x]}", "invalid array index"),
        ("{range .items[*]}{.kind}", "unterminated {range}"),
        ("{end}", "without {range}"),
        ('{.users[?(@.name=~"e")].name}', "regular expressions"),
        ("{.users[?(@.name==e2e)].name}", "needs quotes"),
        ("{.users[0:2:0]}", "more than 0"),
    ],
)
def test_wrong_templates_are_explained(template: str, said: str) -> None:
    with pytest.raises(JsonPathError) as caught:
        Template(template).render(DOCUMENT)
    assert said in caught.value.message


def test_a_missing_field_can_be_an_error() -> None:
    with pytest.raises(JsonPathError, match="nothing is not found"):
        Template("{.nothing}", missing_ok=False).render(DOCUMENT)


@pytest.mark.parametrize(
    "text", [".metadata.name", "metadata.name", "{.metadata.name}", "{metadata.name}"]
)
def test_short_forms(text: str) -> None:
    """--sort-by and custom columns take paths without braces and without a dot."""
    assert relaxed(text) == "{.metadata.name}"
