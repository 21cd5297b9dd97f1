"""Strategic merge patch: a merge patch that knows which lists are really tables.

proto/v1 says how a list merges: with `mergeKey` its elements are matched by that field ("containers by name"), with
`mergeSet` it is a set of values, without either it is replaced whole. Directives inside the patch say what data cannot:

    $patch: delete | replace | merge       in an object, or in an element of a list
    $deleteFromPrimitiveList/<field>       values to take out of a set
    $setElementOrder/<field>               in which order the elements shall stand
    $retainKeys                            the fields that may stay in this object; the others go (unions)
"""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from api.errors import BadRequest
from api.patch.jsonpatch import same
from api.rules import by_json_name, fields_of, is_object, rule

DIRECTIVE, RETAIN = "$patch", "$retainKeys"
DELETE_FROM, ORDER = "$deleteFromPrimitiveList/", "$setElementOrder/"

Json = dict[str, Any]


def strategic_patch(
    doc: Mapping[str, Any], patch: Mapping[str, Any], message_type: type[Message]
) -> Json:
    """The patched document. Raises BadRequest: a directive that makes no sense, an element without its merge key."""
    return _object(doc, patch, fields_of(message_type), "")


def field_of(message: Descriptor | None, name: str) -> FieldDescriptor | None:
    return by_json_name(message).get(name) if message is not None else None


def inside(field: FieldDescriptor | None) -> Descriptor | None:
    """The message that a field holds, if it is one of ours."""
    return field.message_type if field is not None and is_object(field) else None


def _object(doc: Any, patch: Mapping[str, Any], message: Descriptor | None, path: str) -> Json:
    directive = _directive(patch, path)
    if directive == "delete":
        return {}
    merged = dict(doc) if isinstance(doc, Mapping) and directive != "replace" else {}
    _retain(merged, patch, path)
    for name, value in patch.items():
        if name.startswith("$"):
            _known(name, path)
        elif value is None:
            merged.pop(name, None)
        else:
            place = f"{path}.{name}" if path else name
            merged[name] = _value(merged.get(name), value, field_of(message, name), place)
    for name in [name for name in patch if name.startswith(DELETE_FROM)]:
        _delete_from(merged, name.removeprefix(DELETE_FROM), patch[name], path)
    for name in [name for name in patch if name.startswith(ORDER)]:
        field = field_of(message, name.removeprefix(ORDER))
        _order(merged, doc, patch, (name.removeprefix(ORDER), field), path)
    return merged


def _value(old: Any, new: Any, field: FieldDescriptor | None, path: str) -> Any:
    if isinstance(new, Mapping):
        return _object(old, new, inside(field), path)
    if not isinstance(new, list) or field is None:
        return new
    rules, before = rule(field), old if isinstance(old, list) else []
    if rules.mergeKey:
        return _table(before, new, field, path)
    if rules.mergeSet:
        return before + [each for each in new if not _among(each, before)]
    return [
        _object({}, each, inside(field), path) if isinstance(each, Mapping) else each
        for each in new
    ]


def _table(old: list[Any], new: list[Any], field: FieldDescriptor, path: str) -> list[Any]:
    """Elements of `new` are merged into those of `old` with the same key, or appended.

    They are never merged with each other: one port may be there for TCP and for UDP."""
    key, message = rule(field).mergeKey, inside(field)
    merged = [] if any(_is(each, "replace") for each in new) else list(old)
    added = []
    for index, each in enumerate(new):
        place = f"{path}[{index}]"
        if not isinstance(each, Mapping):
            raise BadRequest(f"{place}: must be an object, to be matched by {key!r}")
        directive = _directive(each, place)
        if directive == "replace":
            continue
        at = _find(merged, key, _key(each, key, place))
        if directive == "delete":
            merged = [item for item in merged if not _has(item, key, each[key])]
        elif at is None:
            added.append(_object({}, each, message, place))
        else:
            merged[at] = _object(merged[at], each, message, place)
    return merged + added


