"""From unpacked packages to an image's file system: only what its programs need to run.

A Debian package carries locales, documentation and plugins; nginx with its libraries weighs 60 MB.
The programs and exactly the libraries that the dynamic loader would load for them are under 15.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from node_agent.images.packages import MERGED, ImageError
from node_agent.images.recipes import Recipe

# glibc finds these by name at run time, so no program lists them: files, dns.
NAME_SERVICES = ("libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2")

USERS = {
    "etc/passwd": (
        "root:x:0:0:root:/root:/bin/sh\n"
        "user:x:1000:1000:an ordinary user:/home/user:/bin/sh\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
    ),
    "etc/group": "root:x:0:\nuser:x:1000:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
BORN = 1735689600  # 2025-01-01 in Unix seconds: the date of all that does not come from a package
FOLDERS = ("dev", "etc", "home/user", "proc", "root", "run", "sys", "var/log")


def lay_out(recipe: Recipe, packages: Path, root: Path) -> None:
    """Fill `root` from the unpacked `packages` as the recipe says."""
    for source, target in recipe.programs.items():
        if not (packages / source).is_file():
            raise ImageError(f"{recipe.image}: no {source} in {', '.join(recipe.packages)}")
        copy(packages / source, root / target)
    if recipe.shell:
        lay_out_system(recipe, packages, root)
    for path, text in recipe.files.items():
        write(root / path, text)
    for path, target in recipe.links.items():
        link(root / path, target)


def lay_out_system(recipe: Recipe, packages: Path, root: Path) -> None:
    """A small Unix: merged /usr, loader and libraries, users, one link per busybox applet."""
    for name in MERGED:
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        link(root / name, f"usr/{name}")
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "tmp").mkdir(mode=0o1777)
    (root / "tmp").chmod(0o1777)
    for path, text in USERS.items():
        write(root / path, text)
    for file in loader_files(packages):
        copy(file, root / file.relative_to(packages))
    loader = Loader(packages)
    for source in recipe.programs:
        for library in loader.libraries(packages / source):
            copy(library, root / library.relative_to(packages), resolve=True)
    for library in (loader.folder / name for name in NAME_SERVICES):
        copy(library, root / library.relative_to(packages), resolve=True)
    for applet in loader.run(packages / "usr/bin/busybox", "--list").split():
        if not (root / "usr/bin" / applet).exists():
            link(root / "usr/bin" / applet, "busybox")


def loader_files(packages: Path) -> list[Path]:
    """The dynamic loader, and the link by which programs know it (/lib64/ld-linux-x86-64.so.2)."""
    patterns = ("usr/lib*/ld-linux*", "usr/lib/*/ld-linux*")
    return [file for pattern in patterns for file in sorted(packages.glob(pattern))]


class Loader:
    """glibc's loader from the unpacked packages, used to ask what it would load."""

    def __init__(self, packages: Path) -> None:
        self.program = next(file for file in loader_files(packages) if not file.is_symlink())
        self.folder = self.program.parent

    def libraries(self, program: Path) -> list[Path]:
        """Every library of the program. One that only the host has is an error: it is not ours."""
        text = self.run("--list", program)
        rows = re.findall(r"^\s*(\S+) => (not found|\S+)", text, re.MULTILINE)
        for name, path in rows:
            if not path.startswith(f"{self.folder}/"):
                raise ImageError(f"{program.name} needs {name}, which none of the packages has")
        return [Path(path) for _, path in rows]

    def run(self, *arguments: str | Path) -> str:
        command = [self.program, "--inhibit-cache", "--library-path", self.folder, *arguments]
        done = subprocess.run(command, env={}, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ImageError(f"`{' '.join(map(str, command))}` failed: {done.stderr.strip()}")
        return done.stdout


def copy(source: Path, target: Path, *, resolve: bool = False) -> None:
    """Copy with mode and time; `resolve` puts the file itself where the source had a link."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target, follow_symlinks=resolve)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (BORN, BORN))


def link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
