"""The targets that the README and the habits of others rely on."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGETS = [
    "help",
    "setup",
    "images",
    "demo",
    "up",
    "down",
    "test",
    "check",
    "fuzz",
    "bench",
    "proto",
    "clean",
]


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_make_alone_lists_the_targets_one_a_line() -> None:
    lines = run("make", "--no-print-directory").stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [["make", target] for target in TARGETS]
    assert all(len(line.split()) > 3 for line in lines)


def test_clean_touches_nothing_but_what_can_be_made_again() -> None:
    """A cluster's state and the record of an engine that still runs are not caches."""
    recipe = run("make", "--dry-run", "clean").stdout
    assert ".venv" in recipe
    assert "/var/lib" not in recipe
    assert " .cache" not in recipe


def test_setup_refuses_what_it_does_not_know() -> None:
    done = run("scripts/setup.sh", "--dve")
    assert done.returncode == 2
    assert "usage: scripts/setup.sh [--dev] [--bench] [--without-engine]" in done.stderr
