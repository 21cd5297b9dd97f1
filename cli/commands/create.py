"""`helmling create -f FILE` and `helmling create namespace NAME`: what must not exist yet."""

from typing import Any

from api import kinds
from api.errors import ApiError
from api.kinds import Kind
from cli.command import Command, Session
from cli.errors import UsageError, did_you_mean
from cli.flags import Flag, switch
from cli.manifests import FILENAME, RECURSIVE, VALIDATE, Manifest
from cli.output.chosen import OUTPUT
from cli.writing import DRY_RUN, check_all, dry_run, each, read, tell

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
FLAGS = (
    FILENAME,
    RECURSIVE,
    VALIDATE,
    DRY_RUN,
    OUTPUT,
    switch(
        "save-config", "Remember the manifest in the object, so that apply can change it later."
    ),
    Flag("field-manager", "Kept for kubectl's sake."),
)
SUBCOMMANDS = ("namespace", "ns")


def run(session: Session) -> int | None:
    if session.args:
        return _subcommand(session)
    manifests = read(session, lambda m, others: attempt(session, m, others))
    mode = dry_run(session)
    if session.flags.on("save-config"):
        for manifest in manifests:
            remember(manifest)
    if mode == "client":
        for manifest in manifests:
            tell(session, manifest.kind, manifest.object, "created")
        return 0
    check_all(session, manifests, lambda manifest: attempt(session, manifest, manifests))
    return each(session, manifests, lambda manifest: _create(session, manifest, mode))


def _create(session: Session, manifest: Manifest, mode: str) -> None:
    made = session.server.create(
        manifest.kind, manifest.object, manifest.namespace, dry_run=mode == "server"
    )
    tell(session, manifest.kind, made, "created")


def attempt(session: Session, manifest: Manifest, others: list[Manifest]) -> None:
    """A dry run of the creation. An object whose namespace is created with it is tried in "default" instead.

    An object with a generated name is tried, too: the name it gets in the dry run is not the one it gets later.
    """
    kind, obj = manifest.kind, manifest.object
    try:
        session.server.create(kind, obj, manifest.namespace, dry_run=True)
    except ApiError:
        if not _comes_along(manifest, others):
            raise
        copy = kind.message()
        copy.CopyFrom(obj)
        copy.metadata.namespace = "default"
        copy.metadata.name, copy.metadata.generateName = "", f"{obj.metadata.name}-"[:40]
        session.server.create(kind, copy, "default", dry_run=True)


def _comes_along(manifest: Manifest, others: list[Manifest]) -> bool:
    """Whether the namespace of the object is among the manifests."""
    made = {other.name for other in others if other.kind.name == "Namespace"}
    return manifest.kind.namespaced and manifest.namespace in made


def remember(manifest: Manifest) -> None:
    """Puts the manifest as it is written into the annotation that the next apply compares with."""
    manifest.object.metadata.annotations[LAST_APPLIED] = as_applied(manifest.plain)


def as_applied(plain: dict[str, Any]) -> str:
    """The manifest as kubectl keeps it: without the annotation itself, on one line."""
    import json

    metadata = dict(plain.get("metadata") or {})
    annotations = {
        k: v for k, v in (metadata.get("annotations") or {}).items() if k != LAST_APPLIED
    }
    metadata["annotations"] = annotations
    return json.dumps(plain | {"metadata": metadata}, separators=(",", ":"), sort_keys=True) + "\n"


def _subcommand(session: Session) -> int | None:
    word, *names = session.args
    if word not in SUBCOMMANDS:
        raise UsageError(
            f'helmling create makes a "namespace" by name{did_you_mean(word, list(SUBCOMMANDS))} '
            f"Everything else comes from a file: helmling create -f FILE"
        )
    if len(names) != 1:
        raise UsageError(f"exactly one NAME is required, received {len(names)}")
    kind = kinds.find("namespace")
    assert kind is not None
    obj = kind.message(apiVersion=kind.api_version, kind=kind.name)
    obj.metadata.name = names[0]
    return create_one(session, kind, obj, "")


def create_one(session: Session, kind: Kind, obj: Any, namespace: str) -> int:
    mode = dry_run(session)
    if mode != "client":
        obj = session.server.create(kind, obj, namespace, dry_run=mode == "server")
    tell(session, kind, obj, "created")
    return 0


CREATE = Command(
    usage="create -f FILENAME | create namespace NAME [flags]",
    about="Create a resource from a file or from stdin.\n\nJSON and YAML formats are accepted. All objects "
    "of all files "
    "are checked before the first is created.",
    examples="""  # Create a pod from a manifest
  helmling create -f pod.yaml

  # Create what another program writes
  cat pod.yaml | helmling create -f -

  # Create a namespace
  helmling create namespace shop

  # Show the manifest of a namespace without creating it
  helmling create namespace shop --dry-run=client -o yaml""",
    run=run,
    flags=FLAGS,
)
