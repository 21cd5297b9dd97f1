"""Runs command lines of the program without starting Python for each: most of what a short one costs is imports.

One process has imported what most commands need, and forks for each command line. That is a process like any other,
with streams, an environment and a folder of its own, that runs the program's `main`. What runs in the background or
on a terminal is started in the usual way: see cli_runner.py.
"""

import atexit
import fcntl
import gc
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, NoReturn

from cli import main as program

ROOT = Path(__file__).resolve().parent.parent.parent
REQUEST = 1 << 20  # bytes: more than the kernel takes for one message
RARE = {"up", "down", "server", "agent", "status", "secrets"}  # they import the whole cluster
OFTEN = ("cli.quickgrpc", "yaml", "rich.console", "rich.table", "asyncio", "cli.describe.pod")


# The side of the tests


def run(
    words: Sequence[str], environment: Mapping[str, str], folder: Path, given: bytes, timeout: float
) -> tuple[int, bytes, bytes]:
    """The exit code, and what was written. Raises TimeoutExpired."""
    request = {"words": words, "environment": environment, "folder": str(folder)}
    said, ending = os.pipe()
    with open(said, "rb", buffering=0) as end, _memory() as out, _memory() as err:
        with open(ending, "wb", buffering=0) as its_end, _pipe_with(given) as source:
            streams = [each.fileno() for each in (source, out, err, its_end)]
            socket.send_fds(_server(), [json.dumps(request).encode()], streams)
        pid = int(_line(end, timeout) or 0)
        code = _line(end, timeout)
        if code is None:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(["helmling", *words], timeout)
        return int(code), _content(out), _content(err)


def _memory() -> IO[bytes]:
    return open(os.memfd_create("helmling"), "w+b", buffering=0)


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


@contextmanager
def _pipe_with(given: bytes) -> Iterator[IO[bytes]]:
    """The end to read from; all is in it, whoever reads it or not."""
    read, write = os.pipe()
    with open(read, "rb", buffering=0) as source, open(write, "wb", buffering=0) as sink:
        fcntl.fcntl(sink, fcntl.F_SETPIPE_SZ, max(len(given), select.PIPE_BUF))
        sink.write(given)
        sink.close()
        yield source


def _line(end: IO[bytes], timeout: float) -> bytes | None:
    if not select.select([end], [], [], timeout)[0]:
        return None
    line = end.readline()
    assert line, "the process that forks has ended: it said why on standard error"
    return line


@cache
def _server() -> socket.socket:
    """One for each process of tests. It ends when we do, however that comes."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.forked", str(theirs.fileno())],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )

    @atexit.register
    def end() -> None:
        ours.close()
        process.wait()

    return ours


# The side of the program


def serve(requests: socket.socket) -> None:
    """Until nobody is there to ask."""
    before = set(os.environ)
    for word in program.COMMANDS.keys() - RARE:
        program.command_named(word)
    for name in OFTEN:
        import_module(name)
    added = {name: os.environ[name] for name in os.environ.keys() - before}  # cli/quickgrpc.py does
    gc.freeze()  # what is here is shared, and stays so
    with selectors.DefaultSelector() as events:
        events.register(requests, selectors.EVENT_READ)
        while True:
            for key, _ in events.select():
                if key.data is not None:
                    events.unregister(key.fileobj)
                    _tell_end(*key.data)
                elif not _begin(requests, events, added):
                    return


def _begin(requests: socket.socket, events: selectors.BaseSelector, added: dict[str, str]) -> bool:
    message, streams, _, _ = socket.recv_fds(requests, REQUEST, 4)
    if not message:
        return False
    pid = os.fork()
    if pid == 0:
        _become(message, streams, added)
    for fd in streams[:3]:
        os.close(fd)
    os.write(streams[3], f"{pid}\n".encode())
    life = os.pidfd_open(pid)
    events.register(life, selectors.EVENT_READ, (pid, life, streams[3]))
    return True


def _tell_end(pid: int, life: int, end: int) -> None:
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with suppress(BrokenPipeError):  # who asked did not wait for so long
        os.write(end, f"{code}\n".encode())
    os.close(end)
    os.close(life)


def _become(message: bytes, streams: list[int], added: dict[str, str]) -> NoReturn:
    code = 1
    try:
        request = json.loads(message)
        for number, fd in enumerate(streams[:3]):
            os.dup2(fd, number)
        for fd in streams:
            os.close(fd)
        os.environ.clear()
        os.environ.update(added | request["environment"])
        time.tzset()
        os.chdir(request["folder"])
        sys.argv = [program.__file__, *request["words"]]
        code = program.main()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        serve(asked)
