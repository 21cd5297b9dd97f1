"""`helmling rollout`: how a change gets on, what was before it, and back again (S#69, S#73, S#75, S#107).

Of Deployments, DaemonSets and StatefulSets; only a Deployment can be paused.
"""

import json
import sys
from collections.abc import Container
from datetime import UTC
from typing import Any

from api import clock, kinds
from api.client import PATCH_TYPES
from api.kinds import Kind
from api.selectors import labels_from
from cli import subcommands
from cli.command import Command, Session
from cli.describe.workloads import controlled_by
from cli.errors import CommandError
from cli.flags import Flag, duration, switch
from cli.objects import WHICH, each, named
from cli.output.chosen import OUTPUT
from cli.resources import qualified
from cli.rollout import history as past
from cli.rollout.progress import STANDINGS, standing
from cli.subcommands import Action
from cli.watching import Deadline, states
from cli.writing import DRY_RUN, dry_run, patched, tell

RESTARTED = "kubectl.kubernetes.io/restartedAt"
Told = str  # what has been done to the object


def _only(kinds_allowed: Container[str], kind: Kind, refusal: str) -> None:
    if kind.name not in kinds_allowed:
        raise CommandError(refusal)


def _past(session: Session, obj: Any) -> past.Revisions:
    """The revisions of an object, from whatever keeps them."""
    keeper = kinds.find(past.KEEPERS[obj.kind])
    assert keeper is not None
    labels = str(labels_from(obj.spec.selector))
    listed, _ = session.server.list(keeper, obj.metadata.namespace, labels=labels)
    return past.revisions(controlled_by(obj, listed))


def status(session: Session) -> int:
    deadline = Deadline(session.flags.seconds("timeout"))

    def follow(kind: Kind, obj: Any) -> None:
        _only(STANDINGS, kind, f"no status viewer has been implemented for {kind.name}")
        _follow(session, kind, obj, deadline)

    return each(session, named(session, session.args, whole_kinds=True), follow)


def _follow(session: Session, kind: Kind, obj: Any, deadline: Deadline) -> None:
    """A line for each step, until it is done. Raises CommandError when it will not be."""
    said = ""
    meta, revision = obj.metadata, session.flags.number("revision") or 0
    for now in states(session.server, kind, meta.namespace, meta.name, deadline):
        if now is None or now.metadata.uid != meta.uid:
            raise CommandError("object has been deleted")
        sentence, done = standing(now, revision)
        if sentence != said:
            session.say(sentence)
            sys.stdout.flush()  # who follows a pipe wants to see it now
        said = sentence
        if done or not session.flags.on("watch"):
            return
    raise CommandError("timed out waiting for the condition")


def history(session: Session) -> int:
    def show(kind: Kind, obj: Any) -> None:
        _only(past.KEEPERS, kind, f'no history viewer has been implemented for "{kind.name}"')
        _show(session, kind, obj, _past(session, obj))

    number = session.flags.number("revision") or 0
    if number < 0:
        raise CommandError(f"revision must be a positive integer: {number}")
    return each(session, named(session, session.args, whole_kinds=True), show)


def _show(session: Session, kind: Kind, obj: Any, known: past.Revisions) -> None:
    title, number = qualified(kind, obj.metadata.name), session.flags.number("revision") or 0
    if not number:
        lines = [title, *past.overview(known)]
    elif number not in known:
        raise CommandError("unable to find the specified revision")
    elif session.flags.text("output"):
        shown = past.as_object(obj, known[number])
        return tell(session, kinds.of(shown), shown, "")
    else:
        lines = [f"{title} with revision #{number}", *past.details(known[number])]
    for line in lines:
        session.say(line)
    return None


def undo(session: Session) -> int:
    def back(kind: Kind, obj: Any) -> None:
        _only(past.KEEPERS, kind, f'no rollbacker has been implemented for "{kind.name}"')
        _go_back(session, kind, obj)

    return each(session, named(session, session.args), back)


