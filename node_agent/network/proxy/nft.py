"""Speaking to nftables: the library that `nft` itself is made of, in this process; else the program.

A small change takes a third of a millisecond through the library, and sixteen to start the program. The library comes
with the program (Debian: libnftables1). What is handed over in one piece is one transaction.
"""

import ctypes
import logging
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Protocol

log = logging.getLogger(__name__)

LIBRARY = "libnftables.so.1"
TIMEOUT = 30.0  # seconds for the program
PR_SET_NAME = 15  # of linux/prctl.h
_LIBC = ctypes.CDLL(None)


class NftRefused(Exception):
    """Nothing was changed. The message has the first command that was refused, and nft's words."""


class Nft(Protocol):
    """Both ways. Calls block; one at a time."""

    def run(self, commands: str) -> str:
        """What nft shows. Raises NftRefused."""


def open_nft(maker: str) -> Nft:
    """The library if it is here, else the program. `maker`: under which name the kernel sees it; see `new_maker`."""
    try:
        return Library(maker)
    except OSError as error:
        log.info(
            "nft_library_missing error=%r then=%r",
            str(error),
            "every change starts the program nft",
        )
        return Program(maker)


def new_maker() -> str:
    """A name that nobody else has: the kernel tells of each change the name of the thread that made it.

    It tells its number, too, but as it is counted outside of all namespaces: who is in one does not know his own.
    """
    return f"hl-{secrets.token_hex(6)}"  # 15 bytes, the longest a thread's name may be


class Library:
    """libnftables. Raises OSError when it is not on this machine."""

    def __init__(self, maker: str = "") -> None:
        self._maker = maker.encode()
        self._lib = _declared(ctypes.CDLL(LIBRARY))
        self._context = self._lib.nft_ctx_new(0)
        if not self._context:
            raise OSError(f"{LIBRARY} gives no context: out of memory")
        self._lib.nft_ctx_buffer_output(self._context)
        self._lib.nft_ctx_buffer_error(self._context)

    def run(self, commands: str) -> str:
        if self._maker:
            _LIBC.prctl(PR_SET_NAME, self._maker, 0, 0, 0)
        failed = self._lib.nft_run_cmd_from_buffer(self._context, commands.encode())
        # Reading a buffer empties it, so both are read every time.
        output: bytes = self._lib.nft_ctx_get_output_buffer(self._context)
        errors: bytes = self._lib.nft_ctx_get_error_buffer(self._context)
        if failed:
            raise NftRefused(_words(errors.decode(errors="replace"), commands))
        return output.decode()

    def __del__(self) -> None:
        if getattr(self, "_context", None):
            self._lib.nft_ctx_free(self._context)


class Program:
    """`nft -f -`."""

    def __init__(self, maker: str = "") -> None:
        self._maker = maker or "nft"

    def run(self, commands: str) -> str:
        program = shutil.which("nft")
        if program is None:
            raise NftRefused("the program nft is not installed on this node")
        try:
            with tempfile.TemporaryDirectory(prefix="helmling-nft-") as folder:
                path = Path(
                    folder, self._maker
                )  # a process is called as the file it was started from
                path.symlink_to(program)
                done = subprocess.run(
                    [path, "-f", "-"], input=commands, capture_output=True, text=True, timeout=TIMEOUT, check=False
                )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise NftRefused(f"nft did not end within {TIMEOUT:g} s") from error
        if done.returncode != 0:
            raise NftRefused(_words(done.stderr, commands))
        return done.stdout


def _declared(lib: Any) -> Any:
    """The functions with their types: without, ctypes would cut pointers in half."""
    context, text = ctypes.c_void_p, ctypes.c_char_p
    signatures: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "nft_ctx_new": (context, (ctypes.c_uint32,)),
        "nft_ctx_free": (None, (context,)),
        "nft_ctx_buffer_output": (ctypes.c_int, (context,)),
        "nft_ctx_buffer_error": (ctypes.c_int, (context,)),
        "nft_ctx_get_output_buffer": (text, (context,)),
        "nft_ctx_get_error_buffer": (text, (context,)),
        "nft_run_cmd_from_buffer": (ctypes.c_int, (context, text)),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


def _words(errors: str, commands: str) -> str:
    """The first error with the command it is about: nft repeats whole scripts, which may be long."""
    lines = [line for line in errors.splitlines() if line.strip()]
    if not lines:
        return f"nft refused without a word, of {commands.count(chr(10))} commands, and changed nothing"
    shown = [line[:300] for line in lines[:3]]
    return "nft changed nothing: " + " | ".join(shown)
