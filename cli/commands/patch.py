"""`helmling patch`: a few fields of an object, changed on the server in one step."""

import json
from typing import Any

from api.client import PATCH_TYPES
from cli.command import Command, Session
from cli.errors import CommandError, UsageError, did_you_mean
from cli.flags import Flag
from cli.output.chosen import OUTPUT
from cli.resources import one, scope
from cli.writing import DRY_RUN, dry_run, tell

SUBRESOURCES = ("status", "scale")
FLAGS = (
    Flag("patch", "The patch, as JSON or YAML.", "p"),
    Flag("patch-file", "A file that holds the patch."),
    Flag("type", "The kind of patch: json, merge or strategic.", default="strategic"),
    Flag("subresource", f"The part to patch: {', '.join(SUBRESOURCES)}."),
    DRY_RUN,
    OUTPUT,
)


def run(session: Session) -> int | None:
    kind, name = one(session)
    media = PATCH_TYPES.get(session.flags.text("type"))  # type: ignore[call-overload]
    if media is None:
        word = session.flags.text("type")
        raise UsageError(
            f"--type must be one of [json merge strategic], not {word!r}{did_you_mean(word, list(PATCH_TYPES))}"
        )
    subresource = session.flags.text("subresource")
    if subresource and subresource not in SUBRESOURCES:
        raise UsageError(
            f"invalid subresource value: {subresource!r}. Must be one of {list(SUBRESOURCES)}"
        )
    patch = _patch(session)
    namespace = scope(session, kind)
    mode = dry_run(session)
    before = session.server.get(kind, name, namespace, subresource)
    after = session.server.patch(
        kind,
        name,
        namespace,
        json.dumps(patch).encode(),
        media,
        dry_run=mode != "none",
        subresource=subresource,
    )
    changed = _without_version(before) != _without_version(after)
    tell(session, kind, after, "patched" if changed else "patched (no change)")
    return 0


def _without_version(obj: Any) -> Any:
    copy = type(obj)()
    copy.CopyFrom(obj)
    copy.metadata.resourceVersion = ""
    return copy


def _patch(session: Session) -> Any:
    """JSON or YAML, from the command line or a file."""
    text, path = session.flags.text("patch"), session.flags.text("patch-file")
    if bool(text) == bool(path):
        raise UsageError(
            "must specify either -p/--patch or --patch-file to patch, and only one of them"
        )
    source = "-p"
    if path:
        source = path
        with open(path, encoding="utf-8") as file:
            text = file.read()
    from cli.positions import read

    documents = list(read(text))
    for document in documents:
        for problem in document.problems:
            raise CommandError(
                f"unable to parse the patch: {source}:{problem.place.line}:{problem.place.column}: {problem.message}"
            )
    if len(documents) != 1 or not isinstance(documents[0].value, dict | list):
        raise CommandError(
            'the patch must be a mapping like {"metadata": …}, or for --type=json a list of operations'
        )
    return documents[0].value


PATCH = Command(
    usage="patch (TYPE NAME | TYPE/NAME) (-p PATCH | --patch-file FILE) [flags]",
    about="Update fields of a resource using strategic merge patch, a JSON merge patch, or a JSON patch.\n\n"
    "strategic merges lists by their keys (containers by name), merge replaces lists, json is a list of operations.",
    examples="""  # Change a container's image; the container is found by its name
  helmling patch pod web -p '{"spec":{"containers":[{"name":"web","image":"helmling/hello:v2"}]}}'

  # Add a label with a JSON patch
  helmling patch pod web --type=json -p '[{"op":"add","path":"/metadata/labels/tier","value":"front"}]'

  # Cordon a node
  helmling patch node n1 -p 'spec: {unschedulable: true}'""",
    run=run,
    flags=FLAGS,
    complete="resources",
)
