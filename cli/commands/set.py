"""`helmling set image|env|resources|serviceaccount|subject`: what changes most often, without an editor or a patch."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from cli import envsources, podtemplate, rights, subcommands, subjects
from cli.command import Command, Session
from cli.commands.label import split
from cli.errors import CommandError, UsageError
from cli.flags import Flag, switch
from cli.objects import ALL, LOCAL, WHICH, each, is_local, named
from cli.output.chosen import OUTPUT
from cli.subcommands import Action
from cli.writing import DRY_RUN, locally, patched, tell

CONTAINERS = Flag("containers", "The containers to change; * and ? match as in a shell.", "c", default="*")  # fmt: skip
COMMON = (*WHICH, ALL, LOCAL, DRY_RUN, OUTPUT)
Patch = Callable[[Any], podtemplate.Fields]  # the strategic patch for an object


def _change(session: Session, words: list[str], patch: Patch, done: str) -> int:
    """Sends each object its patch. One that would stay as it is is left alone, and nothing is said of it."""

    def act(kind: Any, obj: Any) -> None:
        changes = patch(obj)
        after = locally(kind, obj, changes)
        if after == obj:
            return
        if not is_local(session):
            after = patched(session, kind, obj, changes)
        tell(session, kind, after, done)

    return each(session, named(session, words), act)


def image(session: Session) -> int:
    words = session.args
    first = next((i for i, word in enumerate(words) if "=" in word), len(words))
    wanted: dict[str, str] = {}
    for word in words[first:]:
        name, _, new = word.partition("=")
        if not name or not new:
            raise UsageError(f"all resources must be specified before image changes: {word}")
        wanted[name] = new
    if not wanted:
        raise UsageError("at least one image update is required: CONTAINER=IMAGE")
    return _change(
        session, words[:first], lambda obj: podtemplate.images(obj, wanted), "image updated"
    )


def env(session: Session) -> int:
    flags = session.flags
    words, changes = split([*session.args, *filter(None, _given(flags.many("env")))])
    pattern, refer = flags.text("containers"), envsources.read(session)

    def patch(obj: Any) -> podtemplate.Fields:
        found = podtemplate.chosen(obj, pattern)
        for container in () if flags.on("overwrite") else found:
            _keep({each.name: each.value for each in container.env}, [*changes.put, *refer])
        return podtemplate.to_each(
            found, obj, lambda c: podtemplate.environment(c, changes.put, changes.remove, refer)
        )

    def show(kind: Any, obj: Any) -> None:
        """As it would be; nothing is written."""
        _list(session, locally(kind, obj, patch(obj)), pattern)

    if flags.on("list"):
        return each(session, named(session, words), show)
    if not changes.patch() and not refer:
        raise UsageError(
            "at least one environment variable must be provided: KEY=VALUE, KEY-, or --from=secret/NAME"
        )
    return _change(session, words, patch, "env updated")


def _given(flags: Sequence[str]) -> Iterator[str]:
    """What -e says; `-` reads lines KEY=VALUE from standard input."""
    for text in flags:
        yield from sys.stdin.read().split("\n") if text == "-" else (text,)


def _keep(present: dict[str, str], put: Iterable[str]) -> None:
    """Raises CommandError when a variable is there already."""
    for key in put:
        if key in present:
            raise CommandError(
                f"'{key}' already has a value ({present[key]}), and --overwrite is false"
            )


def _list(session: Session, obj: Any, pattern: str) -> None:
    for container in podtemplate.chosen(obj, pattern):
        session.say(f"# {obj.kind} {obj.metadata.name}, container {container.name}")
        for line in podtemplate.listing(container):
            session.say(line)


def resources(session: Session) -> int:
    flags = session.flags
    wanted = {
        name: found
        for name in ("limits", "requests")
        if (found := podtemplate.quantities(flags.text(name)))
    }
    if not wanted:
        raise UsageError(
            "you must specify an update to requests or limits (in the form of --requests/--limits)"
        )

    def patch(obj: Any) -> podtemplate.Fields:
        found = podtemplate.chosen(obj, flags.text("containers"))
        return podtemplate.to_each(found, obj, lambda _: {"resources": wanted})

    return _change(session, session.args, patch, "resource requirements updated")


def service_account(session: Session) -> int:
    *words, name = session.args or [""]
    if not name:
        raise UsageError("which account? helmling set serviceaccount deployment/web robot")
    spec = {"serviceAccountName": name, "serviceAccount": name}
    return _change(
        session, words, lambda obj: podtemplate.around(obj, spec), "serviceaccount updated"
    )


def subject(session: Session) -> int:
    wishes = subjects.wished(session)
    return _change(
        session, session.args, lambda obj: subjects.added(obj, wishes), "subjects updated"
    )


ACTIONS = {
    "image": Action(image, COMMON),
    "env": Action(
        env,
        (
            *COMMON,
            CONTAINERS,
            Flag("env", "A variable to set: KEY=VALUE; with - they come from standard input.", "e", "many"),
            switch("list", "Show the variables as they would be, and change nothing."),
            switch("overwrite", "Change variables that are there already.", default=True),
            *envsources.FLAGS,
        ),
    ),
    "resources": Action(
        resources,
        (
            *COMMON,
            CONTAINERS,
            Flag("limits", "The most a container may use: cpu=200m,memory=512Mi."),
            Flag("requests", "What is set aside for a container: cpu=100m,memory=256Mi."),
        ),
    ),
    "serviceaccount": Action(service_account, COMMON),
    "subject": Action(subject, (*COMMON, *rights.SUBJECT_FLAGS)),
}  # fmt: skip
SET = Command(
    usage="set (image | env | resources | serviceaccount | subject) (TYPE NAME | TYPE/NAME | -f FILENAME) CHANGES "
    "[flags]",
    about="Set specific features on objects.\n\nIn whatever holds containers or makes pods; subjects in bindings. In a "
    "Deployment, each change begins a rollout.\nWith --local and -o yaml, a file is changed without a server.",
    examples="""  # Another image for a container, or for all of them
  helmling set image deployment/web web=helmling/hello:v2
  helmling set image deployment/web '*=helmling/hello:v2'

  # Set a variable, take one away, show them all
  helmling set env deployment/web LEVEL=debug
  helmling set env deployment/web LEVEL-
  helmling set env deployment/web --list

  # The variables of this shell that begin with APP_
  env | grep ^APP_ | helmling set env deployment/web -e -

  # Variables from the keys of a ConfigMap or a Secret
  helmling set env deployment/web --from=configmap/app
  helmling set env deployment/web --from=secret/db --keys=password --prefix=DB_

  # Who its pods are, and who else has a role
  helmling set serviceaccount deployment/web robot
  helmling set subject rolebinding/jane-reads --user=joe --serviceaccount=default:robot

  # Change a manifest without a server
  helmling set image -f web.yaml web=helmling/hello:v2 --local -o yaml

  # What its containers may use, and what is set aside for them
  helmling set resources deployment/web -c=web --limits=cpu=200m,memory=512Mi --requests=cpu=100m""",
    run=lambda session: subcommands.run(session, "set", ACTIONS),
    flags=subcommands.all_flags(ACTIONS),
    actions=tuple(ACTIONS),
    complete="resources",
    kinds=(
        "Pod",
        "ReplicaSet",
        "Deployment",
        "DaemonSet",
        "StatefulSet",
        "Job",
        "CronJob",
        *subjects.BINDINGS,
    ),
)
