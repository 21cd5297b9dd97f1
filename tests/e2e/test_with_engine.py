"""scripts/with_engine.py around a command, on a machine whose engine answers."""

import os
import signal
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


TIDY = """
import signal, sys
def tidy(*_):
    print("tidied", flush=True)
    sys.exit(5)
signal.signal(signal.SIGINT, tidy)
print("ready", flush=True)
signal.pause()
"""


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM"])
def test_an_interrupted_command_may_tidy_up_first(how: str) -> None:
    """Ctrl-C reaches it by itself, as all that the terminal runs; a SIGTERM for us is passed on."""
    with subprocess.Popen(
        [sys.executable, SCRIPT, sys.executable, "-c", TIDY],
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert (
            b"ready\n" in process.stdout
        )  # after a line about the engine, if it was started for us
        if how == "Ctrl-C":
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.terminate()
        assert process.stdout.read() == b"tidied\n"
        assert process.wait() == 130
