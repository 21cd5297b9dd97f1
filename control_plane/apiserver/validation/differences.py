"""Where two messages of a type differ, as paths: so that a refusal can name what was changed."""

from collections.abc import Iterator
from typing import Any

from api.rules import is_list, is_object


def differences(new: Any, old: Any, path: str) -> Iterator[str]:
    """The deepest fields that are not the same. Lists of different lengths differ as a whole."""
    for field in new.DESCRIPTOR.fields:
        place = f"{path}.{field.json_name}"
        ours, theirs = getattr(new, field.name), getattr(old, field.name)
        if ours == theirs and not (field.has_presence and _presence(new, old, field.name)):
            continue
        if not is_object(field):
            yield place
        elif not is_list(field):
            yield from _either(differences(ours, theirs, place), place)
        elif len(ours) != len(theirs):
            yield place
        else:
            for index, (our, their) in enumerate(zip(ours, theirs, strict=True)):
                if our != their:
                    yield from differences(our, their, f"{place}[{index}]")


def _presence(new: Any, old: Any, name: str) -> bool:
    present: bool = new.HasField(name) != old.HasField(name)
    return present


def _either(deeper: Iterator[str], place: str) -> Iterator[str]:
    """What differs inside, or, if only its presence does, the field itself."""
    first = next(deeper, None)
    if first is None:
        yield place
        return
    yield first
    yield from deeper
