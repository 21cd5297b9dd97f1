"""`helmling label` and `helmling annotate`: one word on many objects, set or taken away.

Both do the same to different maps of the metadata, so there is one piece of code for both.
"""

import json
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.client import PATCH_TYPES
from api.kinds import Kind
from cli.command import Command, Session
from cli.errors import CommandError, UsageError
from cli.flags import Flag, switch
from cli.objects import ALL, LOCAL, WHICH, each, is_local, named
from cli.output.chosen import OUTPUT
from cli.resources import ALL_NAMESPACES, FIELD_SELECTOR
from cli.writing import DRY_RUN, dry_run, tell

FLAGS = (
    *WHICH,
    FIELD_SELECTOR,
    ALL_NAMESPACES,
    DRY_RUN,
    OUTPUT,
    switch("overwrite", "Allow what is there already to be changed."),
    ALL,
    LOCAL,
    switch("list", "Show what is there."),
    Flag("resource-version", "Only if the object is still at this version."),
)


@dataclass(frozen=True, slots=True)
class Changes:
    """What to do to the map."""

    put: Mapping[str, str]
    remove: Sequence[str]

    def conflicts(self, present: Mapping[str, str]) -> list[str]:
        """The keys that are there with another value."""
        return [key for key, value in self.put.items() if present.get(key, value) != value]

    def patch(self) -> dict[str, str | None]:
        return {**self.put, **dict.fromkeys(self.remove)}

    def apply(self, present: MutableMapping[str, str]) -> None:
        for key in self.remove:
            present.pop(key, None)
        present.update(self.put)

    def verdict(self, present: Mapping[str, str], word: str) -> str:
        """`labeled`, `unlabeled` or `not labeled`."""
        puts = any(present.get(key) != value for key, value in self.put.items())
        takes = any(key in present for key in self.remove)
        if puts:
            return word
        if takes:
            return f"un{word}" if word == "labeled" else word
        return f"not {word}"


def split(words: Sequence[str]) -> tuple[list[str], Changes]:
    """Objects come first, changes (`k=v`, `k-`) last. Raises UsageError if they mix."""
    first = next(
        (i for i, word in enumerate(words) if "=" in word or word.endswith("-")), len(words)
    )
    put: dict[str, str] = {}
    remove: list[str] = []
    for word in words[first:]:
        key, equals, value = word.partition("=")
        if equals and key:
            put[key] = value
        elif word.endswith("-") and len(word) > 1:
            remove.append(word[:-1])
        else:
            raise UsageError(f"all resources must be specified before the changes: {word}")
    both = [key for key in remove if key in put]
    if both:
        raise UsageError(f"cannot both set and remove: {', '.join(both)}")
    return list(words[:first]), Changes(put, remove)


def run(session: Session, map_name: str, word: str) -> int:
    words, changes = split(session.args)
    listing = session.flags.on("list")
    if not changes.patch() and not listing:
        raise UsageError(f"at least one change is required: key=value sets, key- removes ({word})")

    def act(kind: Kind, obj: Any) -> None:
        if listing:
            _list(session, kind, obj, map_name)
        else:
            _change(session, kind, obj, map_name, changes, word)

    return each(session, named(session, words), act)


def _list(session: Session, kind: Kind, obj: Any, map_name: str) -> None:
    present = getattr(obj.metadata, map_name)
    session.say(f"Listing {map_name} for {kind.name}.{kind.api_version} {obj.metadata.name}:")
    for key in sorted(present):
        session.say(f" {key}={present[key]}")


def _change(
    session: Session, kind: Kind, obj: Any, map_name: str, changes: Changes, word: str
) -> None:
    present = dict(getattr(obj.metadata, map_name))
    conflicts = changes.conflicts(present)
    if conflicts and not session.flags.on("overwrite"):
        key = conflicts[0]
        raise CommandError(
            f"'{key}' already has a value ({present[key]}), and --overwrite is false"
        )
    for key in changes.remove:
        if key not in present:
            session.warn(f'{map_name.rstrip("s")} "{key}" not found.')
    if is_local(session) or dry_run(session) == "client":
        changes.apply(getattr(obj.metadata, map_name))
        return tell(session, kind, obj, changes.verdict(present, word))
    metadata: dict[str, Any] = {map_name: changes.patch()}
    if session.flags.given("resource-version"):
        metadata["resourceVersion"] = session.flags.text("resource-version")
    patch = json.dumps({"metadata": metadata}).encode()
    after = session.server.patch(
        kind, obj.metadata.name, obj.metadata.namespace, patch, PATCH_TYPES["merge"],
        dry_run=dry_run(session) == "server",
    )  # fmt: skip
    return tell(session, kind, after, changes.verdict(present, word))


LABEL = Command(
    usage="label [--overwrite] (-f FILENAME | TYPE NAME) KEY_1=VAL_1 ... KEY_N- [flags]",
    about="Update the labels on a resource.\n\nA label key and value begin with a letter or number and may "
    "contain letters, "
    "numbers, hyphens, dots and underscores, up to 63 characters each. `key-` removes a label.",
    examples="""  # Add a label
  helmling label pod web tier=front

  # Change it
  helmling label pod web tier=back --overwrite

  # Remove it
  helmling label pod web tier-

  # Show the labels of a node
  helmling label node n1 --list""",
    run=lambda session: run(session, "labels", "labeled"),
    flags=FLAGS,
    complete="resources",
)
ANNOTATE = Command(
    usage="annotate [--overwrite] (-f FILENAME | TYPE NAME) KEY_1=VAL_1 ... KEY_N- [flags]",
    about="Update the annotations on a resource.\n\nAnnotations are notes for tools and people; nothing "
    "selects by them. "
    "`key-` removes one.",
    examples="""  # Add a note
  helmling annotate pod web description='my front end'

  # Change it
  helmling annotate pod web description='our front end' --overwrite

  # Remove it
  helmling annotate pod web description-""",
    run=lambda session: run(session, "annotations", "annotated"),
    flags=FLAGS,
    complete="resources",
)
