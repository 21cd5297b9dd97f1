"""What a command is, and what it works with.

Each module in cli/commands has one or more `Command` values; cli/main.py knows which module to import for which word.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from cli.errors import CommandError, UsageError
from cli.flags import Flag, Parsed, switch

if TYPE_CHECKING:
    from cli.connection import Connection
    from cli.kubeconfig import Target

GLOBAL_FLAGS = (
    Flag("kubeconfig", "Path to the kubeconfig file to use."),
    Flag("context", "The name of the kubeconfig context to use."),
    Flag("namespace", "The namespace to work in.", "n"),
    Flag("server", "The address of the API server, instead of the kubeconfig's.", "s"),
    Flag("token", "Bearer token for authentication to the API server, instead of the kubeconfig's user."),
    Flag("data-dir", "Where the cluster keeps its state, and admin.conf."),
    Flag("request-timeout", "How long a single request may take: 5s, 2m; 0 is without end.", default="0"),
    Flag("v", "How much to tell about what is asked of the server; 6 shows each request.", "v", "number", "0"),
    switch("help", "Show what the command does, with examples.", "h"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Command:
    usage: str  # "get TYPE [NAME ...] [flags]"
    about: str  # what it does, in full sentences
    examples: str
    run: Callable[["Session"], int | None]  # returns the exit code; None is 0
    flags: Sequence[Flag] = ()
    tidies_up: bool = False  # Ctrl-C must give it time to put something back or take something away
    actions: Sequence[str] = ()  # the words that may follow, of a command that is several
    complete: str = ""  # what completion offers as arguments: "resources", "pods", "nodes", "kinds"
    kinds: Sequence[str] = ()  # the kinds that completion offers; none: all


@dataclass
class Session:
    """One run of one command."""

    flags: Parsed
    command: Command
    told: int = 0  # how many objects have been printed

    @property
    def args(self) -> list[str]:
        """The arguments, without those after `--`."""
        return self.flags.args

    @cached_property
    def target(self) -> "Target":
        """Which server, as whom, in which namespace. Raises CommandError when there is no cluster to be found."""
        from cli import kubeconfig

        return kubeconfig.find(self.flags)

    @cached_property
    def server(self) -> "Connection":
        """The API server; connects with the first call."""
        import gc

        gc.disable()
        from cli.connection import Connection

        gc.enable()
        timeout = self.flags.text("request-timeout")
        return Connection(
            self.target, timeout=seconds(timeout), verbosity=self.flags.number("v") or 0
        )

    @property
    def namespace(self) -> str:
        return self.flags.text("namespace") or self.target.namespace or "default"

    @property
    def namespace_if_known(self) -> str:
        """For what asks no server: empty where there is no cluster to be found."""
        try:
            return self.namespace
        except CommandError:
            return ""

    def say(self, line: str = "") -> None:
        sys.stdout.write(line + "\n")

    def warn(self, line: str) -> None:
        """To standard error, so that what pipes read stays clean."""
        sys.stdout.flush()
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    def close(self) -> None:
        if "server" in self.__dict__:
            self.server.close()


UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(text: str) -> float:
    """A duration as Go writes it: "90s", "1m30s", "1.5h"; a bare number is seconds. Raises UsageError."""
    total, number, rest = 0.0, "", text.strip()
    negative = rest.startswith("-")
    rest = rest.lstrip("+-")
    while rest:
        if rest[0].isdigit() or rest[0] == ".":
            number, rest = number + rest[0], rest[1:]
            continue
        unit = next((u for u in UNITS if rest.startswith(u)), "")
        if not unit or not _is_number(number):
            raise UsageError(f'invalid duration "{text}": write it like 90s, 5m or 1h30m')
        total, number, rest = total + float(number) * UNITS[unit], "", rest[len(unit) :]
    if number:
        if not _is_number(number):
            raise UsageError(f'invalid duration "{text}": write it like 90s, 5m or 1h30m')
        total += float(number)
    return -total if negative else total


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()
