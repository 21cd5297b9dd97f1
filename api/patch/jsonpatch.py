"""JSON Patch, RFC 6902: operations one after the other, all or none. Places are JSON pointers, RFC 6901."""

from collections.abc import Mapping, Sequence
from typing import Any

from api.errors import BadRequest, Invalid

MOST_OPERATIONS = 10_000
MOST_COPIED = 1_000_000  # values: a few "copy" operations could otherwise fill the memory

_NEEDS = {
    "add": ("value",),
    "remove": (),
    "replace": ("value",),
    "move": ("from",),
    "copy": ("from",),
    "test": ("value",),
}


class _Misfit(Exception):
    """An operation that does not fit the document; says why."""


def json_patch(doc: Any, ops: Sequence[Any]) -> Any:
    """The document after all operations.

    Raises BadRequest (this is no patch) or Invalid (it does not fit the document, or a test failed)."""
    if len(ops) > MOST_OPERATIONS:
        raise BadRequest(f"a JSON patch may have {MOST_OPERATIONS} operations, not {len(ops)}")
    for index, op in enumerate(ops):
        _check(index, op)
    document = _Document(doc)
    for index, op in enumerate(ops):
        try:
            document.apply(op)
        except _Misfit as misfit:
            raise Invalid(
                f"JSON patch: operation {index} ({op['op']} {op['path']!r}): {misfit}"
            ) from None
    return document.root


def same(one: Any, other: Any) -> bool:
    """Equality of JSON values: 1 and 1.0 are the same number, but true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


class _Document:
    """The document while it changes. The caller's is copied first, and every value put in is a copy."""

    def __init__(self, root: Any) -> None:
        self.copied = 0  # values, of "copy" operations
        self.root = self.clone(root)
        self.copied = 0

    def apply(self, op: Mapping[str, Any]) -> None:
        path = _pointer(op["path"])
        match op["op"]:
            case "add":
                self.add(path, self.clone(op["value"]))
            case "remove":
                self.remove(path)
            case "replace":
                self.find(path)
                self.replace(path, self.clone(op["value"]))
            case "test":
                if not same(self.find(path), op["value"]):
                    raise _Misfit("the value there is a different one")
            case "copy":
                self.add(path, self.clone(self.find(_pointer(op["from"]))))
            case "move":
                self.move(_pointer(op["from"]), path)

    def find(self, path: list[str]) -> Any:
        value = self.root
        for depth, step in enumerate(path):
            if isinstance(value, dict):
                if step not in value:
                    raise _Misfit(f"there is no {_text(path[: depth + 1])!r}")
                value = value[step]
            elif isinstance(value, list):
                value = value[_index(step, len(value) - 1)]
            else:
                raise _Misfit(f"{_text(path[:depth])!r} is neither an object nor a list")
        return value

    def add(self, path: list[str], value: Any) -> None:
        if not path:
            self.root = value
            return
        parent, last = self.find(path[:-1]), path[-1]
        if isinstance(parent, dict):
            parent[last] = value
        elif isinstance(parent, list):
            parent.insert(len(parent) if last == "-" else _index(last, len(parent)), value)
        else:
            raise _Misfit(f"{_text(path[:-1])!r} is neither an object nor a list")

    def replace(self, path: list[str], value: Any) -> None:
        if not path:
            self.root = value
            return
        parent, last = self.find(path[:-1]), path[-1]
        parent[int(last) if isinstance(parent, list) else last] = value

    def remove(self, path: list[str]) -> Any:
        value = self.find(path)
        if not path:
            self.root = None
            return value
        parent, last = self.find(path[:-1]), path[-1]
        del parent[int(last) if isinstance(parent, list) else last]
        return value

    def move(self, source: list[str], target: list[str]) -> None:
        if source == target:
            self.find(source)
            return
        if target[: len(source)] == source:
            raise _Misfit("a value cannot be moved into itself")
        self.add(target, self.remove(source))

    def clone(self, value: Any) -> Any:
        self.copied += 1
        if self.copied > MOST_COPIED:
            raise _Misfit(f"the patch copies more than {MOST_COPIED} values")
        if isinstance(value, Mapping):
            return {key: self.clone(inner) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.clone(inner) for inner in value]
        return value


def _check(index: int, op: Any) -> None:
    where = f"JSON patch: operation {index}"
    if not isinstance(op, Mapping):
        raise BadRequest(f"{where} must be an object with op and path")
    name = op.get("op")
    if name not in _NEEDS:
        raise BadRequest(f"{where}: unknown op {name!r}; there are: {', '.join(_NEEDS)}")
    for member in ("path", *_NEEDS[name]):
        if member not in op:
            raise BadRequest(f"{where} ({name}): {member!r} is missing")
    for member in ("path", "from"):
        pointer = op.get(member, "")
        if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
            raise BadRequest(
                f"{where} ({name}): {member} must be a text that begins with '/', not {pointer!r}"
            )


def _pointer(text: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:]]


def _text(path: list[str]) -> str:
    return "".join(f"/{step.replace('~', '~0').replace('/', '~1')}" for step in path)


def _index(step: str, last: int) -> int:
    """A place in a list, at most `last`."""
    if not (step.isascii() and step.isdigit()) or (step != "0" and step.startswith("0")):
        raise _Misfit(f"{step!r} is no index of a list")
    if len(step) > 9 or int(step) > last:
        raise _Misfit(f"index {step} is beyond the end of the list")
    return int(step)
