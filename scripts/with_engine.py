"""Run a command while a Docker Engine runs: `python scripts/with_engine.py COMMAND ...`

An engine that answers is used and left alone. Where there is none, one is started, and stopped after the command:
so tests and image builds need no cluster, and leave nothing running.
"""

import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from node_agent.engine import Engine, EngineError, ensure_engine, stop_engine

# Not a temporary folder: if we are killed, the next run finds what we started, and stops it.
STATE = Path(__file__).resolve().parent.parent / ".cache" / "engine"


def end(number: int, frame: FrameType | None) -> None:
    """Turn SIGTERM into an exception, so that the engine is stopped on the way out."""
    raise KeyboardInterrupt


def main(command: list[str]) -> int:
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, end)
    engine: Engine | None = None
    try:
        engine = ensure_engine(STATE)
        if engine.ours:
            print(
                f"Started Docker Engine {engine.version} for the time of this command.", flush=True
            )
        return subprocess.run(command, check=False).returncode
    except EngineError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if engine is not None and engine.ours:
            stop_engine(STATE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
