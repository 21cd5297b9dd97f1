"""The shapes of names: what may be a label, a key, a DNS name. With Kubernetes' own explanations of what is wrong.

Each check answers with what is wrong, in words; an empty list means nothing is. They are cached: the same few
names come again and again.
"""

import random
import re
import uuid
from collections.abc import Iterable
from functools import lru_cache

SUFFIX_LENGTH = 5  # random characters after a generateName
SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # no vowels: chance makes no words

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = rf"({_QUALIFIED})?"


def new_uid() -> str:
    """Not uuid4: it asks the kernel each time, which lets other threads in (a fifth of what a create takes)."""
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


def draw_suffix() -> str:
    """What follows a generateName."""
    return "".join(random.choices(SUFFIX_LETTERS, k=SUFFIX_LENGTH))


def too_long(limit: int) -> str:
    return f"must be no more than {limit} bytes"


def shape(told: str, pattern: str, examples: Iterable[str]) -> str:
    """The rule in words, with examples and the regular expression behind it."""
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{told} (e.g. {shown}regex used for validation is '{pattern}')"


LABEL_SHAPE = shape(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character",
    _LABEL,
    ("my-name", "123-abc"),
)
SUBDOMAIN_SHAPE = shape(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character",
    SUBDOMAIN,
    ("example.com",),
)
LABEL_1035_SHAPE = shape(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
    "start with an alphabetic character, and end with an alphanumeric character",
    _LABEL_1035,
    ("my-name", "abc-123"),
)
QUALIFIED_SHAPE = shape(
    "must consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character",
    _QUALIFIED,
    ("MyName", "my.name", "123-abc"),
)
VALUE_SHAPE = shape(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character",
    _VALUE,
    ("MyValue", "my_value", "12345"),
)

_is_label = re.compile(_LABEL).fullmatch
_is_subdomain = re.compile(SUBDOMAIN).fullmatch
_is_label_1035 = re.compile(_LABEL_1035).fullmatch
_is_qualified = re.compile(_QUALIFIED).fullmatch
_is_value = re.compile(_VALUE).fullmatch


@lru_cache(maxsize=8192)
def dns_label(text: str) -> tuple[str, ...]:
    """RFC 1123 label: one part of a host name, at most 63 characters."""
    return _problems((len(text) > 63, too_long(63)), (not _is_label(text), LABEL_SHAPE))


@lru_cache(maxsize=8192)
def dns_subdomain(text: str) -> tuple[str, ...]:
    """RFC 1123 subdomain: labels joined by dots, at most 253 characters."""
    return _problems((len(text) > 253, too_long(253)), (not _is_subdomain(text), SUBDOMAIN_SHAPE))


@lru_cache(maxsize=8192)
def dns_label_1035(text: str) -> tuple[str, ...]:
    """RFC 1035 label: like dns_label, but begins with a letter."""
    return _problems((len(text) > 63, too_long(63)), (not _is_label_1035(text), LABEL_1035_SHAPE))


@lru_cache(maxsize=8192)
def label_value(text: str) -> tuple[str, ...]:
    return _problems((len(text) > 63, too_long(63)), (not _is_value(text), VALUE_SHAPE))


@lru_cache(maxsize=8192)
def qualified_name(text: str) -> tuple[str, ...]:
    """`[prefix/]name`: the keys of labels, annotations, taints, finalizers."""
    prefix, slash, name = text.rpartition("/")
    if "/" in prefix:
        optional = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return (f"a qualified name {QUALIFIED_SHAPE}{optional}",)
    problems = _prefix_problems(prefix) if slash else ()
    return problems + _problems(
        (not name, "name part must be non-empty"),
        (len(name) > 63, f"name part {too_long(63)}"),
        (not _is_qualified(name), f"name part {QUALIFIED_SHAPE}"),
    )


@lru_cache(maxsize=8192)
def path_segment(text: str) -> tuple[str, ...]:
    """Whatever can stand between two slashes: the names of roles, as `system:node`."""
    return _problems(
        (text in (".", ".."), f"may not be '{text}'"),
        ("/" in text, "may not contain '/'"),
        ("%" in text, "may not contain '%'"),
    )


def _prefix_problems(prefix: str) -> tuple[str, ...]:
    if not prefix:
        return ("prefix part must be non-empty",)
    return tuple(f"prefix part {problem}" for problem in dns_subdomain(prefix))


def _problems(*checks: tuple[bool, str]) -> tuple[str, ...]:
    return tuple(told for failed, told in checks if failed)
