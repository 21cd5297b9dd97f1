"""`helmling auth`: what may I do, who am I, and roles brought to what a file says.

Words and exit codes are kubectl's.
"""

from typing import Any

from api import kinds
from api.kinds import Kind, by_resource, find
from cli import reconciling, subcommands
from cli.command import Command, Session
from cli.describe.access import HEADER, rule_rows, words
from cli.errors import UsageError
from cli.flags import Flag, switch
from cli.manifests import FILENAME, RECURSIVE, VALIDATE
from cli.output.chosen import OUTPUT
from cli.output.table import render
from cli.resources import ALL_NAMESPACES
from cli.rights import SPECIAL
from cli.subcommands import Action
from cli.writing import DRY_RUN, tell

COMMON = ("create", "get", "list", "watch", "update", "patch", "delete", "deletecollection", "*")
SPECIAL_VERBS = ("bind", "impersonate", "escalate", "approve", "sign", "use", "head", "post", "put")


def _review(name: str) -> Kind:
    return next(kind for kind in kinds.REVIEWS if kind.name == name)


# can-i


def can_i(session: Session) -> int:
    if session.flags.on("list"):
        return _list(session)
    if len(session.args) != 2:
        raise UsageError(
            "you must specify two arguments: verb resource or verb resource/resourceName."
        )
    verb, word = session.args
    if verb not in (*COMMON, *SPECIAL_VERBS):
        session.warn(f"Warning: verb '{verb}' is not a known verb\n")
    kind = _review("SelfSubjectAccessReview")
    review = kind.message()
    if word.startswith("/"):
        attributes = review.spec.nonResourceAttributes
        attributes.verb, attributes.path = verb, word
    else:
        _resource(session, review.spec.resourceAttributes, verb, word)
    return _tell(session, session.server.create(kind, review, "").status)


def _resource(session: Session, attributes: Any, verb: str, word: str) -> None:
    base, _, name = word.partition("/")
    attributes.verb, attributes.name = verb, name
    attributes.subresource = session.flags.text("subresource")
    attributes.group, attributes.resource, namespaced = _looked_up(session, base)
    if namespaced and not session.flags.on("all-namespaces"):
        attributes.namespace = session.namespace


def _looked_up(session: Session, word: str) -> tuple[str, str, bool]:
    """Group and plural of what somebody typed, and whether it lives in namespaces."""
    if word == "*":
        return "*", "*", True
    if word in SPECIAL:
        return SPECIAL[word], word, False
    plural, _, group = word.partition(".")
    kind = find(word) or by_resource(group, plural)
    if kind is None:
        session.warn(f"Warning: the server doesn't have a resource type '{word}'\n")
        return group, plural, True
    if not kind.namespaced and session.flags.given("namespace"):
        where = f" in group '{kind.group}'" if kind.group else ""
        session.warn(f"Warning: resource '{kind.plural}' is not namespace scoped{where}\n")
    return kind.group, kind.plural, kind.namespaced


def _tell(session: Session, status: Any) -> int:
    if not session.flags.on("quiet"):
        told = "yes" if status.allowed else "no"
        if not status.allowed and status.reason:
            told += f" - {status.reason}"
        if not status.allowed and status.evaluationError:
            told += f" - {status.evaluationError}"
        session.say(told)
    return 0 if status.allowed else 1


def _list(session: Session) -> int:
    if session.args:
        raise UsageError("list option must be specified with no arguments")
    kind = _review("SelfSubjectRulesReview")
    review = kind.message()
    review.spec.namespace = session.namespace
    status = session.server.create(kind, review, "").status
    if status.incomplete:
        session.warn(f"Warning: the list may be incomplete: {status.evaluationError}")
    head = [] if session.flags.on("no-headers") else [HEADER]
    for line in render([*head, *rule_rows(status.resourceRules, status.nonResourceRules)]):
        session.say(line)
    return 0


# whoami


def whoami(session: Session) -> int:
    if session.args:
        raise UsageError(f"auth whoami takes no arguments: {' '.join(session.args)}")
    kind = _review("SelfSubjectReview")
    review = session.server.create(kind, kind.message(), "")
    if session.flags.text("output"):
        tell(session, kind, review, "created")
        return 0
    for line in render([["ATTRIBUTE", "VALUE"], *_who(review.status.userInfo)]):
        session.say(line)
    return 0


def _who(info: Any) -> list[list[str]]:
    from api.jsonform import to_json

    rows = [["Username", info.username]]
    if info.uid:
        rows.append(["UID", info.uid])
    if info.groups:
        rows.append(["Groups", words(info.groups)])
    extra = to_json(info).get("extra", {})
    rows += [[f"Extra: {key}", words(extra[key])] for key in sorted(extra)]
    return rows


ACTIONS = {
    "can-i": Action(
        can_i,
        (
            ALL_NAMESPACES,
            switch("list", "Print all that I may do in the namespace."),
            switch("quiet", "Print nothing: the exit code says it.", "q"),
            switch("no-headers", "With --list: leave out the column headers."),
            Flag("subresource", "A part of the object: log, status, scale."),
        ),
    ),
    "whoami": Action(whoami, (OUTPUT,)),
    "reconcile": Action(
        reconciling.run,
        (
            FILENAME,
            RECURSIVE,
            VALIDATE,
            DRY_RUN,
            OUTPUT,
            switch("remove-extra-permissions", "Remove rules that the file does not have."),
            switch("remove-extra-subjects", "Remove subjects that the file does not have."),
        ),
    ),
}
AUTH = Command(
    usage="auth (can-i VERB [TYPE | TYPE/NAME | URL] | can-i --list | whoami | reconcile -f FILENAME) [flags]",
    about="Inspect authorization.\n\ncan-i: check whether an action is allowed; the answer is yes or no, and the exit "
    "code 0 or 1. whoami: show who I am to the server. reconcile: bring roles and bindings to what a file says, "
    "without taking away what is there.",
    examples="""  # May I create pods in the namespace shop?
  helmling auth can-i create pods --namespace=shop

  # May the ServiceAccount robot read logs?
  helmling auth can-i get pods --subresource=log --as=system:serviceaccount:default:robot

  # All that I may do here
  helmling auth can-i --list

  # Who am I?
  helmling auth whoami

  # Roles and bindings as the file says
  helmling auth reconcile -f roles.yaml""",
    run=lambda session: subcommands.run(session, "auth", ACTIONS),
    flags=subcommands.all_flags(ACTIONS),
    actions=tuple(ACTIONS),
)
