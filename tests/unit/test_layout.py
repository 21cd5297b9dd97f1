"""The house as a whole: packages are ours, what is generated is up to date, pages name things that exist."""

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = re.compile(r"`([\w/.-]+\.(?:py|proto|sh))(?:::([\w.]+))?`")


@pytest.mark.parametrize("package", ["api", "cli", "control_plane", "node_agent", "proto"])
def test_top_level_packages_are_ours(package: str) -> None:
    """Nothing that is installed hides one of our packages (PyPI's proto-plus also brings a `proto`)."""
    found = importlib.import_module(package).__file__
    assert found is not None
    assert Path(found).is_relative_to(ROOT), (
        f"`import {package}` finds {found}: uninstall what brought it"
    )


def symbols(source: str) -> set[str]:
    """Names that a page may refer to: top-level ones, and `Class.member`."""
    found: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found |= {node.name} | {
                f"{node.name}.{getattr(part, 'name', '')}" for part in node.body
            }
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


def messages(source: str) -> set[str]:
    return set(re.findall(r"^(?:message|service)\s+(\w+)", source, re.MULTILINE))


def complaints(page: Path) -> list[str]:
    found = []
    for path, symbol in REFERENCE.findall(page.read_text()):
        file = ROOT / path
        if not file.exists():
            found.append(f"no file {path}")
        elif symbol:
            known = (messages if path.endswith(".proto") else symbols)(file.read_text())
            if symbol not in known:
                found.append(f"no {symbol} in {path}")
    return found


PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_name_what_exists(page: Path) -> None:
    """Every `path.py` and `path.py::symbol` in a page exists: documentation that lies fails the build."""
    assert complaints(page) == []


def test_a_page_that_lies_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "See `api/errors.py::ApiError`, `api/errors.py::Nope`, `api/nope.py`, `proto/v1/pod.proto::Pod`."
    )
    assert complaints(page) == ["no Nope in api/errors.py", "no file api/nope.py"]
