"""`helmling cp`: files and directories into and out of containers, as a tar stream through exec.

The image must have `tar`; that is how kubectl does it, too. What comes out of a container is not trusted: nothing
is written outside of the destination.
"""

import io
import os
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cli.command import Command, Session
from cli.commands.exec import Duplex, choose_container
from cli.errors import CommandError, UsageError
from cli.flags import Flag, switch
from cli.outgoing import CHUNK
from proto.v1.service_pb2 import ExecOpen

NO_SUCH_PROGRAM = (126, 127)  # exit codes of those who cannot start one


@dataclass(frozen=True, slots=True)
class Spot:
    """A file, here or in a pod."""

    path: str
    pod: str = ""
    namespace: str = ""


def read_spot(text: str) -> Spot:
    """`path`, `pod:path` or `namespace/pod:path`. A path that begins with / or . is always local."""
    head, colon, path = text.partition(":")
    if not colon or text.startswith(("/", ".")):
        return Spot(text)
    namespace, slash, pod = head.rpartition("/")
    if not pod or "/" in namespace or (slash and not namespace):
        raise UsageError(
            f"filespec must match the canonical format: [[namespace/]pod:]file/path, not {text}"
        )
    if not path:
        raise UsageError("filepath can not be empty")
    return Spot(path, pod, namespace)


def run(session: Session) -> int | None:
    if len(session.args) != 2:
        raise UsageError(
            "source and destination are required: cp SOURCE POD:DESTINATION, or the other way round"
        )
    source, target = read_spot(session.args[0]), read_spot(session.args[1])
    remote = source if source.pod else target
    if source.pod and target.pod:
        raise UsageError("cannot copy from one container to another: copy to a local file first")
    if not remote.pod:
        raise UsageError(
            "one of source or destination must be a remote file specification: POD:PATH"
        )
    if remote.namespace:
        session.flags.values["namespace"] = [remote.namespace]
    container = choose_container(session, remote.pod)
    if target.pod:
        Upload(session, container, source.path, target.path).run()
    else:
        Download(session, container, source.path, target.path).run()
    return 0


def _start(session: Session, container: Any, command: list[str], *, stdin: bool = False) -> Duplex:
    return Duplex(session, "Exec", ExecOpen(target=container, command=command, stdin=stdin))


def _check(duplex: Duplex, said: bytes) -> None:
    """Raises CommandError unless the program in the container succeeded."""
    if not duplex.code:
        return
    text = said.decode(errors="replace").strip()
    if duplex.code in NO_SUCH_PROGRAM:
        raise CommandError(
            'the container has no "tar", and copying goes through it: use an image that has tar, '
            f"or pipe with helmling exec -i ({text or f'exit code {duplex.code}'})"
        )
    raise CommandError(text or f"tar in the container ended with exit code {duplex.code}")


@dataclass
class Upload:
    session: Session
    container: Any
    source: str
    target: str

    def run(self) -> None:
        if not os.path.lexists(self.source):
            raise CommandError(f"{self.source} doesn't exist in local filesystem")
        target = self.target.rstrip("/") or "/"
        if self.is_directory(target):
            name = os.path.basename(os.path.abspath(self.source))
            target = f"{target.rstrip('/')}/{name}"
        folder, name = os.path.split(target)
        self.send(folder or ".", name)

    def is_directory(self, path: str) -> bool:
        duplex = _start(self.session, self.container, ["test", "-d", path])
        for _ in duplex.output():
            pass
        return duplex.code == 0

    def send(self, folder: str, name: str) -> None:
        keep = (
            []
            if not self.session.flags.on("no-preserve")
            else ["--no-same-permissions", "--no-same-owner"]
        )
        command = ["tar", *keep, "-xmf", "-", "-C", folder]
        duplex = _start(self.session, self.container, command, stdin=True)
        failed: list[OSError] = []
        threading.Thread(target=self.pack, args=(duplex, name, failed), daemon=True).start()
        said = b"".join(stdout + stderr for stdout, stderr in duplex.output())
        if failed:
            raise CommandError(
                f"cannot read {failed[0].filename or self.source}: {failed[0].strerror}"
            )
        _check(duplex, said)

    def pack(self, duplex: Duplex, name: str, failed: list[OSError]) -> None:
        """Runs in a thread of its own: writing waits for the network."""
        try:
            with tarfile.open(
                fileobj=_Sink(duplex), mode="w|", format=tarfile.GNU_FORMAT
            ) as archive:
                archive.add(self.source, arcname=name)
        except OSError as error:
            failed.append(error)
        duplex.end()


