"""What a command is, and what it works with.

Each module in cli/commands has one or more `Command` values; cli/main.py knows which module to import for which word.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from cli.errors import CommandError, UsageError
from cli.flags import Flag, Parsed, duration, switch

if TYPE_CHECKING:
    from cli.connection import Connection
    from cli.kubeconfig import Target

GLOBAL_FLAGS = (
    Flag("kubeconfig", "Path to the kubeconfig file to use."),
    Flag("context", "The name of the kubeconfig context to use."),
    Flag("namespace", "The namespace to work in.", "n"),
    Flag("server", "The address of the API server, instead of the kubeconfig's.", "s"),
    Flag("token", "Bearer token for authentication to the API server, instead of the kubeconfig's user."),
    Flag("as", "Username to impersonate for the operation: a user, or system:serviceaccount:NAMESPACE:NAME."),
    Flag("as-group", "Group to impersonate for the operation; may be repeated.", form="many"),
    Flag("as-uid", "UID to impersonate for the operation."),
    Flag("data-dir", "Where the cluster keeps its state, and admin.conf."),
    duration("request-timeout", "How long a single request may take: 5s, 2m; 0 is without end.", "0"),
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
        return Connection(
            self.target,
            timeout=self.flags.seconds("request-timeout"),
            verbosity=self.flags.number("v") or 0,
            impersonated=self._impersonated(),
        )

    def _impersonated(self) -> tuple[tuple[str, str], ...]:
        """What the server is told of whom we ask as. Raises UsageError."""
        user, uid, groups = (
            self.flags.text("as"),
            self.flags.text("as-uid"),
            self.flags.many("as-group"),
        )
        if (uid or groups) and not user:
            raise UsageError("--as-group and --as-uid say more about --as: name a user with --as")
        said = [("impersonate-user", user), *(("impersonate-group", group) for group in groups)]
        return tuple((key, value) for key, value in [*said, ("impersonate-uid", uid)] if value)

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
