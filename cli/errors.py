"""What a command says when it cannot do what it was asked for.

A command raises; only `cli.main` prints and chooses the exit code. Errors of the API (`api.errors`) are worded
there as kubectl words them. This module imports nothing, so that a wrong flag is answered at once.
"""

REFUSED = 1  # what went wrong
INTERRUPTED = 130  # Ctrl-C, as shells count it


class CommandError(Exception):
    """The command failed. `message` says what, where, and what to do; `code` is the exit code."""

    prefix = "error: "

    def __init__(self, message: str, *, code: int = REFUSED) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class UsageError(CommandError):
    """The command line itself is wrong: the answer also points to the command's help."""


class Exit(Exception):
    """End now with this code; everything has been said."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def nearest(word: str, known: list[str]) -> str:
    """The one of `known` that `word` was probably meant to be, or ""."""
    from difflib import get_close_matches

    folded = {name.lower(): name for name in known}
    found = get_close_matches(word.lower(), list(folded), n=1, cutoff=0.6)
    return folded[found[0]] if found else ""


def did_you_mean(word: str, known: list[str]) -> str:
    """`, did you mean "x"?`, or nothing."""
    guess = nearest(word, known)
    return f', did you mean "{guess}"?' if guess else ""
