"""`helmling replace -f FILE`: the whole object as the file has it."""

from typing import Any

from cli.command import Command, Session
from cli.commands.create import attempt as try_create
from cli.commands.create import remember
from cli.errors import CommandError
from cli.flags import Flag, switch
from cli.manifests import FILENAME, RECURSIVE, VALIDATE, Manifest
from cli.output.chosen import OUTPUT
from cli.watching import Deadline, gone
from cli.writing import DRY_RUN, check_all, dry_run, each, read, tell
from proto.v1.meta_pb2 import DeleteOptions

FLAGS = (
    FILENAME,
    RECURSIVE,
    VALIDATE,
    DRY_RUN,
    OUTPUT,
    switch("force", "Delete the object and create it anew: for what cannot be changed in place."),
    Flag("grace-period", "With --force: seconds to end in; -1: as it wishes.", form="number", default="-1"),
    switch("save-config", "Remember the manifest in the object, so that apply can change it later."),
)  # fmt: skip


def run(session: Session) -> int | None:
    manifests = read(session, lambda m, _: _update(session, m, "server"))
    mode = dry_run(session)
    for manifest in manifests:
        if not manifest.name:
            raise CommandError(f"{manifest.source}: replace needs metadata.name, not generateName")
        if session.flags.on("save-config"):
            remember(manifest)
    if session.flags.on("force") and mode == "none":
        check_all(session, manifests, lambda m: _try_anew(session, m, manifests))
        return each(session, manifests, lambda m: _anew(session, m))
    if mode == "none":
        check_all(session, manifests, lambda m: _update(session, m, "server"))
    return each(session, manifests, lambda m: _replace(session, m, mode))


def _update(session: Session, manifest: Manifest, mode: str) -> Any:
    if mode == "client":
        return session.server.get(manifest.kind, manifest.name, manifest.namespace)
    return session.server.update(
        manifest.kind, manifest.object, manifest.namespace, dry_run=mode == "server"
    )


def _replace(session: Session, manifest: Manifest, mode: str) -> None:
    tell(session, manifest.kind, _update(session, manifest, mode), "replaced")


def _try_anew(session: Session, manifest: Manifest, others: list[Manifest]) -> None:
    """The old object is still there, so the new one is tried under another name."""
    copy = manifest.kind.message()
    copy.CopyFrom(manifest.object)
    copy.metadata.name, copy.metadata.generateName = "", f"{manifest.name}-"[:40]
    copy.metadata.resourceVersion = copy.metadata.uid = ""
    shadow = Manifest(
        manifest.kind, copy, manifest.plain, manifest.source, manifest.document, manifest.inside
    )
    try_create(session, shadow, others)


def _anew(session: Session, manifest: Manifest) -> None:
    from api.errors import NotFound

    kind, server = manifest.kind, session.server
    grace = session.flags.number("grace-period")
    options = DeleteOptions(propagationPolicy="Background")
    if grace is not None and grace >= 0:
        options.gracePeriodSeconds = grace
    try:
        old = server.delete(kind, manifest.name, manifest.namespace, options)
        session.say(f'{kind.singular} "{manifest.name}" deleted')
        gone(server, kind, manifest.namespace, manifest.name, old.metadata.uid, Deadline(0))
    except NotFound:
        pass
    manifest.object.metadata.resourceVersion = manifest.object.metadata.uid = ""
    tell(session, kind, server.create(kind, manifest.object, manifest.namespace), "replaced")


REPLACE = Command(
    usage="replace -f FILENAME [flags]",
    about="Replace a resource by file name or stdin.\n\nThe file must hold the complete object. Fields that "
    "it leaves out are "
    "unset. With a resourceVersion in it, the replacement succeeds only if nobody else has changed the object since.",
    examples="""  # Replace a pod's labels, say, by those of the file
  helmling get pod web -o yaml > web.yaml
  helmling replace -f web.yaml

  # Delete and create anew
  helmling replace --force -f web.yaml""",
    run=run,
    flags=FLAGS,
)
