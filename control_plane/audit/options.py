"""What the server is told about its audit log, and the trail that comes of it."""

from dataclasses import dataclass
from pathlib import Path

from control_plane.apiserver.trail import Trail
from control_plane.audit.policy import BadPolicy, load
from control_plane.audit.writer import Files, Writer

DEFAULT = Path("audit/audit.log")  # in the data directory
NOWHERE = "off"


class CannotLog(Exception):
    """The policy or the file is not usable; the message says why."""


@dataclass(frozen=True)
class Options:
    path: str = ""  # empty: DEFAULT; "off": no log
    policy: str = ""  # a file; empty: the built-in one
    max_size: int = 100  # megabytes
    max_backups: int = 10
    max_age: int = 30  # days


def begun(data_dir: Path, options: Options) -> Trail:
    """Raises CannotLog: a server that is to keep a log does not run without one."""
    if options.path == NOWHERE:
        return Trail()
    path = Path(options.path) if options.path else data_dir / DEFAULT
    try:
        policy = load(Path(options.policy) if options.policy else None)
        files = Files(path, options.max_size, options.max_backups, options.max_age)
        return Trail(policy, Writer(files))
    except BadPolicy as error:
        raise CannotLog(str(error)) from None
    except OSError as error:
        raise CannotLog(f"cannot write the audit log {path}: {error.strerror}") from None
