"""Run a command while a Docker Engine runs: `python scripts/with_engine.py COMMAND ...`

An engine that answers is used and left alone. Where there is none, one is started, and stopped after the command:
so tests and image builds need no cluster, and leave nothing running. Commands may run at the same time, or one inside
another; the last to end stops the engine. Each holds a shared lock, which the kernel takes back from the killed too.
"""

import fcntl
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import IO

from node_agent.engine import Engine, EngineError, ensure_engine, stop_engine

# Not a temporary folder: if we are killed, the next run finds what we started, and stops it.
STATE = Path(__file__).resolve().parent.parent / ".cache" / "engine"
PATIENCE = 60.0  # seconds for an interrupted command to tidy up


class Terminated(KeyboardInterrupt):
    """SIGTERM as an exception, so that the engine is stopped on the way out."""


def end(number: int, frame: FrameType | None) -> None:
    raise Terminated


def only_user(users: IO[str]) -> bool:
    """Whether no other command needs the engine; from then on until we end, none can start to."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def run(command: list[str]) -> int:
    """Its exit code. When we are interrupted it may end first: it needs the engine, to remove what it made there."""
    with subprocess.Popen(command) as process:
        try:
            return process.wait()
        except Terminated:
            process.send_signal(signal.SIGINT)
            raise
        finally:  # after Ctrl-C too, of which the terminal has told it as well as us
            let_end(process)


def let_end(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


def main(command: list[str]) -> int:
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, end)
    engine: Engine | None = None
    STATE.mkdir(parents=True, exist_ok=True)
    users = (STATE / "users.lock").open("w")
    fcntl.flock(users, fcntl.LOCK_SH)
    try:
        engine = ensure_engine(STATE)
        if engine.ours:
            print(
                f"Docker Engine {engine.version}, started for this, is stopped after.", flush=True
            )
        return run(command)
    except EngineError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if engine is not None and engine.ours and only_user(users):
            stop_engine(STATE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
