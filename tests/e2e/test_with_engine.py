"""scripts/with_engine.py around a command, on a machine whose engine answers."""

import subprocess
import sys
from pathlib import Path

import docker
import pytest

pytestmark = pytest.mark.docker
SCRIPT = str(Path(__file__).resolve().parents[2] / "scripts" / "with_engine.py")


def test_the_command_finds_an_engine_and_its_exit_code_is_passed_on() -> None:
    ask = "import docker; client = docker.from_env(); print(client.ping()); client.close(); exit(7)"
    done = subprocess.run(
        [sys.executable, SCRIPT, sys.executable, "-c", ask],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (7, ["True"]), done.stderr


def test_an_engine_that_was_there_before_is_there_after() -> None:
    client = docker.from_env(version="auto")
    try:
        before = client.info()["ID"]
        subprocess.run([sys.executable, SCRIPT, "true"], check=True)
        assert client.info()["ID"] == before
    finally:
        client.close()
