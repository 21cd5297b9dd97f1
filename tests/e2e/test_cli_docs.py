"""docs/cli.md is run, line by line, against a real cluster: what a chapter shows works."""

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from node_agent.images import ensure
from node_agent.images.recipes import hello
from tests.addresses import pod_range
from tests.e2e.cli_runner import LONG, ROOT, Cli
from tests.local_images import have_local_images

pytestmark = [pytest.mark.docker, pytest.mark.root]
PAGE = ROOT / "docs" / "cli.md"
BLOCK = re.compile(
    r"^(?:`(?P<file>[\w.-]+)`:\n\n)?```(?P<language>\w+)\n(?P<text>.*?)^```", re.M | re.S
)
UNTIL_INTERRUPTED = "until Ctrl-C"


def steps() -> Iterator[tuple[str, str]]:
    """("file", name and content) and ("run", command), in the order of the page."""
    for block in BLOCK.finditer(PAGE.read_text()):
        if block["language"] == "yaml" and block["file"]:
            yield "file", f"{block['file']}\n{block['text']}"
        elif block["language"] == "console":
            for line in block["text"].splitlines():
                assert line.startswith("$ "), line
                yield "run", line[2:]


def expected_code(command: str) -> int:
    said = re.search(r"# exits (\d+)$", command)
    return int(said[1]) if said else 0


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Path]:
    """A folder with `helmling` on the path, and a cluster folder beside it."""
    have_local_images()
    with contextlib.closing(docker.from_env(version="auto")) as client:
        ensure(client, hello("v1"))
    program = tmp_path / "bin" / "helmling"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m cli.main "$@"\n')
    program.chmod(0o755)
    try:
        yield tmp_path
    finally:
        Cli(tmp_path / "cluster").ok("down", "--wipe", "--yes")


def environment(workplace: Path) -> dict[str, str]:
    path = f"{workplace / 'bin'}:{os.environ['PATH']}"
    return Cli(workplace / "cluster").env() | {"PATH": path}


def run(command: str, workplace: Path) -> None:
    # A free port and addresses that no other cluster on this machine has.
    own = f"helmling up --port=0 --pod-cidr={pod_range()}"
    command = command.replace("helmling up", own)
    process = subprocess.Popen(
        ["bash", "-o", "pipefail", "-c", command], cwd=workplace, env=environment(workplace),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        if UNTIL_INTERRUPTED in command:
            assert select.select([process.stdout], [], [], LONG)[0], f"$ {command}: says nothing"
            os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=LONG)[0].decode()
    wanted = 130 if UNTIL_INTERRUPTED in command else expected_code(command)
    assert process.returncode == wanted, f"$ {command}\n{said}"
    assert "Traceback" not in said


def test_every_line_of_the_chapter_works(workplace: Path) -> None:
    ran = 0
    for what, text in steps():
        if what == "file":
            name, _, content = text.partition("\n")
            (workplace / name).write_text(content)
        else:
            run(text, workplace)
            ran += 1
    assert ran > 40
