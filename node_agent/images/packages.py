"""Debian packages as building material: find them, download them once, unpack them without root.

Library packages change their names between releases (libssl3, libssl3t64), so recipes name programs
only, and the libraries are found by following the dependencies that apt knows.
"""

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


def fetch(names: Iterable[str], cache: Path) -> list[Path]:
    """The named packages and the libraries they need, as .deb files in `cache`."""
    require_apt()
    cache.mkdir(parents=True, exist_ok=True)
    wanted = sorted(names)
    try:
        files = locate(with_libraries(wanted))
    except ImageError:
        if os.geteuid() != 0:
            raise
        run("apt-get", "-q", "update")  # a bare machine has no package lists yet
        files = locate(with_libraries(wanted))
    missing = [name for name, (file, size) in files.items() if not complete(cache / file, size)]
    if missing:
        # apt drops its rights to a user who may not write here, and only warns: ask for none of it.
        run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *missing, folder=cache)
    return [present(cache, file) for file, _ in files.values()]


def require_apt() -> None:
    absent = [program for program in ("apt-get", "dpkg-deb") if shutil.which(program) is None]
    if absent:
        raise ImageError(
            f"{' and '.join(absent)} not found: the images are made from Debian packages. Build "
            "them on a Debian or Ubuntu machine with `make images`, then bring them here: "
            "`docker save helmling/pause:1 helmling/box:1 helmling/hello:v1 helmling/hello:v2 "
            "| ssh THIS-MACHINE docker load`"
        )


def with_libraries(names: Iterable[str]) -> list[str]:
    """The names, and every library package reachable from them."""
    found: list[str] = []
    queue = list(names)
    while queue:
        found += queue
        needed = dependencies(run("apt-cache", "depends", *queue))
        queue = sorted({name for name in needed if LIBRARY.match(name)} - set(found))
    return found


def dependencies(text: str) -> list[str]:
    """What `apt-cache depends` lists; of alternatives (marked by a bar) only the first."""
    names: list[str] = []
    alternative = False
    for line in text.splitlines():
        match = re.match(r"\s+(\|?)(?:Pre)?Depends: ([^<\s]\S*)", line)
        if match and not alternative:
            names.append(match[2].split(":")[0])
        alternative = bool(match and match[1])
    return names


def locate(names: Iterable[str]) -> dict[str, tuple[str, int]]:
    """Package name -> (name of the file that apt would write, its size in bytes)."""
    text = run("apt-get", "-q", "download", "--print-uris", *names)
    # 'http://...' nginx_1.22.1-9_amd64.deb 532468 SHA256:...
    rows = re.findall(r"^'.*' ((\S+?)_\S+\.deb) (\d+)", text, re.MULTILINE)
    return {name: (file, int(size)) for file, name, size in rows}


def complete(file: Path, size: int) -> bool:
    return file.is_file() and file.stat().st_size == size


def present(cache: Path, file: str) -> Path:
    path = cache / file
    if not path.is_file():
        raise ImageError(f"apt-get download reported success, but {path} is not there")
    return path


def unpack(package: Path, into: Path) -> None:
    """Write the package's files and links below `into`, with /bin, /lib... merged into /usr."""
    with (
        subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as dpkg,
        tarfile.open(fileobj=dpkg.stdout, mode="r|") as tar,
    ):
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
    if dpkg.returncode != 0:
        raise ImageError(f"dpkg-deb cannot read {package}: remove this file and try again")


def merged(name: str) -> str:
    path = name.removeprefix("./")
    return f"usr/{path}" if path.split("/")[0] in MERGED else path


def run(*command: str, folder: Path | None = None) -> str:
    """Standard output of a command that must succeed."""
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        last = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise ImageError(f"`{' '.join(command)}` failed:\n{last}")
    return done.stdout