def _retain(merged: Json, patch: Mapping[str, Any], path: str) -> None:
    if RETAIN not in patch:
        return
    kept = patch[RETAIN]
    if not isinstance(kept, list):
        raise BadRequest(f"{_at(path, RETAIN)}: must be a list of field names")
    for name, value in patch.items():
        if not name.startswith("$") and value is not None and name not in kept:
            raise BadRequest(f"{_at(path, RETAIN)}: must name {name!r}, which the patch sets")
    for name in [name for name in merged if name not in kept]:
        del merged[name]


def _delete_from(merged: Json, name: str, values: Any, path: str) -> None:
    if not isinstance(values, list):
        raise BadRequest(f"{_at(path, DELETE_FROM + name)}: must be a list")
    if isinstance(merged.get(name), list):
        merged[name] = [each for each in merged[name] if not _among(each, values)]


def _order(
    merged: Json,
    doc: Any,
    patch: Mapping[str, Any],
    what: tuple[str, FieldDescriptor | None],
    path: str,
) -> None:
    """Elements that the patch orders stand in its order; the others keep their places among them, if they can."""
    name, field = what
    order, place = patch[ORDER + name], _at(path, ORDER + name)
    if not isinstance(order, list) or field is None:
        raise BadRequest(f"{place}: must be a list, and {name!r} a list of the object")
    if not isinstance(merged.get(name), list):
        return
    key = rule(field).mergeKey
    wanted = [_key(each, key, place) if key else each for each in order]
    _all_ordered(patch.get(name) or (), wanted, key, place)
    before = [
        _id(each, key) for each in (doc.get(name) if isinstance(doc, Mapping) else None) or ()
    ]
    ordered = [each for each in merged[name] if _among(_id(each, key), wanted)]
    others = [each for each in merged[name] if not _among(_id(each, key), wanted)]
    ordered.sort(key=lambda each: _position(wanted, _id(each, key)))
    merged[name] = _interleave(others, ordered, before, key)


def _all_ordered(elements: Sequence[Any], wanted: list[Any], key: str, place: str) -> None:
    for each in elements:
        special = _is(each, "delete") or _is(each, "replace")
        if not special and not _among(_id(each, key), wanted):
            raise BadRequest(f"{place}: must contain {_id(each, key)!r}, which the patch sets")


def _interleave(others: list[Any], ordered: list[Any], before: list[Any], key: str) -> list[Any]:
    """Both lists keep their own order; an `other` goes before the first ordered element that it used to precede."""
    merged, rest = [], list(others)
    for each in ordered:
        at = _position(before, _id(each, key))
        while rest and at >= 0 and 0 <= _position(before, _id(rest[0], key)) < at:
            merged.append(rest.pop(0))
        merged.append(each)
    return merged + rest


def _directive(patch: Mapping[str, Any], path: str) -> str:
    directive = patch.get(DIRECTIVE, "merge")
    if directive not in ("merge", "replace", "delete"):
        raise BadRequest(
            f"{_at(path, DIRECTIVE)}: unknown directive {directive!r}; there are: delete, replace, merge"
        )
    return str(directive)


def _known(name: str, path: str) -> None:
    if name not in (DIRECTIVE, RETAIN) and not name.startswith((DELETE_FROM, ORDER)):
        raise BadRequest(f"{_at(path, name)}: there is no such directive")


def _is(each: Any, directive: str) -> bool:
    return isinstance(each, Mapping) and each.get(DIRECTIVE) == directive


def _key(each: Any, key: str, path: str) -> Any:
    if not isinstance(each, Mapping) or each.get(key) is None:
        raise BadRequest(
            f"{path}: the merge key {key!r} is missing: it says which element is meant"
        )
    return each[key]


def _id(each: Any, key: str) -> Any:
    """What an element is matched by: its key, or (in a set) the element itself."""
    return each.get(key) if key and isinstance(each, Mapping) else each


def _has(item: Any, key: str, value: Any) -> bool:
    return isinstance(item, Mapping) and same(item.get(key), value)


def _find(items: list[Any], key: str, value: Any) -> int | None:
    return next((at for at, item in enumerate(items) if _has(item, key, value)), None)


def _among(value: Any, values: Sequence[Any]) -> bool:
    return _position(values, value) >= 0


def _position(values: Sequence[Any], value: Any) -> int:
    return next((at for at, each in enumerate(values) if same(each, value)), -1)


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
