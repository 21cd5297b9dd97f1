"""Debian packages as building material: find them, download them once, unpack them without root.

Library packages change their names between releases (libssl3, libssl3t64), so recipes name programs
only, and the libraries are found by following the dependencies that apt knows.
"""

import fcntl
import io
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

LIBRARY = re.compile(r"^(lib|zlib)")
MERGED = ("bin", "sbin", "lib", "lib64")  # older packages hold /bin/x, and mean /usr/bin/x


class ImageError(Exception):
    """An image cannot be built here. The message says why and what to do."""


class PackageCache:
    """A folder of .deb files. Several processes may use it; one at a time changes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.options = (
            # apt drops its rights to a user who may not write here, and only warns about it.
            *("-o", "APT::Sandbox::User=root"),
            # Containers' apt often keeps no index; reading the lists anew costs a second each time.
            *("-o", f"Dir::Cache::pkgcache={folder}/pkgcache.bin"),
        )

    def fetch(self, names: Iterable[str]) -> list[Path]:
        """The named packages and the libraries they need, downloaded unless they are here."""
        require_apt()
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                return self.bring(sorted(names))
            except ImageError:
                if os.geteuid() != 0:
                    raise
            # A bare machine has no package lists; old ones name versions that are gone.
            self.apt("apt-get", "-q", "update")
            return self.bring(sorted(names))

    def bring(self, names: list[str]) -> list[Path]:
        files = self.locate(names)
        missing = [name for name, (path, size) in files.items() if not complete(path, size)]
        if missing:
            self.apt("apt-get", "-q", "download", *missing)
        paths = [path for path, _ in files.values()]
        if absent := [str(path) for path in paths if not path.is_file()]:
            raise ImageError(f"apt-get download reported success without {', '.join(absent)}")
        return paths

    def locate(self, names: list[str]) -> dict[str, tuple[Path, int]]:
        """Each package, libraries included -> (the file apt would write, its size in bytes)."""
        names = self.with_libraries(names)
        # Asked from elsewhere: apt says nothing about files it finds in the folder it works in.
        text = self.apt("apt-get", "-q", "download", "--print-uris", *names, folder=Path("/"))
        # 'http://...' nginx_1.22.1-9_amd64.deb 532468 SHA256:...
        rows = re.findall(r"^'.*' ((\S+?)_\S+\.deb) (\d+)", text, re.MULTILINE)
        return {name: (self.folder / file, int(size)) for file, name, size in rows}

    def with_libraries(self, names: list[str]) -> list[str]:
        """The names, and every library package reachable from them."""
        found: list[str] = []
        queue = names
        while queue:
            found += queue
            needed = dependencies(self.apt("apt-cache", "depends", *queue))
            queue = sorted({name for name in needed if LIBRARY.match(name)} - set(found))
        return found

    def apt(self, program: str, *arguments: str, folder: Path | None = None) -> str:
        """Standard output of an apt command that must succeed, run in this folder or another."""
        command = [program, *self.options, *arguments]
        environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(
            command,
            cwd=folder or self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            last = "\n".join(done.stderr.strip().splitlines()[-5:])
            raise ImageError(f"`{' '.join([program, *arguments])}` failed:\n{last}")
        return done.stdout


def require_apt() -> None:
    absent = [program for program in ("apt-get", "dpkg-deb") if shutil.which(program) is None]
    if absent:
        raise ImageError(
            f"{' and '.join(absent)} not found: the images are made from Debian packages. Build "
            "them on a Debian or Ubuntu machine with `make images`, then bring them here: "
            "`docker save helmling/pause:1 helmling/box:1 helmling/hello:v1 helmling/hello:v2 "
            "| ssh THIS-MACHINE docker load`"
        )


def dependencies(text: str) -> list[str]:
    """What `apt-cache depends` lists.

    Of alternatives (marked by a bar) it is the first; for a name that no package has (in angle
    brackets) the first of those that provide it, which stand below it, further in.
    """
    names: list[str] = []
    alternative = virtual = False
    for line in text.splitlines():
        if virtual and line.startswith("    "):
            names.append(line.split()[0])
            virtual = False
        if match := re.match(r" ([ |])(?:Pre)?Depends: (\S+)", line):
            name = match[2]
            virtual = name.startswith("<") and not alternative
            if not alternative and not virtual:
                names.append(name.split(":")[0])
            alternative = match[1] == "|"
    return names


def complete(file: Path, size: int) -> bool:
    return file.is_file() and file.stat().st_size == size


def unpack(package: Path, into: Path) -> None:
    """Write the package's files and links below `into`, with /bin, /lib... merged into /usr."""
    dpkg = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], capture_output=True, check=False)
    if dpkg.returncode != 0:
        reason = dpkg.stderr.decode(errors="replace").strip()
        raise ImageError(f"{package} is damaged, remove it and try again: {reason}")
    with tarfile.open(fileobj=io.BytesIO(dpkg.stdout)) as tar:
        for member in tar:
            path = into / merged(member.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if member.issym():
                path.unlink(missing_ok=True)
                path.symlink_to(member.linkname)
            elif member.isreg() and (content := tar.extractfile(member)) is not None:
                path.write_bytes(content.read())
                path.chmod(member.mode)
                os.utime(path, (member.mtime, member.mtime))


def merged(name: str) -> str:
    path = name.removeprefix("./")
    return f"usr/{path}" if path.split("/")[0] in MERGED else path