def _go_back(session: Session, kind: Kind, obj: Any) -> None:
    name, number = obj.metadata.name, session.flags.number("to-revision") or 0
    if _is_paused(obj):
        raise CommandError(
            "you cannot rollback a paused deployment; resume it first with "
            f"'helmling rollout resume deployment/{name}' and try again"
        )
    target = past.chosen(obj, _past(session, obj), number)
    if past.is_present(obj, target):
        done = f"skipped rollback (current template already matches revision {number})"
        return tell(session, kind, obj, done)
    if dry_run(session) == "client":
        shown = "\n".join(past.details(target))
        return tell(session, kind, obj, f"{shown}\n")
    after = session.server.patch(
        kind, name, obj.metadata.namespace, json.dumps(past.going_back(obj, target)).encode(),
        PATCH_TYPES["json"], dry_run=dry_run(session) == "server",
    )  # fmt: skip
    return tell(session, kind, after, "rolled back")


def _is_paused(obj: Any) -> bool:
    return bool(getattr(obj.spec, "paused", False))


def pause(session: Session) -> int:
    return _switched(session, "pausing", "paused", paused=True)


def resume(session: Session) -> int:
    return _switched(session, "resuming", "resumed", paused=False)


def _switched(session: Session, doing: str, done: str, *, paused: bool) -> int:
    def act(kind: Kind, obj: Any) -> None:
        which = f'{kind.full_name} "{obj.metadata.name}"'
        _only(("Deployment",), kind, f"{which} {doing} is not supported")
        if obj.spec.paused == paused:
            raise CommandError(f"{which} is {'already' if paused else 'not'} paused")
        tell(session, kind, patched(session, kind, obj, {"spec": {"paused": paused}}), done)

    return each(session, named(session, session.args), act)


def restart(session: Session) -> int:
    """A change of the template that changes nothing but makes all pods anew."""
    now = clock.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    template = {"metadata": {"annotations": {RESTARTED: now}}}

    def act(kind: Kind, obj: Any) -> None:
        which = f'{kind.full_name} "{obj.metadata.name}"'
        _only(past.KEEPERS, kind, f"{which} restarting is not supported")
        if _is_paused(obj):
            raise CommandError(
                f"{which} can't restart paused deployment (run rollout resume first)"
            )
        if obj.spec.template.metadata.annotations.get(RESTARTED) == now:
            raise CommandError(
                f"{which} if restart has already been triggered within the past second, "
                "please wait before attempting to trigger another"
            )
        tell(
            session,
            kind,
            patched(session, kind, obj, {"spec": {"template": template}}),
            "restarted",
        )

    return each(session, named(session, session.args, whole_kinds=True), act)


WATCH = switch("watch", "Wait for the end of the rollout.", "w", default=True)
TIMEOUT = duration("timeout", "How long to wait: 30s, 5m; 0 is without end.", "0s")
REVISION = Flag("revision", "Only this revision; 0 is whichever there is.", form="number", default="0")  # fmt: skip
TO_REVISION = Flag("to-revision", "Which to go back to; 0 is the one before.", form="number", default="0")  # fmt: skip
CHANGES = (*WHICH, DRY_RUN, OUTPUT)
ACTIONS = {
    "history": Action(history, (*WHICH, REVISION, OUTPUT)),
    "pause": Action(pause, CHANGES),
    "restart": Action(restart, CHANGES),
    "resume": Action(resume, CHANGES),
    "status": Action(status, (*WHICH, REVISION, TIMEOUT, WATCH)),
    "undo": Action(undo, (*CHANGES, TO_REVISION)),
}
ROLLOUT = Command(
    usage="rollout (history | pause | restart | resume | status | undo) (TYPE NAME | TYPE/NAME | -f FILENAME) [flags]",
    about="Manage the rollout of a Deployment, DaemonSet or StatefulSet.\n\nEach change of its template is a "
    "revision. `status` follows the present one and exits with 1 when it got stuck.",
    examples="""  # Follow a rollout, for at most a minute
  helmling rollout status deployment/web --timeout=60s

  # What has been rolled out, and what one of the revisions was
  helmling rollout history deployment/web
  helmling rollout history deployment/web --revision=2

  # Back to the revision before, or to a certain one
  helmling rollout undo deployment/web
  helmling rollout undo deployment/web --to-revision=2

  # Several changes, one rollout
  helmling rollout pause deployment/web
  helmling rollout resume deployment/web

  # Make all pods anew
  helmling rollout restart deployment/web""",
    run=lambda session: subcommands.run(session, "rollout", ACTIONS),
    flags=subcommands.all_flags(ACTIONS),
    actions=tuple(ACTIONS),
    complete="resources",
    kinds=tuple(past.KEEPERS),
)
