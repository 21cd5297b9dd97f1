"""Keys and values from a command line: --from-literal, --from-file, --from-env-file, with kubectl's rules and words."""

import os
from collections.abc import Iterator
from pathlib import Path

from cli.errors import CommandError, UsageError
from cli.flags import Flag, Parsed

BOM = b"\xef\xbb\xbf"
FLAGS = (
    Flag("from-literal", "With configmap and secret: a key and its value: KEY=VALUE.", form="many"),
    Flag(
        "from-file",
        "With configmap and secret: a file (its name is the key), KEY=FILE, or a directory of files.",
        form="many",
    ),
    Flag(
        "from-env-file",
        "With configmap and secret generic: a file with a line KEY=VALUE for each key.",
        form="many",
    ),
)


def gather(flags: Parsed, what: str) -> dict[str, bytes]:
    """All that the flags name. `what`: "ConfigMap app". Raises UsageError, CommandError; never shows a value."""
    if flags.many("from-env-file") and (flags.many("from-file") or flags.many("from-literal")):
        raise UsageError("from-env-file cannot be combined with from-file or from-literal")
    found: dict[str, bytes] = {}
    for key, value in (
        *_files(flags.many("from-file")),
        *_literals(flags.many("from-literal")),
        *_env_files(flags.many("from-env-file")),
    ):
        if key in found:
            raise CommandError(
                f"cannot add key {key}, another key by that name already exists in Data for {what}"
            )
        found[key] = value
    return found


def _literals(texts: list[str]) -> Iterator[tuple[str, bytes]]:
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise UsageError("invalid literal source, expected key=value")
        yield key, value.encode()


def _files(sources: list[str]) -> Iterator[tuple[str, bytes]]:
    for source in sources:
        key, equals, name = source.partition("=")
        if equals and (not key or not name or "=" in name):
            told = (
                "key names or file paths cannot contain '='"
                if "=" in name
                else (
                    f"{'key name' if not key else 'file path'} for file path "
                    f"{source.strip('=')} missing"
                )
            )
            raise UsageError(told)
        path = Path(name if equals else source)
        if not path.is_dir():
            yield key if equals else path.name, read(path)
        elif equals:
            raise UsageError("cannot give a key name for a directory path")
        else:
            yield from (
                (each.name, read(each)) for each in sorted(path.iterdir()) if each.is_file()
            )


def read(path: Path) -> bytes:
    """Raises CommandError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"error reading {path}: {error.strerror}") from None


def _env_files(names: list[str]) -> Iterator[tuple[str, bytes]]:
    for name in names:
        lines = read(Path(name)).removeprefix(BOM).splitlines()
        for number, line in enumerate(lines, 1):
            try:
                text = line.decode().lstrip()
            except UnicodeDecodeError:
                told = f"env file {name} contains invalid utf8 bytes at line {number}"
                raise CommandError(told) from None
            if text and not text.startswith("#"):
                key, equals, value = text.partition("=")
                # A name alone is a variable of whoever runs the command.
                yield key, (value if equals else os.environ.get(key, "")).encode()
