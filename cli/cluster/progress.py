"""Long work told as it goes: a moving line on a terminal, plain lines everywhere else."""

import sys
import time
from types import TracebackType
from typing import Any


class Progress:
    """`doing` says what is being waited for, `done` what has been reached, with the time it took."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.live: Any = None  # rich's moving line; None where nobody would see it move

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._still()

    def doing(self, text: str) -> None:
        if not sys.stdout.isatty():
            return
        if self.live is None:
            from rich.console import Console

            self.live = Console(highlight=False).status(text)
            self.live.start()
        self.live.update(text)

    def done(self, text: str) -> None:
        self._still()
        print(f"{text:<58} {time.monotonic() - self.started:5.1f} s", flush=True)

    def say(self, text: str) -> None:
        self._still()
        print(text, flush=True)

    def _still(self) -> None:
        if self.live is not None:
            self.live.stop()
            self.live = None
