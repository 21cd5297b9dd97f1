"""Manifests: every complaint names its line and column."""

from pathlib import Path

import pytest

from api.errors import Cause
from cli.errors import CommandError
from cli.manifests import ManifestError, load, parse
from cli.positions import Place, read, steps_of

POD = """apiVersion: v1
kind: Pod
metadata:
  name: web
  labels:
    app.kubernetes.io/name: web
spec:
  containers:
  - name: web
    image: hello
    ports:
    - containerPort: 80
"""


def complaints(text: str) -> list[str]:
    return [line for _, wrong in parse(text, "f.yaml") for line in wrong]


def test_a_manifest_becomes_a_typed_object() -> None:
    ((manifest, wrong),) = parse(POD, "f.yaml")
    assert wrong == []
    assert manifest is not None
    assert (manifest.kind.name, manifest.name) == ("Pod", "web")
    assert manifest.object.spec.containers[0].ports[0].containerPort == 80


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        ("spec.containers[0].image", 10, 5),
        ("spec.containers[0]", 9, 5),
        ("metadata.labels[app.kubernetes.io/name]", 6, 5),
        ("metadata.labels.app.kubernetes.io/name", 6, 5),
        ("metadata.labels", 5, 3),
        ("spec.containers[0].resources.limits", 9, 5),  # not written: the nearest above
        ("spec.nodeName", 7, 1),
        ("", 1, 1),
    ],
)
def test_each_field_knows_its_place(path: str, line: int, column: int) -> None:
    ((manifest, _),) = parse(POD, "f.yaml")
    assert manifest is not None
    assert manifest.place(Cause(path, "wrong")) == Place(line, column)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "    image: hello",
            "    imagee: hello",
            'f.yaml:10:5: spec.containers[0].imagee: unknown field; did you mean "image"?',
        ),
        (
            "containerPort: 80",
            'containerPort: "80"',
            "f.yaml:12:7: spec.containers[0].ports[0].containerPort: must be an integer",
        ),
        (
            "kind: Pod",
            "kind: Pdo",
            'f.yaml:2:1: kind: no kind "Pdo" in version "v1"; did you mean "Pod"?',
        ),
        (
            "  name: web\n  labels",
            "  name: web\n  name: web\n  labels",
            'f.yaml:5:3: duplicate key "name": it is on line 4 already',
        ),
        ("  name: web\n  labels", "  labels", "f.yaml:3:1: metadata.name: Required value"),
        (
            "  containers:",
            "\tcontainers:",
            "f.yaml:8:1: a tab in the indentation: YAML wants spaces",
        ),
        ("    image: hello", "     image: hello", "f.yaml:10:"),
        ("image: hello", "image: a: b", "f.yaml:10:13: a colon where none can be"),
        ("image: hello", "image: [a", "f.yaml:"),
        ("image: hello", "image: *nowhere", "f.yaml:10:12: an alias (*name) without an anchor"),
        (
            "image: hello",
            "image: @x",
            "f.yaml:10:12: text that begins with this character needs quotes",
        ),
        (
            "image: hello",
            "image: !ruby/object x",
            "f.yaml:10:12: the tag !ruby/object means nothing here",
        ),
        (
            "app.kubernetes.io/name: web",
            "app: yes",
            "f.yaml:6:5: metadata.labels[app]: must be a string, not the boolean true",
        ),
    ],
)
def test_what_is_wrong_and_where(old: str, new: str, expected: str) -> None:
    assert old in POD
    wrong = complaints(POD.replace(old, new, 1))
    assert wrong
    assert wrong[0].startswith(expected)


def test_all_that_is_wrong_is_told_at_once() -> None:
    """In every document, in the order of the file."""
    broken = POD.replace("image:", "imagee:").replace(
        "name: web\n    imagee", "nam: web\n    imagee"
    )
    wrong = complaints(broken + "---\n" + POD.replace("containerPort: 80", "containerPort: x"))
    assert [line.split(" ")[0] for line in wrong] == ["f.yaml:9:5:", "f.yaml:10:5:", "f.yaml:25:7:"]


def test_a_list_holds_objects() -> None:
    """Places are those inside the list."""
    text = "kind: List\napiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Namespace\n  metadata: {nam: x, name: y}\n"
    assert complaints(text) == [
        'f.yaml:6:14: metadata.nam: unknown field; did you mean "name"?',
    ]


def test_json_is_yaml() -> None:
    ((manifest, wrong),) = parse(
        '{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"x"}}', "f"
    )
    assert not wrong
    assert manifest is not None
    assert manifest.name == "x"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0644", 420),
        ("0o644", 420),
        ("0x1F", 31),
        ("1_000", 1000),
        ("-7", -7),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("yes", True),
        ("Off", False),
        ("~", None),
        ("", None),
        ("22:22", "22:22"),
        ("2026-11-22", "2026-11-22"),
        ('"80"', "80"),
        ("'yes'", "yes"),
        ("!!str 80", "80"),
        ("08:00:00", "08:00:00"),
        ("500m", "500m"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_scalars_are_read_as_kubernetes_reads_them(text: str, value: object) -> None:
    (document,) = read(f"a: {text}\n")
    assert document.value == {"a": value}
    assert type(document.value["a"]) is type(value)


def test_anchors_and_merges() -> None:
    (document,) = read("base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\n")
    assert document.value["use"] == {"x": 1, "y": 3}


def test_an_alias_bomb_is_refused() -> None:
    layers = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    layers += [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    (document,) = read("\n".join(layers))
    assert "unfolds to far too much" in document.problems[0].message


def test_documents_without_content_are_left_out() -> None:
    assert len(list(parse(f"---\n# nothing\n---\n{POD}---\n", "f"))) == 1


def test_directories(tmp_path: Path) -> None:
    """Only manifests are read, in order; directories inside only with -R."""
    (tmp_path / "b.yaml").write_text(POD.replace("name: web", "name: b", 1))
    (tmp_path / "a.yml").write_text(POD.replace("name: web", "name: a", 1))
    (tmp_path / "README.md").write_text("not: [a manifest")
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "c.json").write_text(
        '{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"c"}}'
    )
    assert [m.name for m in load([str(tmp_path)])] == ["a", "b"]
    assert [m.name for m in load([str(tmp_path)], recursive=True)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/nowhere.yaml", 'the path "/nowhere.yaml" does not exist'),
        ("https://example.com/x.yaml", "not fetched from the web"),
    ],
)
def test_paths_that_cannot_be_read(path: str, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        load([path])


def test_empty_files_and_directories_are_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no manifests in"):
        load([str(tmp_path)])
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    with pytest.raises(ManifestError, match="no objects found"):
        load([str(tmp_path)])


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"a: \xff\xfe")
    with pytest.raises(CommandError, match="not text in UTF-8"):
        load([str(tmp_path)])


def test_unknown_fields_may_be_let_through(capsys: pytest.CaptureFixture[str]) -> None:
    text = POD.replace("image: hello", "image: hello\n    imagee: x")
    ((_, wrong),) = parse(text, "f.yaml", validate="warn")
    assert wrong == []
    assert "Warning: f.yaml:11:5" in capsys.readouterr().err


def test_paths_of_errors() -> None:
    assert steps_of("spec.containers[0].env[12].name") == (
        "spec",
        "containers",
        "0",
        "env",
        "12",
        "name",
    )
    assert steps_of("metadata.labels[a.b/c]") == ("metadata", "labels", "a.b/c")
