"""The patch that `apply` sends: what must change so that the object is as the manifest says, and no more.

Three documents: `original` is the manifest as it was applied last, `modified` the manifest now, `current` the object on
the server. What stands in `modified` and differs from `current` is set; what stood in `original` and is gone from
`modified` is removed; everything else in `current` belongs to somebody else (a default, a controller) and stays.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from api.errors import BadRequest
from api.patch.jsonpatch import same
from api.patch.strategic import DELETE_FROM, DIRECTIVE, ORDER, RETAIN, Json, field_of, inside
from api.rules import fields_of, is_map, rule

Doc = Mapping[str, Any]


def three_way(original: Doc, modified: Doc, current: Doc, message_type: type[Message]) -> Json:
    """A strategic merge patch; empty if there is nothing to do. Raises BadRequest: an element without its merge key."""
    return _object(original, modified, current, fields_of(message_type))


def _object(original: Doc, modified: Doc, current: Doc, message: Descriptor | None) -> Json:
    patch: Json = {}
    for name, value in original.items():
        if name not in modified and current.get(name) is not None:
            removal = _removal(value, current[name], field_of(message, name))
            if removal != {}:
                patch[name] = removal
    for name, value in modified.items():
        now, field = current.get(name), field_of(message, name)
        if value is None:
            if now is not None:
                patch[name] = None
        elif isinstance(value, Mapping) and isinstance(now, Mapping):
            if inner := _object(_mapping(original.get(name)), value, now, inside(field)):
                patch[name] = inner
        elif isinstance(value, list) and isinstance(now, list):
            patch |= _list(name, _list_of(original.get(name)), value, now, field)
        elif now is None or not same(value, now):
            patch[name] = value
    return patch


def _removal(original: Any, current: Any, field: FieldDescriptor | None) -> Any:
    """Out with a whole field; but of labels and the like only with the keys that the manifest had put there."""
    if field is not None and is_map(field) and isinstance(current, Mapping):
        return {key: None for key in _mapping(original) if key in current}
    return None


def _list(
    name: str,
    original: list[Any],
    modified: list[Any],
    current: list[Any],
    field: FieldDescriptor | None,
) -> Json:
    rules = rule(field) if field is not None else None
    if field is not None and rules is not None and rules.mergeKey:
        return _table(name, original, modified, current, field)
    if rules is not None and rules.mergeSet:
        return _set(name, original, modified, current)
    return {} if same(modified, current) else {name: modified}


def _table(
    name: str, original: list[Any], modified: list[Any], current: list[Any], field: FieldDescriptor
) -> Json:
    key = rule(field).mergeKey
    wanted, now = _by_key(modified, key, name), _by_key(current, key, name)
    before = _by_key(original, key, name)
    if len(wanted) != len(modified) or len(now) != len(current):
        # The key is not unique (one port for TCP and UDP): only the whole list says what is meant.
        return {} if same(modified, current) else {name: [{DIRECTIVE: "replace"}, *modified]}
    changes: list[Json] = []
    for identity, each in wanted.items():
        if identity not in now:
            changes.append(dict(each))
        elif change := _element(before.get(identity, {}), each, now[identity], field):
            changes.append({**change, key: each[key]})
    gone = [identity for identity in before if identity not in wanted and identity in now]
    changes += [{DIRECTIVE: "delete", key: now[identity][key]} for identity in gone]
    if not changes and _in_order(wanted, now):
        return {}
    order = {ORDER + name: [{key: each[key]} for each in wanted.values()]}
    return {name: changes, **order} if changes else order


def _element(original: Doc, modified: Doc, current: Doc, field: FieldDescriptor) -> Json:
    change = _object(original, modified, current, inside(field))
    if rule(field).retainKeys and (change or set(current) - set(modified)):
        return {**change, RETAIN: sorted(modified)}
    return change


def _set(name: str, original: list[Any], modified: list[Any], current: list[Any]) -> Json:
    added = [each for each in modified if each not in current]
    gone = [each for each in original if each not in modified and each in current]
    if not added and not gone and _in_order(modified, current):
        return {}
    patch: Json = {ORDER + name: modified}
    if added:
        patch[name] = added
    if gone:
        patch[DELETE_FROM + name] = gone
    return patch


def _in_order(wanted: Iterable[Any], now: Iterable[Any]) -> bool:
    order = list(wanted)
    return order == [each for each in now if each in order]


def _by_key(items: list[Any], key: str, name: str) -> dict[Any, Json]:
    found: dict[Any, Json] = {}
    for index, each in enumerate(items):
        identity = each.get(key) if isinstance(each, Mapping) else None
        if identity is None or isinstance(identity, (list, dict)):
            raise BadRequest(
                f"{name}[{index}]: the merge key {key!r} is missing: each element needs its own"
            )
        found.setdefault(identity, each)
    return found


def _mapping(value: Any) -> Doc:
    return value if isinstance(value, Mapping) else {}


def _list_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
