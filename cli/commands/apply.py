"""`helmling apply`: make the cluster look like the files.

A three-way merge. The manifest as it was applied last is kept in an annotation of the object; what was in it then
and is not in the file now is removed, what the file says is set, and everything else (defaults, status, other
people's labels) stays. https://kubernetes.io/docs/tasks/manage-kubernetes-objects/declarative-config/
"""

import json
from dataclasses import dataclass
from typing import Any

from api.client import PATCH_TYPES
from api.errors import Conflict, NotFound
from api.jsonform import to_json
from api.patch import three_way
from cli.command import Command, Session
from cli.commands.create import LAST_APPLIED, as_applied, attempt, remember
from cli.errors import CommandError, UsageError
from cli.flags import Flag, switch
from cli.manifests import FILENAME, RECURSIVE, VALIDATE, Manifest
from cli.output.chosen import OUTPUT
from cli.resources import qualified
from cli.writing import DRY_RUN, check_all, dry_run, each, read, tell

TRIES = 5  # somebody else may write between our read and our patch
FLAGS = (
    FILENAME,
    RECURSIVE,
    VALIDATE,
    DRY_RUN,
    OUTPUT,
    switch("overwrite", "Kept for kubectl's sake: the file always wins over what others changed.", default=True),
    switch("prune", "Not supported: delete what you do not want any more."),
    switch("server-side", "Not supported: the merge is made here."),
    switch("wait", "Kept for kubectl's sake: see helmling wait."),
    Flag("field-manager", "Kept for kubectl's sake."),
)  # fmt: skip
MISSING = (
    "Warning: resource {} is missing the kubectl.kubernetes.io/last-applied-configuration annotation "
    "which is required by "
    "helmling apply. helmling apply should only be used on resources created declaratively by either helmling create "
    "--save-config or helmling apply. The missing annotation will be patched automatically."
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do about one manifest."""

    live: Any  # None: create it
    patch: dict[str, Any]  # empty: nothing to change


def run(session: Session) -> int | None:
    for name in ("prune", "server-side"):
        if session.flags.on(name):
            raise UsageError(f"--{name} is not supported")
    if session.args:
        raise UsageError(f"Unexpected args: {session.args}; name files with -f")
    manifests = read(session, lambda m, others: _try(session, m, others))
    for manifest in manifests:
        if not manifest.name:
            raise CommandError(f"{manifest.source}: cannot use generateName with apply: use create")
    mode = dry_run(session)
    if mode != "client":
        check_all(session, manifests, lambda m: _try(session, m, manifests))
    return each(session, manifests, lambda m: _apply(session, m, manifests, mode))


def plan(session: Session, manifest: Manifest) -> Plan:
    """Compares the file with the server. Reads only."""
    try:
        live = session.server.get(manifest.kind, manifest.name, manifest.namespace)
    except NotFound:
        return Plan(None, {})
    return Plan(live, merge(manifest, live))


def merge(manifest: Manifest, live: Any) -> dict[str, Any]:
    """The strategic merge patch that takes `live` to the manifest."""
    annotation = as_applied(manifest.plain)
    wanted = json.loads(annotation)
    wanted["metadata"]["annotations"][LAST_APPLIED] = annotation
    kept = live.metadata.annotations.get(LAST_APPLIED, "")
    try:
        before = json.loads(kept) if kept else {}
    except json.JSONDecodeError:
        before = {}
    patch: dict[str, Any] = three_way(before, wanted, to_json(live), manifest.kind.message)
    return patch


def _try(session: Session, manifest: Manifest, others: list[Manifest]) -> None:
    """The whole way to the store and back, without storing anything."""
    planned = plan(session, manifest)
    if planned.live is None:
        attempt(session, manifest, others)
    elif planned.patch:
        _send(session, manifest, planned.patch, dry=True)


def _apply(session: Session, manifest: Manifest, others: list[Manifest], mode: str) -> None:
    for left in reversed(range(TRIES)):
        try:
            return _apply_once(session, manifest, others, mode)
        except Conflict:
            if left == 0:
                raise
    return None


def _apply_once(session: Session, manifest: Manifest, others: list[Manifest], mode: str) -> None:
    planned = plan(session, manifest)
    if planned.live is None:
        return tell(session, manifest.kind, _create(session, manifest, mode), "created")
    if LAST_APPLIED not in planned.live.metadata.annotations:
        session.warn(MISSING.format(qualified(manifest.kind, manifest.name)))
    if not planned.patch:
        return tell(session, manifest.kind, planned.live, "unchanged")
    if mode == "client":
        return tell(session, manifest.kind, planned.live, "configured")
    after = _send(session, manifest, planned.patch, dry=mode == "server")
    same = (
        mode == "none" and after.metadata.resourceVersion == planned.live.metadata.resourceVersion
    )
    return tell(session, manifest.kind, after, "unchanged" if same else "configured")


def _create(session: Session, manifest: Manifest, mode: str) -> Any:
    remember(manifest)
    if mode == "client":
        return manifest.object
    if mode == "server":
        # Tried already; an object whose namespace comes along cannot be created in it before that exists.
        return manifest.object
    return session.server.create(manifest.kind, manifest.object, manifest.namespace)


def _send(session: Session, manifest: Manifest, patch: dict[str, Any], *, dry: bool) -> Any:
    return session.server.patch(
        manifest.kind,
        manifest.name,
        manifest.namespace,
        json.dumps(patch).encode(),
        PATCH_TYPES["strategic"],
        dry_run=dry,
    )


APPLY = Command(
    usage="apply -f FILENAME [flags]",
    about="Apply a configuration to a resource by file name or stdin.\n\nThe resource is created if it does "
    "not exist yet. All "
    "objects of all files are checked by the server first: if one is refused, nothing is applied.",
    examples="""  # Apply a manifest
  helmling apply -f pod.yaml

  # Apply all manifests of a directory, and of those inside
  helmling apply -R -f manifests/

  # Apply what another program writes
  cat pod.yaml | helmling apply -f -

  # Only ask the server what would happen
  helmling apply -f pod.yaml --dry-run=server""",
    run=run,
    flags=FLAGS,
)
