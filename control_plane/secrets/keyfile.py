"""The configuration on disk: only its owner may read it, and it is there whole, the old or the new.

It holds the keys in the clear, so it belongs in no backup that the store is in, too.
"""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from api import keyfiles
from control_plane.secrets import configuration as form
from control_plane.secrets.configuration import BadConfiguration, Configuration, Key, Rule
from control_plane.secrets.plan import LENGTH, PROVIDER
from control_plane.store.contract import CannotOpen

OTHERS = stat.S_IRWXG | stat.S_IRWXO
DEFAULT_RESOURCES = ("secrets",)
HEAD = """\
# The keys that this cluster's Secrets are encrypted with (Kubernetes' EncryptionConfiguration).
# Without this file nobody reads them again: keep a copy, but not where a copy of the store is.
"""

Stamp = tuple[int, int, int]  # differs between any two versions of a file, and of who may read it


def read(path: Path) -> Configuration:
    """Raises CannotOpen; FileNotFoundError."""
    try:
        with path.open() as file:
            _check_owner(path, os.fstat(file.fileno()))
            return form.read(file.read())
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise CannotOpen(f"cannot read the encryption configuration {path}: {why}") from None
    except BadConfiguration as bad:
        told = "".join(f"\n  {cause}" for cause in bad.causes)
        raise CannotOpen(f"the encryption configuration {path} is of no use:{told}") from None


def _check_owner(path: Path, found: os.stat_result) -> None:
    if found.st_mode & OTHERS:
        raise CannotOpen(
            f"others than its owner may read the keys in {path} (mode {stat.S_IMODE(found.st_mode):04o}): "
            f"chmod 600 {path}, and if anybody may have read it, run `helmling secrets rotate-key` afterwards"
        )
    if found.st_uid not in (0, os.geteuid()):
        raise CannotOpen(
            f"{path} belongs to user {found.st_uid}, who can change the keys: chown it"
        )


def write(path: Path, configuration: Configuration) -> None:
    """Replaces the file at once; when it returns, the disk has it. Raises OSError."""
    keyfiles.write(path, (HEAD + form.write(configuration)).encode())


def tidy(path: Path) -> None:
    """Remove what a write that was killed has left beside the file: it may hold keys."""
    for leftover in path.parent.glob(f"{path.name}.[0-9]*"):
        with suppress(OSError):
            leftover.unlink()


def stamp(path: Path) -> Stamp | None:
    """None: it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_ctime_ns, found.st_size


def new_key(name: str) -> Key:
    return Key(PROVIDER, name, secrets.token_bytes(LENGTH))


def default(name: str) -> Configuration:
    """Secrets, under a new key of this name."""
    return Configuration((Rule(DEFAULT_RESOURCES, (new_key(name),)),))
