"""`helmling auth`: what may I do, who am I, and roles brought to what a file says.

Words and exit codes are kubectl's.
"""

import sys
from typing import Any

from api import kinds, rbac
from api.errors import NotFound
from api.kinds import Kind, by_resource, find
from cli import subcommands
from cli.command import Command, Session
from cli.errors import CommandError, UsageError
from cli.flags import Flag, switch
from cli.manifests import FILENAME, RECURSIVE, VALIDATE, Manifest
from cli.output.chosen import OUTPUT
from cli.output.table import render
from cli.resources import ALL_NAMESPACES, qualified
from cli.rights import SPECIAL
from cli.subcommands import Action
from cli.writing import DRY_RUN, dry_run, each, read, tell

COMMON = ("create", "get", "list", "watch", "update", "patch", "delete", "deletecollection", "*")
SPECIAL_VERBS = ("bind", "impersonate", "escalate", "approve", "sign", "use", "head", "post", "put")
RBAC_KINDS = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")


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
    rows = (
        []
        if session.flags.on("no-headers")
        else [["Resources", "Non-Resource URLs", "Resource Names", "Verbs"]]
    )
    for line in render([*rows, *table(status)]):
        session.say(line)
    return 0


def table(status: Any) -> list[list[str]]:
    """One row for each resource of each rule, those of the same verbs put together."""
    verbs: dict[tuple[str, str, str], dict[str, None]] = {}
    for rule in status.resourceRules:
        for group in rule.apiGroups or [""]:
            for resource in rule.resources:
                full = f"{resource}.{group}" if group else resource
                place = (full, "[]", _words(rule.resourceNames))
                verbs.setdefault(place, {}).update(dict.fromkeys(rule.verbs))
    for rule in status.nonResourceRules:
        for url in rule.nonResourceURLs:
            verbs.setdefault(("", _words([url]), "[]"), {}).update(dict.fromkeys(rule.verbs))
    rows = [[*place, _words(list(said))] for place, said in verbs.items()]
    return sorted(rows, key=lambda row: (row[0] == "", row))


def _words(words: Any) -> str:
    return f"[{' '.join(words)}]"


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
        rows.append(["Groups", _words(info.groups)])
    extra = to_json(info).get("extra", {})
    rows += [[f"Extra: {key}", _words(extra[key])] for key in sorted(extra)]
    return rows


# reconcile


def reconcile(session: Session) -> int:
    if session.args:
        raise UsageError(f"auth reconcile takes a file: -f FILENAME, not {session.args[0]!r}")
    manifests = read(session, lambda _manifest, _others: None)
    for manifest in manifests:
        if manifest.kind.name not in RBAC_KINDS:
            raise CommandError(
                "only rbac.authorization.k8s.io/v1 is supported: not "
                f"*{manifest.kind.api_version}.{manifest.kind.name}"
            )
    mode = dry_run(session)
    return each(session, manifests, lambda manifest: _reconcile(session, manifest, mode))


def _reconcile(session: Session, manifest: Manifest, mode: str) -> None:
    kind, wanted = manifest.kind, manifest.object
    namespace = manifest.namespace if kind.namespaced else ""
    _complete(wanted)
    try:
        found = session.server.get(kind, wanted.metadata.name, namespace)
    except NotFound:
        done = _lacking_all(kind, wanted)
        if mode != "client":
            done_object = session.server.create(kind, wanted, namespace, dry_run=mode == "server")
            wanted = done_object
        _report(session, kind, wanted, done, "create")
        return
    role = kind.name in ("Role", "ClusterRole")
    extra = session.flags.on("remove-extra-permissions" if role else "remove-extra-subjects")
    form = rbac.reconciled_role if role else rbac.reconciled_binding
    result = form(found, wanted, remove_extra=extra)
    if result.changed and mode != "client":
        _write(session, kind, result, namespace, mode)
    what = "" if not result.changed else "recreate" if result.replaced else "update"
    _report(session, kind, result.object, result, what)


def _write(
    session: Session, kind: Kind, result: rbac.Reconciled, namespace: str, mode: str
) -> None:
    server, dry = session.server, mode == "server"
    if not result.replaced:
        server.update(kind, result.object, namespace, dry_run=dry)
        return
    from proto.v1.meta_pb2 import DeleteOptions

    if not dry:
        server.delete(kind, result.object.metadata.name, namespace, DeleteOptions())
        server.create(kind, result.object, namespace)


def _complete(obj: Any) -> None:
    """What the server fills in, so that it does not look like a difference."""
    for subject in getattr(obj, "subjects", ()):
        if subject.kind in ("User", "Group"):
            subject.apiGroup = subject.apiGroup or rbac.GROUP
    if hasattr(obj, "roleRef"):
        obj.roleRef.apiGroup = obj.roleRef.apiGroup or rbac.GROUP


def _lacking_all(kind: Kind, wanted: Any) -> rbac.Reconciled:
    if kind.name in ("Role", "ClusterRole"):
        return rbac.Reconciled(wanted, True, missing_rules=rbac.rules_of(wanted.rules))
    return rbac.Reconciled(wanted, True, missing_subjects=list(wanted.subjects))


def _report(session: Session, kind: Kind, obj: Any, done: rbac.Reconciled, what: str) -> None:
    if session.flags.text("output"):
        tell(session, kind, obj, "reconciled")
        return
    session.say(f"{qualified(kind, obj.metadata.name)} reconciled")
    if what:
        session.say(f"\treconciliation required {what}")
    removed = session.flags.on("remove-extra-permissions")
    _section(session, "missing rules added", map(rbac.shown, done.missing_rules))
    told = "extra rules removed" if removed else "extra rules detected"
    _section(session, told, map(rbac.shown, done.extra_rules))
    removed = session.flags.on("remove-extra-subjects")
    _section(session, "missing subjects added", map(_subject, done.missing_subjects))
    told = "extra subjects removed" if removed else "extra subjects detected"
    _section(session, told, map(_subject, done.extra_subjects))


def _section(session: Session, title: str, lines: Any) -> None:
    for index, line in enumerate(lines):
        if index == 0:
            session.say(f"\t{title}:")
        session.say(f"\t\t{line}")
    sys.stdout.flush()


def _subject(subject: Any) -> str:
    where = f"{subject.namespace}/" if subject.namespace else ""
    return f"{subject.kind} {where}{subject.name}"


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
        reconcile,
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
