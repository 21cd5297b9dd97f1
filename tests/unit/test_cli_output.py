"""Tables, YAML, columns and sorting."""

import io
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cli.errors import CommandError, UsageError
from cli.output import chosen, columns, yamlform
from cli.output.table import Printer, render

PODS: list[dict[str, Any]] = [
    {"metadata": {"name": "web-10", "labels": {"app": "web"}}, "spec": {"priority": 5}, "size": "1Gi"},
    {"metadata": {"name": "web-2"}, "spec": {"priority": 50}, "size": "500Mi"},
    {"metadata": {"name": "db"}, "spec": {}, "size": "2"},
]  # fmt: skip


def test_tables_are_aligned_three_spaces_apart() -> None:
    assert render([["NAME", "AGE"], ["a-long-name", "5s"]]) == [
        "NAME          AGE",
        "a-long-name   5s",
    ]


def test_rows_that_come_later_keep_their_columns() -> None:
    """`--watch` prints row by row."""
    out = io.StringIO()
    printer = Printer(out, headers=True)
    printer.add(["NAME", "STATUS"], [["web", "ContainerCreating"]])
    printer.add(["NAME", "STATUS"], [["w", "Running"]])
    assert out.getvalue().splitlines() == [
        "NAME   STATUS",
        "web    ContainerCreating",
        "w      Running",
    ]


KUBECTL_YAML = """apiVersion: v1
kind: Pod
metadata:
  annotations:
    note: "true"
    script: |
      #!/bin/sh
      echo hi
    two: |-
      a
      b
  creationTimestamp: "2026-11-22T11:12:47Z"
  name: web
spec:
  containers:
  - args:
    - -c
    - 'echo: here'
    - ""
    image: nginx:1.27
    name: web
    ports:
    - containerPort: 80
    resources: {}
  nodeSelector: {}
  tolerations: []
  x: null
"""


def test_yaml_is_written_as_kubectl_writes_it() -> None:
    """Keys in order, lists at their key's indent, blocks for lines, quotes only where needed."""
    assert yamlform.dump(yaml.safe_load(KUBECTL_YAML)) == KUBECTL_YAML


@pytest.mark.parametrize(
    "text",
    [
        "yes",
        "no",
        "on",
        "~",
        "null",
        "1",
        "1e3",
        "0x1f",
        "012",
        "1:30",
        ".5",
        "2026-11-22",
        "=",
        "",
        "y",
        " lead",
        "trail ",
        "a: b",
        "a #b",
        "- a",
        "?",
        "-",
        "*a",
        "&a",
        "!a",
        "%a",
        "@a",
        "`a",
        "{a",
        "[a",
        "'a",
        '"a',
        "a\tb",
        "a\nb",
        "\n",
        "a\n\n",
        "\n a\nb",
        "  a\nb",
        "\ta\nb",
        "a\u2028b",
        "\x07",
        "---",
        "...",
        "---x",
        "#a",
        "| a",
        "a:",
        "é",
        "日本",
    ],
)
def test_awkward_text_survives_yaml(text: str) -> None:
    """What is written reads back as the same text, as a value, a key and an item."""
    document = {"value": text, "list": [text, {"inner": text}], text: 1}
    assert yaml.safe_load(yamlform.dump(document)) == document


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_yaml_round_trip(value: Any) -> None:
    """A YAML reader gets back exactly what was written."""
    assert yaml.safe_load(yamlform.dump(value)) == value


def test_custom_columns() -> None:
    spec = columns.Columns("NAME:.metadata.name,PRIO:spec.priority,APP:{.metadata.labels.app}")
    assert spec.headers == ["NAME", "PRIO", "APP"]
    assert [spec.row(pod) for pod in PODS] == [
        ["web-10", "5", "web"],
        ["web-2", "50", "<none>"],
        ["db", "<none>", "<none>"],
    ]


def test_custom_columns_may_have_commas_in_brackets() -> None:
    assert columns.Columns("A:.x['a','b'],B:.y").headers == ["A", "B"]


@pytest.mark.parametrize("spec", ["", "NAME", "NAME:", "A:.x,B"])
def test_wrong_custom_columns_are_refused(spec: str) -> None:
    with pytest.raises(CommandError):
        columns.Columns(spec)


def test_custom_columns_from_a_file() -> None:
    read = columns.from_file("NAME   PRIO\n.metadata.name   .spec.priority\n")
    assert read.row(PODS[0]) == ["web-10", "5"]


@pytest.mark.parametrize(
    ("path", "order"),
    [
        ("{.metadata.name}", ["db", "web-2", "web-10"]),
        (".spec.priority", ["db", "web-10", "web-2"]),
        ("size", ["db", "web-2", "web-10"]),
    ],
)
def test_sorting(path: str, order: list[str]) -> None:
    """Names as people sort them, numbers by size, quantities by amount, nothing first."""
    places = columns.sort_order(PODS, path)
    assert [PODS[place]["metadata"]["name"] for place in places] == order


def test_sorting_by_what_nobody_has_is_an_error() -> None:
    with pytest.raises(CommandError, match="couldn't find any field"):
        columns.sort_order(PODS, ".spec.nothing")


@pytest.mark.parametrize(
    ("text", "form", "template"),
    [
        ("", "", ""),
        ("wide", "wide", ""),
        ("jsonpath={.kind}", "jsonpath", "{.kind}"),
        ("custom-columns=A:.b=c", "custom-columns", "A:.b=c"),
    ],
)
def test_output_forms(text: str, form: str, template: str) -> None:
    assert chosen.read(text) == chosen.Output(form, template)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("yml", 'did you mean "yaml"?'),
        ("go-template={{.x}}", "not supported"),
        ("jsonpath", "no template given"),
    ],
)
def test_wrong_output_forms_are_explained(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        chosen.read(text)
    assert said in caught.value.message
