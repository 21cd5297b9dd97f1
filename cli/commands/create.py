"""`helmling create -f FILE`, `create namespace NAME`, `create job NAME --image=…`: what must not exist yet.

What can be made without a file is in cli/creating.py.
"""

from typing import Any

from api import jsonform, kinds
from api.errors import ApiError, Invalid, NotFound
from cli import creating
from cli.command import Command, Session
from cli.errors import UsageError
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
ALL_FLAGS = (*FLAGS, *creating.ALL_FLAGS)


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
    kind, obj = manifest.kind, without_company(manifest, others)
    try:
        session.server.create(kind, obj, manifest.namespace, dry_run=True)
    except ApiError as error:
        if isinstance(error, NotFound) and _role_comes_along(manifest, others):
            return
        if not _namespace_comes_along(manifest, others):
            raise
        copy = kind.message()
        copy.CopyFrom(obj)
        copy.metadata.namespace = "default"
        copy.metadata.name, copy.metadata.generateName = "", f"{obj.metadata.name}-"[:40]
        session.server.create(kind, copy, "default", dry_run=True)


def without_company(manifest: Manifest, others: list[Manifest]) -> Any:
    """The object, for a dry run: a pod without the ServiceAccount that is created with it."""
    if manifest.kind.name != "Pod" or not manifest.object.spec.serviceAccountName:
        return manifest.object
    wanted = ("ServiceAccount", manifest.namespace, manifest.object.spec.serviceAccountName)
    if wanted not in {(other.kind.name, other.namespace, other.name) for other in others}:
        return manifest.object
    copy = manifest.kind.message()
    copy.CopyFrom(manifest.object)
    copy.spec.ClearField("serviceAccountName")
    copy.spec.ClearField("serviceAccount")
    return copy


def _role_comes_along(manifest: Manifest, others: list[Manifest]) -> bool:
    """Whether it is a binding, of a role that is among the manifests."""
    if manifest.kind.name not in ("RoleBinding", "ClusterRoleBinding"):
        return False
    ref = manifest.object.roleRef
    return (ref.kind, ref.name) in {(other.kind.name, other.name) for other in others}


def comes_along(manifest: Manifest, others: list[Manifest]) -> bool:
    """Whether something that must be there before the object is among the manifests."""
    return _role_comes_along(manifest, others) or _namespace_comes_along(manifest, others)


def _namespace_comes_along(manifest: Manifest, others: list[Manifest]) -> bool:
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


def _subcommand(session: Session) -> int:
    word, *names = session.args
    if word in ("secret", "service", "svc"):
        word = "service" if word == "svc" else word
        word = f"{word} {names.pop(0)}" if names else word
    maker = creating.maker(word)
    refuse_others(session, (*FLAGS, *maker.flags), ALL_FLAGS)
    if len(names) != 1:
        raise UsageError(f"exactly one NAME is required, received {len(names)}")
    if maker.run is not None:
        return maker.run(session, names[0])
    kind, plain = kinds.find(maker.makes), maker.make(session, names[0])
    assert kind is not None
    mode = dry_run(session)
    namespace = session.namespace_if_known if mode == "client" else session.namespace
    if kind.namespaced and namespace:
        plain["metadata"]["namespace"] = namespace
    obj, causes = jsonform.from_json(kind.message, plain)
    if causes:
        raise Invalid.because(kind.name, names[0], causes)
    if session.flags.on("save-config"):
        obj.metadata.annotations[LAST_APPLIED] = as_applied(plain)
    if mode != "client":
        where = namespace if kind.namespaced else ""
        obj = session.server.create(kind, obj, where, dry_run=mode == "server")
    tell(session, kind, obj, "created")
    return 0


CREATE = Command(
    usage="create (-f FILENAME | namespace NAME | TYPE NAME FLAGS [-- COMMAND]) [flags]",
    about="Create a resource from a file or from stdin.\n\nJSON and YAML formats are accepted. All objects "
    "of all files "
    "are checked before the first is created.\n\nWithout a file: "
    + ", ".join(creating.WORDS)
    + ".",
    examples="""  # Create a pod from a manifest
  helmling create -f pod.yaml

  # Create what another program writes
  cat pod.yaml | helmling create -f -

  # Create a namespace
  helmling create namespace shop

  # Create a deployment of three pods
  helmling create deployment web --image=helmling/hello:v1 --replicas=3 --port=80

  # Create a job, a cron job, and now a job of that cron job
  helmling create job once --image=helmling/hello:v1 -- date
  helmling create cronjob tidy --image=helmling/hello:v1 --schedule="*/5 * * * *" -- date
  helmling create job tidy-now --from=cronjob/tidy

  # Create settings, and passwords that nobody sees in a manifest
  helmling create configmap app --from-literal=color=blue --from-file=app.conf
  helmling create secret generic db --from-literal=user=shop --from-file=password=./password.txt
  helmling create secret tls web --cert=web.crt --key=web.key
  helmling create secret docker-registry hub --docker-username=shop --docker-password="$PASSWORD"

  # Services: for pods that are labelled app=web, for the nodes' ports, and for a name outside
  helmling create service clusterip web --tcp=80:8080
  helmling create service nodeport web --tcp=80 --node-port=30080
  helmling create service externalname db --external-name=db.example.com

  # The way in for HTTP: all below /cart to one service, everything else to another, with a certificate
  helmling create ingress shop --rule="shop.example.com/cart*=cart:80,tls=cert" --default-backend=web:80

  # Let jane read the pods of a namespace
  helmling create role reader --verb=get,list,watch --resource=pods,pods/log
  helmling create rolebinding jane-reads --role=reader --user=jane

  # An identity for programs, and a token of it that holds for ten minutes
  helmling create serviceaccount robot
  helmling create token robot --duration=10m

  # Show the manifest of a namespace without creating it
  helmling create namespace shop --dry-run=client -o yaml""",
    run=run,
    flags=ALL_FLAGS,
    actions=tuple(dict.fromkeys(word.partition(" ")[0] for word in creating.WORDS)),
    complete="names",
)
