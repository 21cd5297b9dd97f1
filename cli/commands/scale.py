"""`helmling scale`: more pods or fewer, of whatever has replicas (S#65)."""

import json
from typing import Any

from api.client import PATCH_TYPES
from api.kinds import KINDS, Kind
from cli.command import Command, Session
from cli.errors import CommandError, UsageError
from cli.flags import Flag, duration
from cli.objects import ALL, WHICH, each, named
from cli.output.chosen import OUTPUT
from cli.watching import Deadline, states
from cli.writing import DRY_RUN, dry_run, tell

ANY = -1  # of --current-replicas: however many
FLAGS = (
    *WHICH,
    ALL,
    DRY_RUN,
    OUTPUT,
    Flag("replicas", "How many there should be. Required.", form="number"),
    Flag("current-replicas", "Only if there should be this many now; -1: however many.", form="number", default="-1"),
    Flag("resource-version", "Only if the object is still at this version."),
    duration("timeout", "How long to wait until there are that many; 0: do not wait.", "0s"),
)  # fmt: skip


def run(session: Session) -> int:
    flags = session.flags
    count, expected = flags.number("replicas"), flags.number("current-replicas")
    if count is None:
        raise UsageError('required flag(s) "replicas" not set')
    if count < 0:
        raise UsageError(
            "The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0"
        )
    if expected is None or expected < ANY:
        raise UsageError("The --current-replicas must specify an integer of -1 or greater")
    found = named(session, session.args)
    if len(found) > 1 and flags.given("resource-version"):
        raise UsageError("cannot use --resource-version with multiple resources")

    def act(kind: Kind, obj: Any) -> None:
        _scale(session, kind, obj, count)

    return each(session, found, act)


def _scale(session: Session, kind: Kind, obj: Any, count: int) -> None:
    meta, mode = obj.metadata, dry_run(session)
    if not kind.scale:
        raise CommandError(
            f"{kind.full_name} cannot be scaled: the server could not find the requested resource"
        )
    patch = {"spec": {"replicas": count}, "metadata": preconditions(session, obj)}
    if mode != "client":
        scale = session.server.patch(
            kind, meta.name, meta.namespace, json.dumps(patch).encode(), PATCH_TYPES["merge"],
            dry_run=mode == "server", subresource="scale",
        )  # fmt: skip
        meta.resourceVersion = scale.metadata.resourceVersion
    obj.spec.replicas = count
    tell(session, kind, obj, "scaled")
    limit = session.flags.seconds("timeout")
    if mode == "none" and limit:
        _wait(session, kind, obj, limit)


def preconditions(session: Session, obj: Any) -> dict[str, str]:
    """What the patch insists on. Raises CommandError when it is not so already."""
    expected, version = (
        session.flags.number("current-replicas"),
        session.flags.text("resource-version"),
    )
    if version and version != obj.metadata.resourceVersion:
        raise CommandError(
            f"Expected resource version to be {version}, was {obj.metadata.resourceVersion}"
        )
    if expected != ANY and expected != obj.spec.replicas:
        raise CommandError(f"Expected replicas to be {expected}, was {obj.spec.replicas}")
    held = version or expected != ANY
    return {"resourceVersion": obj.metadata.resourceVersion} if held else {}


def _wait(session: Session, kind: Kind, obj: Any, limit: float) -> None:
    """Until there are as many pods as asked for, ready or not. Raises CommandError when the time is over."""
    meta, count = obj.metadata, obj.spec.replicas
    for now in states(session.server, kind, meta.namespace, meta.name, Deadline(limit)):
        if now is None:
            raise CommandError("object has been deleted")
        seen = now.status.observedGeneration >= now.metadata.generation
        if now.spec.replicas != count or (seen and now.status.replicas == count):
            return  # there, or somebody wants another number by now
    raise CommandError("timed out waiting for the condition")


SCALE = Command(
    usage="scale --replicas=COUNT [--resource-version=VERSION] [--current-replicas=COUNT] "
    "(-f FILENAME | TYPE NAME | TYPE/NAME) [flags]",
    about="Set a new size for a Deployment, ReplicaSet or StatefulSet.\n\nWith --current-replicas or "
    "--resource-version it is scaled only if it still is as you think.",
    examples="""  # Three pods
  helmling scale --replicas=3 deployment/web

  # Three, if there are two
  helmling scale --current-replicas=2 --replicas=3 deployment/web

  # What a manifest names, and another one
  helmling scale --replicas=3 -f web.yaml
  helmling scale --replicas=5 deployment/web deployment/db""",
    run=run,
    flags=FLAGS,
    complete="resources",
    kinds=tuple(kind.name for kind in KINDS if kind.scale),
)
