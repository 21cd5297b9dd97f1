"""Objects as YAML, letter by letter as kubectl writes it: keys in order, block style, lists at their key's indent.

An emitter of our own, because it is a page long and the YAML library takes 20 ms to import. It writes only what
JSON can say; reading YAML is the library's work (cli/manifests.py).
"""

import json
import re
from collections.abc import Iterator
from typing import Any

# What YAML 1.1 readers would take for something other than text.
WORDS = {
    "", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", "=", "<<", ".nan", ".inf", "-.inf", "+.inf",
}  # fmt: skip
NUMBER = re.compile(
    r"[-+]?(0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"
    r"|(\.[0-9_]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?)$"
)
TIME = re.compile(r"\d{4}-\d\d?-\d\d?([Tt]|[ \t]+|$)")
BEFORE_SPACE = "-?:"  # indicators only when a space follows
INDICATORS = set("#,[]{}&*!|>'\"%@`")
PLAIN_INSIDE = re.compile(r": |:$| #|\t")
UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]"
)


def dump(value: Any) -> str:
    """One document, with a newline at its end."""
    return "\n".join(_lines(value, "")) + "\n"


def _lines(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key in sorted(value):
            yield from _entry(f"{indent}{_key(str(key))}:", value[key], indent)
    elif isinstance(value, list) and value:
        for item in value:
            yield from _item(item, indent)
    else:
        yield indent + scalar(value, indent)


def _entry(start: str, value: Any, indent: str) -> Iterator[str]:
    """`key: value`, with a longer value on the lines below."""
    if isinstance(value, dict) and value:
        yield start
        yield from _lines(value, indent + "  ")
    elif isinstance(value, list) and value:
        yield start
        yield from _lines(value, indent)
    else:
        yield f"{start} {scalar(value, indent)}"


def _key(text: str) -> str:
    return _escaped(text) if "\n" in text else scalar(text, "")


def _item(value: Any, indent: str) -> Iterator[str]:
    """`- value`: the first line of the value stands beside the dash."""
    if not value or not isinstance(value, dict | list):
        yield f"{indent}- {scalar(value, indent)}"
        return
    first, *others = _lines(value, indent + "  ")
    yield f"{indent}- {first[len(indent) + 2 :]}"
    yield from others


def scalar(value: Any, indent: str) -> str:
    """A value that has no parts. Text in several lines becomes a block, indented below `indent`."""
    if isinstance(value, str):
        return _text(value, indent)
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, list):
        return "[]"
    return json.dumps(value)


def _text(text: str, indent: str) -> str:
    if UNPRINTABLE.search(text):
        return _escaped(text)
    if "\n" in text:
        return _block(text, indent)
    if _means_something_else(text):
        return json.dumps(text, ensure_ascii=False)
    if _is_plain(text):
        return text
    return "'" + text.replace("'", "''") + "'" if "\t" not in text else _escaped(text)


def _escaped(text: str) -> str:
    """In double quotes, on one line."""
    quoted = json.dumps(text, ensure_ascii=False)
    return UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)


def _means_something_else(text: str) -> bool:
    return text.lower() in WORDS or bool(NUMBER.match(text)) or bool(TIME.match(text))


def _is_plain(text: str) -> bool:
    if text != text.strip() or text[0] in INDICATORS or text.startswith(("---", "...")):
        return False
    if text[0] in BEFORE_SPACE and (len(text) == 1 or text[1] == " "):
        return False
    return not PLAIN_INSIDE.search(text)


def _block(text: str, indent: str) -> str:
    r"""`|-` has no newline at its end, `|` one, `|+` several. Text that a block cannot hold is escaped."""
    stripped = text.rstrip("\n")
    if not stripped or text[0] in " \n\t" or ("\t" in text and re.search(r"^\s*\t", text, re.M)):
        return _escaped(text)
    ends = len(text) - len(stripped)
    mark = {0: "|-", 1: "|"}.get(ends, "|+")
    body = stripped + "\n" * max(ends - 1, 0)
    below = indent + "  "
    return mark + "".join("\n" + (below + line if line else "") for line in body.split("\n"))
