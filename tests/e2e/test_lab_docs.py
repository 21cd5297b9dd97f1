"""Every command line of the chapter on many machines is run, in its order, in a lab of its own."""

from pathlib import Path

import pytest

from tests.e2e.cli_runner import ROOT
from tests.e2e.test_documentation import lines_of
from tests.lab import BOOT, running

PAGE = ROOT / "docs" / "many-machines.md"


@pytest.mark.root
@pytest.mark.docker
def test_every_line_of_the_chapter_works(tmp_path: Path) -> None:
    lines = list(lines_of(PAGE.read_text()))
    assert lines[0].words == ["lab", "up", "--nodes=3"]
    assert lines[-1].words == ["lab", "down"]
    with running(tmp_path / "lab", "--nodes=3") as lab:
        for line in lines[:-1]:  # the last one is how every lab of a test ends
            words = line.words
            if words[0] == "lab":
                words = [*words[:2], f"--name={lab.name}", *words[2:]]
            answer = lab.cli.run(*words, cwd=ROOT, patience=BOOT)
            told = f"helmling {' '.join(words)}: exit {answer.code}\n{answer.out}{answer.err}"
            assert answer.code == line.code, told
