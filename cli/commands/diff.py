"""`helmling diff -f FILE`: what apply would change. Exit code 0: nothing; 1: something; more: it went wrong."""

import os
import sys
import tempfile
from typing import Any

from api.client import PATCH_TYPES
from api.errors import ApiError, NotFound
from api.jsonform import to_json
from cli.command import Command, Session
from cli.commands.apply import plan
from cli.commands.create import LAST_APPLIED, comes_along, remember, without_company
from cli.errors import CommandError, Exit
from cli.manifests import FILENAME, RECURSIVE, Manifest, from_flags
from cli.output.yamlform import dump
from cli.writing import in_its_file, settle

DIFFERENT, FAILED = 1, 2


def run(session: Session) -> int | None:
    try:
        manifests = from_flags(session.flags)
        settle(session, manifests)
        pairs = [(manifest, *_both(session, manifest, manifests)) for manifest in manifests]
    except CommandError as error:
        error.code = FAILED
        raise
    external = os.environ.get("KUBECTL_EXTERNAL_DIFF", "").split()
    return _external(external, pairs) if external else _unified(pairs)


def _both(session: Session, manifest: Manifest, others: list[Manifest]) -> tuple[str, str]:
    """The object as it is and as it would be, as YAML."""
    try:
        live, merged = _live_and_merged(session, manifest, others)
    except ApiError as error:
        session.warn(in_its_file(manifest, error))
        raise Exit(FAILED) from None
    before, after = _plain(live), _plain(merged)
    if manifest.kind.name == "Secret":
        _mask(before, after)
    return dump(before) if before else "", dump(after)


def _live_and_merged(
    session: Session, manifest: Manifest, others: list[Manifest]
) -> tuple[Any, Any]:
    planned = plan(session, manifest)
    kind, name, namespace = manifest.kind, manifest.name, manifest.namespace
    if planned.live is None:
        remember(manifest)
        return None, _new(session, manifest, others)
    if not planned.patch:
        return planned.live, planned.live
    import json

    patch = json.dumps(planned.patch).encode()
    media = PATCH_TYPES["strategic"]
    return planned.live, session.server.patch(kind, name, namespace, patch, media, dry_run=True)


def _new(session: Session, manifest: Manifest, others: list[Manifest]) -> Any:
    """As the server would make it; as the file has it, if what it needs is made with it and not there yet."""
    obj = without_company(manifest, others)
    try:
        made = session.server.create(manifest.kind, obj, manifest.namespace, dry_run=True)
    except NotFound:
        if not comes_along(manifest, others):
            raise
        return manifest.object
    if obj is not manifest.object:
        made.spec.serviceAccountName = made.spec.serviceAccount = (
            manifest.object.spec.serviceAccountName
        )
    return made


def _mask(before: dict[str, Any], after: dict[str, Any]) -> None:
    """That a Secret's value changes may be shown, what it is may not."""
    for plain in (before, after):  # of one that is shown as its file has it
        if "stringData" in plain:
            plain["stringData"] = dict.fromkeys(plain["stringData"], "***")
    old, new = before.get("data", {}), after.get("data", {})
    for key in old.keys() | new.keys():
        same = old.get(key) == new.get(key)
        both = key in old and key in new
        if key in old:
            old[key] = "***" if same or not both else "*** (before)"
        if key in new:
            new[key] = "***" if same or not both else "*** (after)"


def _plain(obj: Any) -> dict[str, Any]:
    """Without what changes with every write and says nothing."""
    if obj is None:
        return {}
    plain = to_json(obj)
    metadata = plain["metadata"]
    metadata.pop("resourceVersion", None)
    annotations = metadata.get("annotations", {})
    annotations.pop(LAST_APPLIED, None)
    if not annotations:
        metadata.pop("annotations", None)
    return plain


Pair = tuple[Manifest, str, str]


def _file_name(manifest: Manifest) -> str:
    version = manifest.kind.api_version.replace("/", ".")
    return ".".join(
        part for part in (version, manifest.kind.name, manifest.namespace, manifest.name) if part
    )


def _unified(pairs: list[Pair]) -> int:
    from difflib import unified_diff

    code = 0
    for manifest, live, merged in pairs:
        name = _file_name(manifest)
        lines = list(
            unified_diff(
                live.splitlines(),
                merged.splitlines(),
                f"LIVE/{name}",
                f"MERGED/{name}",
                lineterm="",
            )
        )
        if lines:
            sys.stdout.write(f"diff -u -N LIVE/{name} MERGED/{name}\n" + "\n".join(lines) + "\n")
            code = DIFFERENT
    return code


def _external(program: list[str], pairs: list[Pair]) -> int:
    """The program gets two directories; its exit code is ours, as with kubectl."""
    import subprocess

    with tempfile.TemporaryDirectory() as place:
        for folder, part in (("LIVE", 1), ("MERGED", 2)):
            os.mkdir(f"{place}/{folder}")
            for pair in pairs:
                with open(f"{place}/{folder}/{_file_name(pair[0])}", "w", encoding="utf-8") as file:
                    file.write(str(pair[part]))
        sys.stdout.flush()
        try:
            done = subprocess.run([*program, f"{place}/LIVE", f"{place}/MERGED"], check=False)
        except FileNotFoundError:
            raise CommandError(
                f'the program "{program[0]}" in KUBECTL_EXTERNAL_DIFF was not found', code=FAILED
            ) from None
        return done.returncode


DIFF = Command(
    usage="diff -f FILENAME",
    about="Diff configurations specified by file name or stdin between the current online configuration, and "
    "the configuration "
    "as it would be if applied.\n\nExit status: 0 no differences were found, 1 differences were found, "
    "2 or more: an error. "
    "KUBECTL_EXTERNAL_DIFF names another program to compare with.",
    examples="""  # What would apply change?
  helmling diff -f pod.yaml

  # The same, side by side
  KUBECTL_EXTERNAL_DIFF="diff -y" helmling diff -f pod.yaml""",
    run=run,
    tidies_up=True,
    flags=(FILENAME, RECURSIVE),
)
