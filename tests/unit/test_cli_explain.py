"""Every kind is explained, and every field of those that make pods or guard them."""

from collections.abc import Iterator
from typing import Any

import pytest

from api import rules
from api.kinds import KINDS, Kind
from cli.commands.explain import describe, page

EXPLAINED = ("apps.proto", "batch.proto", "policy.proto")


def fields_of(message: Any, seen: set[str]) -> Iterator[Any]:
    """All below, each message once; of others' messages nothing."""
    if message.full_name in seen or not message.file.name.endswith(EXPLAINED):
        return
    seen.add(message.full_name)
    for field in message.fields:
        yield field
        if rules.is_object(field):
            yield from fields_of(field.message_type, seen)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_has_a_page(kind: Kind) -> None:
    """With a sentence for each of its fields; and the tree of all fields below ends, although messages may recur."""
    message = kind.message.DESCRIPTOR
    assert [field.json_name for field in message.fields if not describe(field)] == []
    assert f"KIND:       {kind.name}" in page(kind, None, message, recursive=False)
    tree = page(kind, None, message, recursive=True)
    assert "    ownerReferences\t<[]OwnerReference>" in tree


def test_workloads_have_a_sentence_for_every_field() -> None:
    seen: set[str] = set()
    silent = [
        f"{field.containing_type.name}.{field.json_name}"
        for kind in KINDS
        for field in fields_of(kind.message.DESCRIPTOR, seen)
        if not describe(field)
    ]
    assert "CronJobSlot" in {name.rpartition(".")[2] for name in seen}
    assert silent == []
