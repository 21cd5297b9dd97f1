"""Manifests: files become typed objects, and every complaint about one names its file, line and column.

All documents of all files are read before any is used, and all that is wrong is said at once. What the server
finds wrong later is mapped back to the same places (`Manifest.complaints`), so that nobody has to search for
`spec.containers[2]`.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from api import jsonform
from api.errors import Cause
from api.kinds import Kind
from cli.errors import CommandError, UsageError
from cli.flags import Flag, switch
from cli.positions import Document, Place, read

ENDINGS = (".yaml", ".yml", ".json")
FILENAME = Flag(
    "filename", "Files, directories or - for standard input that hold the manifests.", "f", "many"
)
RECURSIVE = switch("recursive", "With directories: also those inside.", "R")
VALIDATE = Flag(
    "validate", "Unknown fields: strict (also true) refuses, warn says so, ignore (also false) says nothing.",
    default="strict", bare="strict",
)  # fmt: skip
LENIENT = {"warn": "warn", "ignore": "ignore", "false": "ignore"}


class ManifestError(CommandError):
    """Something is wrong with the files; the message lists it all."""

    hopeless: Sequence[str] = ()  # complaints about what could not be read as an object
    drafts: Sequence["Manifest"] = ()  # what could, each with what is wrong with it


@dataclass(slots=True)
class Manifest:
    """One object that somebody wants, and where it is written."""

    kind: Kind
    object: Any  # the protobuf message
    plain: dict[str, Any]  # the same as JSON, as written
    source: str
    document: Document
    inside: str = ""  # the path of the object in its document: "items[2]" in a List
    causes: Sequence[Cause] = ()  # what is wrong with it, as far as can be seen without the server

    @property
    def name(self) -> str:
        return str(self.object.metadata.name)

    @property
    def namespace(self) -> str:
        return str(self.object.metadata.namespace)

    def settle_namespace(self, namespace: str, *, insist: bool) -> None:
        """Where it goes if it does not say itself. `insist`: the user named the namespace, so both must agree."""
        if not self.kind.namespaced:
            return
        if not self.namespace:
            self.object.metadata.namespace = namespace
            self.plain.setdefault("metadata", {})["namespace"] = namespace
        elif insist and self.namespace != namespace:
            raise CommandError(
                f'the namespace from the provided object "{self.namespace}" does not match the '
                f"namespace \"{namespace}\". You must pass '--namespace={self.namespace}' to perform this operation."
            )

    def complaint(self, cause: Cause) -> str:
        """`web.yaml:7:5: spec.containers[0].imagee: unknown field`."""
        return f"{_at(self.source, self.place(cause))}: {cause}"

    def complaints(self, causes: Sequence[Cause]) -> list[str]:
        """In the order of the file."""
        return [self.complaint(cause) for cause in sorted(causes, key=self.place)]

    def place(self, cause: Cause) -> Place:
        return self.document.place(_joined(self.inside, cause.field))


def _joined(inside: str, field: str) -> str:
    return f"{inside}.{field}" if inside and field else inside or field


def _at(source: str, place: Place) -> str:
    return f"{source}:{place.line}:{place.column}"


def from_flags(flags: Any) -> list[Manifest]:
    """What -f, -R and --validate ask for. Raises UsageError without any -f."""
    if not flags.many("filename"):
        raise UsageError("must specify -f: a file, a directory, or - for standard input")
    validate = (
        LENIENT.get(flags.text("validate"), "strict") if "validate" in flags.known else "strict"
    )
    return load(flags.many("filename"), recursive=flags.on("recursive"), validate=validate)


def load(
    paths: Sequence[str], *, recursive: bool = False, validate: str = "strict"
) -> list[Manifest]:
    """The objects of all files, in order. Raises ManifestError with everything that is wrong with any of them."""
    found: list[Manifest] = []
    hopeless: list[str] = []
    for source, text in _texts(paths, recursive):
        for manifest, complaints in parse(text, source, validate=validate):
            if manifest is None:
                hopeless += complaints
            else:
                found.append(manifest)
    if hopeless or any(manifest.causes for manifest in found):
        raise refusal(hopeless, found)
    if not found:
        raise ManifestError(f"no objects found in {', '.join(paths)}")
    return found


def refusal(hopeless: Sequence[str], drafts: Sequence[Manifest]) -> ManifestError:
    """All that is wrong, in the order of the files."""
    wrong = [*hopeless, *(line for draft in drafts for line in draft.complaints(draft.causes))]
    head = [] if len(wrong) == 1 else [f"{len(wrong)} problems, and nothing was done:"]
    error = ManifestError("\n".join([*head, *wrong]))
    error.hopeless, error.drafts = hopeless, drafts
    return error


def _texts(paths: Sequence[str], recursive: bool) -> Iterator[tuple[str, str]]:
    for path in paths:
        if path == "-":
            yield "stdin", sys.stdin.read()
        elif path.startswith(("http://", "https://")):
            raise CommandError(
                f"{path}: manifests are not fetched from the web; download it and name the file"
            )
        else:
            yield from _files(path, recursive)


def _files(path: str, recursive: bool) -> Iterator[tuple[str, str]]:
    if not os.path.exists(path):
        raise CommandError(f'the path "{path}" does not exist')
    names = [path] if not os.path.isdir(path) else sorted(_inside(path, recursive))
    if not names:
        raise CommandError(
            f"no manifests in {path}: no file there ends in {', '.join(ENDINGS)}"
            + ("" if recursive else " (-R looks into the directories inside, too)")
        )
    for name in names:
        try:
            with open(name, encoding="utf-8") as file:
                yield name, file.read()
        except UnicodeDecodeError as error:
            raise CommandError(
                f"{name} is not text in UTF-8: byte {error.start} is no part of any character"
            ) from None


def _inside(directory: str, recursive: bool) -> Iterator[str]:
    for folder, inner, names in os.walk(directory):
        yield from (os.path.join(folder, name) for name in names if name.endswith(ENDINGS))
        if not recursive:
            inner.clear()


Parsed = tuple[Manifest | None, list[str]]


def parse(text: str, source: str, *, validate: str = "strict") -> Iterator[Parsed]:
    """Each object of a file, with what is wrong with it; no object when it is too wrong to be one."""
    for document in read(text):
        if document.problems:
            yield None, [f"{_at(source, p.place)}: {p.message}" for p in document.problems]
        if document.value is None:
            continue
        if _is_list(document.value):
            for i, item in enumerate(document.value.get("items") or []):
                yield _typed(item, source, document, f"items[{i}]", validate)
        else:
            yield _typed(document.value, source, document, "", validate)


def _is_list(value: Any) -> bool:
    return (
        isinstance(value, dict) and str(value.get("kind", "")).endswith("List") and "items" in value
    )


def _typed(value: Any, source: str, document: Document, inside: str, validate: str) -> Parsed:
    kind, causes = jsonform.message_for(value)
    if kind is None:
        shell = Manifest(None, None, {}, source, document, inside)  # type: ignore[arg-type]
        return None, shell.complaints(causes)
    message, causes = jsonform.from_json(kind.message, value)
    manifest = Manifest(kind, message, value, source, document, inside)
    if not message.metadata.name and not message.metadata.generateName and not causes:
        causes = [
            Cause(
                "metadata.name",
                "Required value: name or generateName is required",
                "FieldValueRequired",
            )
        ]
    if validate != "strict":
        unknown = [cause for cause in causes if cause.reason == "UnknownField"]
        causes = [cause for cause in causes if cause.reason != "UnknownField"]
        if validate == "warn":
            for line in manifest.complaints(unknown):
                sys.stderr.write(f"Warning: {line}\n")
    manifest.causes = causes
    return manifest, manifest.complaints(causes)
