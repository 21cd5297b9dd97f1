"""The command line, read as kubectl's parser reads it.

Flags and arguments mix freely; `-n x`, `-nx`, `-n=x`, `--namespace x` and `--namespace=x` are the same; `-it` is
`-i -t`; a switch takes `=false`; after `--` everything is an argument. argparse does some of these differently, and
importing it costs a tenth of the time that `helmling get` may take.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from cli.durations import seconds
from cli.errors import UsageError, did_you_mean

Form = Literal["text", "switch", "many", "number", "duration"]
TRUE, FALSE = ("true", "1", "t", "yes"), ("false", "0", "f", "no")


@dataclass(frozen=True, slots=True)
class Flag:
    name: str
    help: str
    short: str = ""
    form: Form = "text"  # many: may be repeated
    default: str = ""
    bare: str = ""  # the value when none is given: `--dry-run`, and for switches "true"
    value: str = ""  # what the help calls the value

    @property
    def takes_value(self) -> bool:
        """Whether the next word belongs to it."""
        return self.form != "switch" and not self.bare


def switch(name: str, help: str, short: str = "", *, default: bool = False) -> Flag:
    return Flag(name, help, short, "switch", "true" if default else "false", bare="true")


def duration(name: str, help: str, default: str = "") -> Flag:
    return Flag(name, help, form="duration", default=default)


@dataclass(slots=True)
class Parsed:
    """A command line that has been read. Names that were never declared are a bug, hence KeyError."""

    known: dict[str, Flag]
    args: list[str] = field(default_factory=list)
    after_dash: list[str] | None = None  # what stood after `--`; None: there was none
    values: dict[str, list[str]] = field(default_factory=dict)

    def given(self, name: str) -> bool:
        return self.known[name].name in self.values

    def text(self, name: str) -> str:
        """The last value given, or the default."""
        flag = self.known[name]
        return self.values[name][-1] if name in self.values else flag.default

    def many(self, name: str) -> list[str]:
        flag = self.known[name]
        return self.values.get(name) or ([flag.default] if flag.default else [])

    def on(self, name: str) -> bool:
        return self.text(name) == "true"

    def number(self, name: str) -> int | None:
        """A whole number, or None when there is neither a value nor a default."""
        text = self.text(name)
        return _whole(name, text) if text else None

    def seconds(self, name: str) -> float:
        """A duration; 0 when there is neither a value nor a default."""
        return seconds(self.text(name))


class _Reader:
    """Walks over the words once."""

    def __init__(self, flags: Sequence[Flag], words: Sequence[str], *, until_argument: bool):
        self.parsed = Parsed({flag.name: flag for flag in flags})
        self.short = {flag.short: flag for flag in flags if flag.short}
        self.words = list(words)  # what is still to be read
        self.until_argument = until_argument

    def read(self) -> Parsed:
        while self.words:
            word = self.words.pop(0)
            if word == "--":
                self.parsed.after_dash, self.words = self.words, []
            elif word.startswith("--"):
                self.long(word)
            elif word.startswith("-") and word != "-":
                self.shorts(word)
            elif self.until_argument:
                self.words.insert(0, word)
                break
            else:
                self.parsed.args.append(word)
        return self.parsed

    def long(self, word: str) -> None:
        name, equals, value = word[2:].partition("=")
        flag = self.parsed.known.get(name)
        if flag is None:
            known = [f"--{other}" for other in self.parsed.known]
            raise UsageError(f"unknown flag: --{name}{did_you_mean(f'--{name}', known)}")
        self.keep(flag, value if equals else self.next_value(flag, f"--{name}"))

    def shorts(self, word: str) -> None:
        letters = word[1:]
        while letters:
            flag = self.short.get(letters[0])
            if flag is None:
                raise UsageError(f"unknown shorthand flag: '{letters[0]}' in {word}")
            rest = letters[1:]
            if rest.startswith("="):
                return self.keep(flag, rest[1:])
            if flag.takes_value and rest:
                return self.keep(flag, rest)
            self.keep(flag, self.next_value(flag, f"-{flag.short}"))
            letters = rest
        return None

    def next_value(self, flag: Flag, said: str) -> str:
        if not flag.takes_value:
            return flag.bare
        if not self.words:
            raise UsageError(f"flag needs an argument: {said}")
        return self.words.pop(0)

    def keep(self, flag: Flag, value: str) -> None:
        """What is wrong with a value is said here, before the command has done anything."""
        if flag.form == "switch":
            value = _switch_value(flag, value)
        elif flag.form == "number" and value:
            _whole(flag.name, value)
        elif flag.form == "duration":
            _duration(flag.name, value)
        self.parsed.values.setdefault(flag.name, []).append(value)


def _switch_value(flag: Flag, value: str) -> str:
    if value.lower() in TRUE:
        return "true"
    if value.lower() in FALSE:
        return "false"
    raise UsageError(f'invalid argument "{value}" for "--{flag.name}" flag: must be true or false')


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UsageError(
            f'invalid argument "{text}" for "--{name}" flag: must be a whole number'
        ) from None


def _duration(name: str, text: str) -> float:
    try:
        return seconds(text)
    except UsageError as error:
        raise UsageError(f'invalid argument "{text}" for "--{name}" flag: {error}') from None


def parse(flags: Sequence[Flag], words: Sequence[str]) -> Parsed:
    """Reads all words. Raises UsageError."""
    return _Reader(flags, words, until_argument=False).read()


def parse_leading(flags: Sequence[Flag], words: Sequence[str]) -> tuple[Parsed, list[str]]:
    """Reads the flags before the first argument; also returns what is left."""
    reader = _Reader(flags, words, until_argument=True)
    parsed = reader.read()
    return parsed, reader.words


def describe(flags: Sequence[Flag]) -> str:
    """The options, one per paragraph, as `--help` shows them."""
    lines = []
    for flag in sorted(flags, key=lambda flag: flag.name):
        short = f"-{flag.short}, " if flag.short else "    "
        default = "[]" if flag.form == "many" and not flag.default else flag.default
        shown = default if flag.form in ("switch", "number", "many") else f"'{default}'"
        lines.append(f"    {short}--{flag.name}={shown}:\n\t{flag.help}")
    return "\n\n".join(lines)
