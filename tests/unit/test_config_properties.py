"""Whatever keys and paths there are: what the server accepts stays inside its volume, which shows just what it should."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.apiserver.validation.formats import config_key, volume_path
from node_agent.volumes import atomic
from node_agent.volumes.atomic import File

PIECES = st.sampled_from(
    [".", "..", "a", "b", "/", "\\", "\0", "\n", " ", "..data", "é", "-", "%2e"]
)
TEXTS = st.lists(PIECES, max_size=6).map("".join) | st.text(max_size=20)

NAMES = st.sampled_from(["a", "b", ".c", "d..e"])
PATHS = NAMES | st.tuples(st.sampled_from(["x", "y", "./x"]), NAMES).map("/".join)
SETS = st.dictionaries(PATHS, st.binary(max_size=3).map(File), max_size=5)


@given(TEXTS)
def test_what_the_server_accepts_stays_inside(text: str) -> None:
    """As a key, which is a path of one step, and as a path of items."""
    accepted = [not config_key(text), bool(text) and not volume_path(text)]
    if not any(accepted):
        return
    atomic.check(text)
    inside = Path("/volume").resolve()
    assert (inside / text).resolve().is_relative_to(inside)
    if accepted[0]:
        assert (inside / text).parent == inside


@given(TEXTS)
def test_the_node_refuses_what_leads_out(text: str) -> None:
    """On its own: it takes nobody's word."""
    inside = Path("/volume")
    if (
        "\0" in text
        or not (inside / text).resolve().is_relative_to(inside)
        or text.startswith("..")
    ):
        with pytest.raises(OSError, match="leads out"):
            atomic.check(text)


@given(st.lists(SETS, min_size=1, max_size=5))
def test_a_volume_shows_the_last_set_and_nothing_else(versions: list[dict[str, File]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place, "v")
        for files in versions:
            atomic.write(directory, files)
            assert _shown(directory) == {
                atomic.check(name): file.content for name, file in files.items()
            }
            assert len([e for e in directory.iterdir() if e.name.startswith("..")]) == 2


def _shown(directory: Path) -> dict[str, bytes]:
    """What a program sees that walks through the visible names."""
    found = {}
    for top in directory.iterdir():
        if top.name.startswith(".."):
            continue
        inside = [top, *top.rglob("*")] if top.is_dir() else [top]
        for path in inside:
            if path.is_file():
                found[str(path.relative_to(directory))] = path.read_bytes()
    return found
