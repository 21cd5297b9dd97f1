"""`helmling create -f FILE`, `create namespace NAME`, `create deployment NAME --image=…`: what must not exist yet."""

from collections.abc import Callable
from typing import Any

from api import jsonform, kinds
from api.errors import ApiError, Invalid
from api.kinds import Kind
from cli import generate
from cli.command import Command, Session
from cli.errors import UsageError, did_you_mean
from cli.flags import Flag, switch
from cli.manifests import FILENAME, RECURSIVE, VALIDATE, Manifest
from cli.output.chosen import OUTPUT
from cli.subcommands import refuse_others
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
OF_DEPLOYMENTS = (
    Flag("image", "With deployment: the image to run; several make several containers.", form="many"),
    Flag("replicas", "With deployment: how many pods.", "r", form="number", default="1"),
    Flag("port", "With deployment: the port that the containers expose.", form="number"),
)  # fmt: skip
ALL_FLAGS = (*FLAGS, *OF_DEPLOYMENTS)


def run(session: Session) -> int | None:
    if session.args:
        return _subcommand(session)
    refuse_others(session, FLAGS, ALL_FLAGS)
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
    make = MAKERS.get(word)
    if make is None:
        known = [word for word in MAKERS if len(word) > LONGEST_SHORT]
        raise UsageError(
            f"helmling create makes these by name: {', '.join(known)}{did_you_mean(word, list(MAKERS))} "
            f"Everything else comes from a file: helmling create -f FILE"
        )
    if len(names) != 1:
        raise UsageError(f"exactly one NAME is required, received {len(names)}")
    return make(session, names[0])


def _namespace(session: Session, name: str) -> int:
    refuse_others(session, FLAGS, ALL_FLAGS)
    kind = kinds.find("namespace")
    assert kind is not None
    obj = kind.message(apiVersion=kind.api_version, kind=kind.name)
    obj.metadata.name = name
    return create_one(session, kind, obj, "")


def _deployment(session: Session, name: str) -> int:
    flags, command = session.flags, session.flags.after_dash or []
    images = [image for text in flags.many("image") for image in text.split(",") if image]
    if not images:
        raise UsageError('required flag(s) "image" not set')
    if len(images) > 1 and command:
        raise UsageError("cannot specify multiple --image options and command")
    replicas, port = flags.number("replicas"), flags.number("port")
    if replicas is None or replicas < 0:
        raise UsageError("--replicas must be a number that is not negative")
    kind = kinds.find("deployment")
    assert kind is not None
    plain = generate.deployment(name, images, replicas=replicas, port=port, command=command)
    plain["metadata"]["namespace"] = session.namespace
    obj, causes = jsonform.from_json(kind.message, plain)
    if causes:
        raise Invalid.because(kind.name, name, causes)
    return create_one(session, kind, obj, session.namespace)


LONGEST_SHORT = len("deploy")
MAKERS: dict[str, Callable[[Session, str], int]] = {
    "namespace": _namespace,
    "ns": _namespace,
    "deployment": _deployment,
    "deploy": _deployment,
}


def create_one(session: Session, kind: Kind, obj: Any, namespace: str) -> int:
    mode = dry_run(session)
    if mode != "client":
        obj = session.server.create(kind, obj, namespace, dry_run=mode == "server")
    tell(session, kind, obj, "created")
    return 0


CREATE = Command(
    usage="create (-f FILENAME | namespace NAME | deployment NAME --image=IMAGE [-- COMMAND]) [flags]",
    about="Create a resource from a file or from stdin.\n\nJSON and YAML formats are accepted. All objects "
    "of all files "
    "are checked before the first is created.",
    examples="""  # Create a pod from a manifest
  helmling create -f pod.yaml

  # Create what another program writes
  cat pod.yaml | helmling create -f -

  # Create a namespace
  helmling create namespace shop

  # Create a deployment of three pods
  helmling create deployment web --image=helmling/hello:v1 --replicas=3 --port=80

  # Show the manifest of a namespace without creating it
  helmling create namespace shop --dry-run=client -o yaml""",
    run=run,
    flags=ALL_FLAGS,
)
