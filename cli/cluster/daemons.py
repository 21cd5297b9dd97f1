"""The processes of a cluster: started for the background, found again, stopped.

They are known by PID and moment of birth, so that a PID that has been given to somebody else is never signalled.
"""

import os
import sys
from pathlib import Path

from cli.cluster.layout import Layout
from cli.errors import CommandError
from node_agent.processes import Process, detach, recall, remember, terminate

PARTS = ("server", "agent")
PATIENCE = 30.0  # seconds that a part has to end
LAST = 15  # lines of a log to show when something went wrong
KEPT = 8 * 1024 * 1024  # bytes: a log that is larger at start becomes .1


def running(layout: Layout, part: str) -> Process | None:
    """The process that was started for this part, if it still runs."""
    return recall(layout.record(part))


def start(layout: Layout, part: str, arguments: list[str]) -> Process:
    """Starts `helmling PART` in a session of its own. Raises CommandError."""
    log = layout.log(part)
    _rotate(log)
    command = [sys.executable, "-m", "cli.main", part, *arguments]
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": _import_path()}
    try:
        process = detach(command, log, environment)
    except OSError as error:
        raise CommandError(f"the {part} did not start: {error}\n{last_words(log)}") from None
    remember(layout.record(part), process)
    return process


def _import_path() -> str:
    """Where this program is: the daemon's working directory is /, and it may run from a source tree."""
    here = str(Path(__file__).resolve().parent.parent.parent)
    return os.pathsep.join(part for part in (here, os.environ.get("PYTHONPATH", "")) if part)


def stop(layout: Layout, part: str) -> bool:
    """Whether there was anything to stop. Raises CommandError if it does not end."""
    process = running(layout, part)
    if process is not None and not terminate(process, PATIENCE):
        raise CommandError(
            f"the {part} (process {process.pid}) does not end. Its log: {layout.log(part)}"
        )
    layout.record(part).unlink(missing_ok=True)
    return process is not None


def last_words(log: Path) -> str:
    """The end of a log, for people."""
    try:
        lines = log.read_text(errors="replace").splitlines()[-LAST:]
    except FileNotFoundError:
        lines = []
    told = [f"  {line}" for line in lines] or ["  (it is empty)"]
    return "\n".join([f"The end of {log}:", *told])


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > KEPT:
        log.replace(log.with_suffix(".log.1"))
