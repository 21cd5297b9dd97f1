"""Resources as the configuration file names them, and where they are in the store.

secrets             one kind of the core group
deployments.apps    one kind of another group
*.apps              a whole group;  `*.` is the core group
*.*                 everything
"""

from collections.abc import Iterator
from difflib import get_close_matches

from api.kinds import KINDS

ROOT = "/registry/"
NAMES = {f"{kind.plural}.{kind.group}".rstrip("."): kind for kind in KINDS}
GROUPS = {kind.group for kind in KINDS}


def complaint(resource: object) -> str:
    """What is wrong with this name of a resource; empty: nothing."""
    if not isinstance(resource, str) or not resource:
        return "must be the name of a resource, like secrets or deployments.apps"
    if resource == "*":
        return "use *.* for everything, or *.GROUP for a group"
    if resource in NAMES or resource == "*.*":
        return ""
    word, dot, group = resource.partition(".")
    if word == "*" and dot:
        return "" if group in GROUPS else f"there is no group {group!r}"
    guess = get_close_matches(resource, NAMES, 1)
    meant = f", did you mean {guess[0]}?" if guess else ""
    return f"there is no resource {resource!r}{meant}"


def prefixes_of(resource: str) -> Iterator[str]:
    """How the keys in the store begin."""
    if resource == "*.*":
        yield ROOT
    elif resource.startswith("*."):
        group = resource.removeprefix("*.")
        yield from (kind.prefix for kind in KINDS if kind.group == group)
    else:
        yield NAMES[resource].prefix


def named(key: str) -> str:
    """An object for people: `secrets "default/token"`."""
    for name, kind in NAMES.items():
        if key.startswith(kind.prefix):
            return f'{name} "{key.removeprefix(kind.prefix)}"'
    return f'"{key}"'
