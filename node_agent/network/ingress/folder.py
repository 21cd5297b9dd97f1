"""The files of a node's HAProxy: private keys among them, so all of it is in memory and for root alone.

Each structure has a directory of its own, so that a configuration is tried before anything changes; the link `current`
says which of them holds. Nothing here outlives the machine, as HAProxy does not either.
"""

import shutil
from contextlib import suppress
from pathlib import Path

from node_agent.network.ingress.render import CONFIG, OWN, Files
from node_agent.volumes import kernel

ROOM = 64 * 1024 * 1024  # bytes at most; a thousand hosts with a certificate each need a tenth


class Folder:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.jail = root / "empty"
        self.current = root / "current"
        self.config = self.current / CONFIG

    def make(self) -> None:
        """Raises OSError."""
        self.root.mkdir(parents=True, exist_ok=True)
        if not self.root.is_mount():
            kernel.mount_secrets(self.root, ROOM)
        self.root.chmod(0o700)
        self.jail.mkdir(exist_ok=True)

    def write(self, files: Files) -> Path:
        """Beside those that hold; the path of the new configuration. Raises OSError."""
        place = self.root / files.digest
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(mode=0o700)
        for name, contents in files.contents.items():
            (place / name).touch(mode=0o600)
            (place / name).write_bytes(contents)
        return place / CONFIG

    def use(self, digest: str) -> None:
        """From now on these hold: for the next start or reload."""
        link = self.root / "next"
        link.unlink(missing_ok=True)
        link.symlink_to(digest)
        link.rename(self.current)

    def used(self) -> str:
        """The digest of those that hold; empty: none does."""
        return self.current.readlink().name if self.current.is_symlink() else ""

    def own(self) -> bytes | None:
        """The proxy's own certificate, as it was made for this machine."""
        try:
            return (self.current / OWN).read_bytes()
        except FileNotFoundError:
            return None

    def sweep(self) -> None:
        """Remove what does not hold: old keys with it."""
        kept = (self.used(), self.jail.name)
        for place in self.root.iterdir():
            if place.is_dir() and not place.is_symlink() and place.name not in kept:
                shutil.rmtree(place, ignore_errors=True)

    def remove(self) -> None:
        """All of it. Raises OSError."""
        kernel.unmount(self.root)
        with suppress(FileNotFoundError):
            shutil.rmtree(self.root)
