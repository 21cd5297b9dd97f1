"""`helmling auth reconcile`: roles and bindings brought to what a file says, without taking away what others gave.

What is lacking is decided in api/rbac.py; here it is read, written and told.
"""

from collections.abc import Iterable
from typing import Any

from api import rbac
from api.errors import NotFound
from api.kinds import Kind
from cli.command import Session
from cli.errors import CommandError, UsageError
from cli.manifests import Manifest
from cli.resources import qualified
from cli.writing import dry_run, each, read, tell
from proto.v1.meta_pb2 import DeleteOptions

RBAC_KINDS = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")


def run(session: Session) -> int:
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


def _section(session: Session, title: str, lines: Iterable[str]) -> None:
    for index, line in enumerate(lines):
        if index == 0:
            session.say(f"\t{title}:")
        session.say(f"\t\t{line}")


def _subject(subject: Any) -> str:
    where = f"{subject.namespace}/" if subject.namespace else ""
    return f"{subject.kind} {where}{subject.name}"