class _Sink(io.RawIOBase):
    """A file whose content is a program's input."""

    def __init__(self, duplex: Duplex) -> None:
        self.duplex = duplex

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        whole = bytes(data)
        for start in range(0, len(whole), CHUNK):
            self.duplex.send(whole[start : start + CHUNK])
        return len(whole)


@dataclass
class Download:
    session: Session
    container: Any
    source: str
    target: str

    def run(self) -> None:
        folder, name = os.path.split(self.source.rstrip("/"))
        command = [
            "tar",
            "cf",
            "-",
            "-C",
            folder or ("/" if self.source.startswith("/") else "."),
            name or ".",
        ]
        target = self.target
        if os.path.isdir(target) and name not in ("", ".", ".."):
            target = os.path.join(target, name)
        duplex = _start(self.session, self.container, command)
        stream = _Stream(duplex)
        try:
            self.unpack(stream, name, target)
        except tarfile.ReadError:
            stream.drain()
            _check(duplex, stream.errors or b"the container sent nothing that tar can read")
            raise CommandError(f"{self.source} not found in the container") from None
        stream.drain()
        _check(duplex, stream.errors)

    def unpack(self, stream: "_Stream", name: str, target: str) -> None:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                inside = os.path.relpath(member.name, name or ".")
                path = target if inside == "." else os.path.join(target, inside)
                self.write(archive, member, path, target)

    def write(
        self, archive: tarfile.TarFile, member: tarfile.TarInfo, path: str, target: str
    ) -> None:
        root = os.path.realpath(target)
        if os.path.commonpath([root, os.path.realpath(path)]) != root:
            self.session.warn(f"warning: {member.name} leads out of {target}: left out")
        elif member.isdir():
            os.makedirs(path, exist_ok=True)
        elif member.isfile():
            _write_file(archive.extractfile(member), path, member.mode)
        else:
            self.session.warn(f"warning: {member.name} is neither a file nor a directory: left out")


def _write_file(content: Any, path: str, mode: int) -> None:
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "wb") as file:
        while data := content.read(CHUNK):
            file.write(data)
    os.chmod(path, mode & 0o777)


class _Stream(io.RawIOBase):
    """A program's output as a file; what it says on standard error is kept aside."""

    def __init__(self, duplex: Duplex) -> None:
        self.output: Iterator[tuple[bytes, bytes]] = duplex.output()
        self.rest = b""
        self.errors = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while len(self.rest) < size or size < 0:
            try:
                stdout, stderr = next(self.output)
            except StopIteration:
                size = len(self.rest)
                break
            self.rest += stdout
            self.errors += stderr
        data, self.rest = self.rest[:size], self.rest[size:]
        return data

    def drain(self) -> None:
        """To the end of the program, which sends padding after the last file."""
        for _, stderr in self.output:
            self.errors += stderr


CP = Command(
    usage="cp SOURCE DESTINATION [-c CONTAINER]",
    about="Copy files and directories to and from containers.\n\nOne side is POD:PATH or NAMESPACE/POD:PATH. "
    "The image must have "
    "the program tar.",
    examples="""  # A file into a pod
  helmling cp config.ini web:/etc/config.ini

  # A directory out of a pod of another namespace
  helmling cp shop/db:/var/backups ./backups

  # Into a certain container
  helmling cp site/ web:/srv -c files""",
    run=run,
    tidies_up=True,
    flags=(
        Flag("container", "Which container; default: the pod's first.", "c"),
        switch("no-preserve", "Do not keep owner and permissions in the container."),
        switch("quiet", "Print nothing but errors.", "q"),
    ),
    complete="pods",
)
