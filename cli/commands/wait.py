"""`helmling wait`: for scripts that go on only when something is so."""

from collections.abc import Callable
from typing import Any

from api.jsonform import to_json
from cli.command import Command, Session
from cli.errors import CommandError, UsageError
from cli.flags import Flag, duration, switch
from cli.manifests import FILENAME, RECURSIVE, from_flags
from cli.output.chosen import OUTPUT
from cli.output.jsonpath import Template, relaxed, show
from cli.resources import ALL_NAMESPACES, FIELD_SELECTOR, SELECTOR, scope, wanted
from cli.watching import LONG, Deadline, states
from cli.writing import settle, tell

Met = Callable[[Any], bool]  # of an object, or None while there is none
ONCE = 0.001  # seconds: --timeout=0 looks once
FLAGS = (
    FILENAME,
    RECURSIVE,
    SELECTOR,
    FIELD_SELECTOR,
    ALL_NAMESPACES,
    OUTPUT,
    switch("all", "All objects of the kind in the namespace."),
    Flag(
        "for",
        "What to wait for: create, delete, condition=NAME[=VALUE] or jsonpath='{...}'[=VALUE].",
    ),
    duration("timeout", "How long: 30s, 5m. 0 looks once, negative waits a week.", "30s"),
)


def read_goal(text: str) -> Met:
    """What --for asks for. Raises UsageError."""
    word, _, rest = text.partition("=")
    if text.lower() == "delete":
        return lambda obj: obj is None
    if text.lower() == "create":
        return lambda obj: obj is not None
    if word == "condition" and rest:
        return _condition(rest)
    if word == "jsonpath" and rest:
        return _jsonpath(rest)
    raise UsageError(
        f"unrecognized condition: \"{text}\": use create, delete, condition=NAME or jsonpath='{{...}}'=VALUE"
    )


def _condition(text: str) -> Met:
    name, _, value = text.partition("=")
    value = value or "True"

    def met(obj: Any) -> bool:
        if obj is None:
            return False
        status = to_json(obj).get("status", {})
        return any(
            each.get("type", "").lower() == name.lower()
            and each.get("status", "").lower() == value.lower()
            and _is_of_this_spec(
                obj, each.get("observedGeneration", status.get("observedGeneration"))
            )
            for each in status.get("conditions", [])
        )

    return met


def _is_of_this_spec(obj: Any, observed: int | None) -> bool:
    """A condition that was found for an older spec says nothing about this one."""
    return observed is None or observed >= obj.metadata.generation


def _jsonpath(text: str) -> Met:
    path, value = text, None
    end = text.rfind("}")
    if text.startswith("{") and text[end + 1 :].startswith("="):
        path, value = text[: end + 1], text[end + 2 :].strip("'\"")
        if not value:
            raise UsageError("jsonpath wait has to have a value to wait for after the equals sign")
    elif not text.startswith("{") and "=" in text:
        path, _, value = text.rpartition("=")
    template = Template(relaxed(path))

    def met(obj: Any) -> bool:
        if obj is None:
            return False
        found = template.values(to_json(obj))
        if len(found) > 1:
            raise CommandError(f"jsonpath {path} finds {len(found)} values: wait needs exactly one")
        return bool(found) and (value is None or show(found[0]) == value)

    return met


def run(session: Session) -> int | None:
    if not session.flags.given("for"):
        raise UsageError(
            "--for is required: --for=condition=Ready, --for=delete, --for=create or --for=jsonpath='{...}'=VALUE"
        )
    goal = read_goal(session.flags.text("for"))
    limit = session.flags.seconds("timeout")
    deadline = Deadline(LONG if limit < 0 else limit or ONCE)
    targets = _targets(session)
    if not targets:
        if session.flags.text("for").lower() == "delete":
            return 0
        raise CommandError("no matching resources found")
    waited = [_wait(session, target, goal, deadline) for target in targets]
    return 0 if all(waited) else 1


Found = tuple[Any, str, str]  # kind, namespace, name


def _targets(session: Session) -> list[Found]:
    flags = session.flags
    if flags.many("filename"):
        manifests = from_flags(flags)
        settle(session, manifests)
        return [(m.kind, m.namespace, m.name) for m in manifests]
    wants = wanted(session.args)
    if not wants:
        raise UsageError(
            "arguments in resource/name form must have a single resource and name: wait pod/web"
        )
    targets: list[Found] = []
    for want in wants:
        namespace = scope(session, want.kind)
        targets += [(want.kind, namespace, name) for name in want.names]
        if want.names:
            continue
        if not (flags.on("all") or flags.given("selector") or flags.given("field-selector")):
            raise UsageError(
                "resource(s) were provided, but no name was specified: name them, or use -l or --all"
            )
        found, _ = session.server.list(
            want.kind, namespace, labels=flags.text("selector"), fields=flags.text("field-selector")
        )
        targets += [(want.kind, obj.metadata.namespace, obj.metadata.name) for obj in found]
    return targets


def _wait(session: Session, target: Found, goal: Met, deadline: Deadline) -> bool:
    kind, namespace, name = target
    expects_absence = goal(None) or session.flags.text("for").lower() == "create"
    last: Any = None
    for first, obj in enumerate(states(session.server, kind, namespace, name, deadline)):
        if obj is None and first == 0 and not expects_absence:
            session.warn(f'Error from server (NotFound): {kind.full_name} "{name}" not found')
            return False
        if goal(obj):
            met = obj if obj is not None else last
            if met is not None:
                tell(session, kind, met, "condition met")
            return True
        if obj is None and not expects_absence:
            break
        last = obj
    session.warn(f"error: timed out waiting for the condition on {kind.plural}/{name}")
    return False


WAIT = Command(
    usage="wait ([-f FILENAME] | TYPE/NAME | TYPE [(-l label | --all)]) "
    "--for=create|delete|condition=NAME|jsonpath=... [flags]",
    about="Wait for a specific condition on one or many resources.\n\nReturns when all objects are as they "
    "should be (exit code 0), or "
    "when the time is over (exit code 1).",
    examples="""  # Wait until a pod is ready
  helmling wait --for=condition=Ready pod/web

  # Wait until all pods of an app are ready, for at most a minute
  helmling wait --for=condition=Ready pods -l app=web --timeout=60s

  # Wait until a pod runs
  helmling wait --for=jsonpath='{.status.phase}'=Running pod/web

  # Wait until a pod is gone
  helmling wait --for=delete pod/web --timeout=60s""",
    run=run,
    flags=FLAGS,
    complete="resources",
)
