"""The shapes that a string field may have: each name that stands behind `format` in proto/v1.

A check answers with what is wrong, in words; nothing when all is well. The shapes of names are in api/names.py,
because clients need them too.
"""

import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import PurePosixPath

from api import names
from api.names import shape, too_long

Check = Callable[[str], tuple[str, ...]]

_ENV_SHAPE = shape(
    "a valid environment variable name must consist only of printable ASCII characters other than '='",
    "[ -<>-~]+",
    ("MY_ENV_NAME", "my.env-name"),
)
_HEADER_SHAPE = shape(
    "a valid HTTP header must consist of alphanumeric characters or '-'",
    "[-A-Za-z0-9]+",
    ("X-Header-Name",),
)
_KEY_SHAPE = shape(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    "[-._a-zA-Z0-9]+",
    ("key.name", "KEY_NAME", "key-name"),
)
_SYSCTL = r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?"


@lru_cache(maxsize=4096)
def port_name(text: str) -> tuple[str, ...]:
    """RFC 6335: the name of a port."""
    checks = (
        (len(text) > 15, too_long(15)),
        (
            re.fullmatch("[-a-z0-9]+", text) is None,
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ),
        (re.search("[a-z]", text) is None, "must contain at least one letter (a-z)"),
        ("--" in text, "must not contain consecutive hyphens"),
        (text[:1] == "-" or text[-1:] == "-", "must not begin or end with a hyphen"),
    )
    return tuple(told for failed, told in checks if failed)


@lru_cache(maxsize=4096)
def env_name(text: str) -> tuple[str, ...]:
    return () if re.fullmatch("[ -<>-~]+", text) else (_ENV_SHAPE,)


@lru_cache(maxsize=4096)
def absolute_path(text: str) -> tuple[str, ...]:
    return () if text.startswith("/") else ("must be an absolute path",)


@lru_cache(maxsize=4096)
def ip(text: str) -> tuple[str, ...]:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return ("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",)
    return ("must be an address without a zone",) if "%" in text else ()


@lru_cache(maxsize=4096)
def cidr(text: str) -> tuple[str, ...]:
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return ("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",)
    return () if "/" in text else ("must be a valid CIDR value, (e.g. 10.9.8.0/24)",)


@lru_cache(maxsize=1024)
def header_name(text: str) -> tuple[str, ...]:
    return () if re.fullmatch("[-A-Za-z0-9]+", text) else (_HEADER_SHAPE,)


@lru_cache(maxsize=1024)
def sysctl_name(text: str) -> tuple[str, ...]:
    if len(text) > 253:
        return (too_long(253),)
    return () if re.fullmatch(_SYSCTL, text) else (f"must have the form of {_SYSCTL}",)


@lru_cache(maxsize=4096)
def config_key(text: str) -> tuple[str, ...]:
    """A key of a ConfigMap or Secret: a file name that leads nowhere else, and hides nothing of ours ("..data")."""
    checks = (
        (len(text) > 253, too_long(253)),
        (re.fullmatch("[-._a-zA-Z0-9]+", text) is None, _KEY_SHAPE),
        (text == ".", "must not be '.'"),
        (text == "..", "must not be '..'"),
        (text.startswith("..") and text != "..", "must not start with '..'"),
    )
    return tuple(told for failed, told in checks if failed)


def volume_path(text: str) -> tuple[str, ...]:
    """Where a file lies in a volume: below it, and not under a name that the node keeps for itself ("..data")."""
    parts = PurePosixPath(text).parts
    checks = (
        (bool(text) and not parts, "must name a file"),
        (bool(parts) and parts[0].startswith(".."), "must not start with '..'"),
        ("\0" in text, "must not contain a NUL byte"),
    )
    return relative_path(text) or tuple(told for failed, told in checks if failed)


def relative_path(text: str) -> tuple[str, ...]:
    """A path that stays below where it begins."""
    checks = (
        (text.startswith("/"), "must be a relative path"),
        (".." in text.split("/"), "must not contain '..'"),
    )
    return tuple(told for failed, told in checks if failed)


FORMATS: dict[str, Check] = {
    "dns-label": names.dns_label,
    "dns-subdomain": names.dns_subdomain,
    "dns-label-1035": names.dns_label_1035,
    "qualified-name": names.qualified_name,
    "label-value": names.label_value,
    "port-name": port_name,
    "env-name": env_name,
    "absolute-path": absolute_path,
    "ip": ip,
    "cidr": cidr,
    "config-key": config_key,
}
