"""The user's terminal, handed over to a program in a container: raw mode, size, and all put back at the end."""

import os
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def is_terminal() -> bool:
    return sys.stdin.isatty()


def size() -> tuple[int, int]:
    """(columns, rows)."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        try:
            found = os.get_terminal_size(stream.fileno())
        except (OSError, ValueError):
            continue
        return found.columns, found.lines
    return 80, 24


@contextmanager
def raw(resized: Callable[[], None]) -> Iterator[None]:
    """Every key goes to the program, Ctrl-C included; `resized` is called when the window changes.

    The signal handler runs in the main thread between two instructions, so `resized` must not wait for anything.
    """
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    handler = signal.signal(signal.SIGWINCH, lambda number, frame: resized())
    try:
        tty.setraw(descriptor, termios.TCSADRAIN)  # keeps what was typed already
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, handler)
