"""Every command line that a page shows is run, in the page's order, on a cluster with real containers.

Pages mark them as `console` blocks whose lines begin with "$ helmling". A comment `# exits N` tells another exit
code than 0. Pages that have tests of their own say so here.
"""

import re
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.addresses import pod_range
from tests.e2e.cli_runner import ROOT, Cli

BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXITS = re.compile(r"#.*\bexits (\d+)")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
WITH_TESTS_OF_THEIR_OWN = ("cli.md", "many-machines.md")
WITH_COMMANDS = [
    path
    for path in PAGES
    if BLOCK.search(path.read_text()) and path.name not in WITH_TESTS_OF_THEIR_OWN
]


@dataclass(frozen=True)
class Line:
    words: list[str]
    code: int


def lines_of(page: str) -> Iterator[Line]:
    for block in BLOCK.findall(page):
        for line in block.splitlines():
            if line.startswith("$ helmling "):
                exits = EXITS.search(line)
                words = shlex.split(line.removeprefix("$ helmling "), comments=True)
                yield Line(words, int(exits[1]) if exits else 0)


def test_lines_are_found() -> None:
    page = "x\n```console\n$ helmling get pods -o 'a b'  # all\noutput\n$ helmling get x # exits 1\n```\n"
    assert list(lines_of(page)) == [Line(["get", "pods", "-o", "a b"], 0), Line(["get", "x"], 1)]


def test_the_readme_shows_commands() -> None:
    assert ROOT / "README.md" in WITH_COMMANDS


@pytest.mark.docker
@pytest.mark.root
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.name)
def test_commands_of_a_page(page: Path, tmp_path: Path) -> None:
    cli = Cli(tmp_path / "data")
    lines = list(lines_of(page.read_text()))
    if not any(line.words[0] == "up" for line in lines):
        lines.insert(0, Line(["up"], 0))
    # What no test may take for granted: that a port is free, and addresses too.
    own = ["up", "--port=0", f"--pod-cidr={pod_range()}"]
    try:
        for line in lines:
            words = [*own, *line.words[1:]] if line.words[0] == "up" else line.words
            begun = time.monotonic()
            answer = cli.run(*words, cwd=ROOT)
            said = f"{page.name}: helmling {' '.join(words)} ({time.monotonic() - begun:.0f} s)"
            assert answer.code == line.code, f"{said}: exit {answer.code}\n{answer.out}{answer.err}"
    finally:
        cli.ok("down", "--wipe", "--yes")
