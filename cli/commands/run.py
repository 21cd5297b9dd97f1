"""`helmling run NAME --image=…`: one pod, made from the command line; with -it and --rm a scratch pad."""

import json
from typing import Any

from api import jsonform, kinds
from api.errors import Invalid, NotFound
from api.patch import merge_patch
from cli.command import Command, Session
from cli.errors import CommandError, Exit, UsageError
from cli.flags import Flag, duration, switch
from cli.output.chosen import OUTPUT
from cli.watching import Deadline, states
from cli.writing import DRY_RUN, dry_run, tell
from proto.v1.meta_pb2 import DeleteOptions
from proto.v1.pod_pb2 import Pod
from proto.v1.service_pb2 import ContainerTarget, LogsRequest

POLICIES = ("Always", "OnFailure", "Never")
FLAGS = (
    DRY_RUN,
    OUTPUT,
    Flag("image", "The image for the container to run."),
    Flag("restart", "The restart policy: Always, OnFailure or Never.", default="Always"),
    Flag("env", "Environment variables: --env=KEY=VALUE.", form="many"),
    Flag("port", "The port that this container exposes.", form="number"),
    Flag("labels", "Labels, with commas between them: app=web,tier=front.", "l", "many"),
    Flag("annotations", "Annotations: --annotations=KEY=VALUE.", form="many"),
    Flag("image-pull-policy", "Always, IfNotPresent or Never."),
    Flag("overrides", "JSON that is merged into the pod that is generated."),
    switch("command", "What follows -- replaces the image's program, not only its arguments."),
    switch("privileged", "Give the container all rights on its node."),
    switch("stdin", "Keep the container's standard input open.", "i"),
    switch("tty", "Give the container a terminal.", "t"),
    switch("attach", "Wait for the pod, then attach to it. Default with -i.", default=False),
    switch("rm", "Delete the pod when it ends; only when attached."),
    switch("quiet", "Print only what the container prints.", "q"),
    switch("expose", "Create a service for the pod, too; needs --port."),
    Flag("container", "Kept for kubectl's sake.", "c"),
    duration("pod-running-timeout", "How long to wait for the pod to run before attaching.", "1m0s"),
)  # fmt: skip


def pairs(texts: list[str], flag: str) -> dict[str, str]:
    """`a=b,c=d` or one per flag. Raises UsageError."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"invalid --{flag}: {text}: expected KEY=VALUE")
        found[key] = value
    return found


def manifest(session: Session, name: str) -> dict[str, Any]:
    """The pod as kubectl would generate it."""
    flags = session.flags
    if flags.text("restart") not in POLICIES:
        raise UsageError(
            f"invalid restart policy: {flags.text('restart')}: must be one of {', '.join(POLICIES)}"
        )
    labels = [word for text in flags.many("labels") for word in text.split(",") if word]
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": session.namespace,
        "labels": pairs(labels, "labels") or {"run": name},
    }
    if flags.given("annotations"):
        metadata["annotations"] = pairs(flags.many("annotations"), "annotations")
    spec = {"containers": [_container(session, name)], "restartPolicy": flags.text("restart")}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    return _overridden(pod, flags.text("overrides"))


def _container(session: Session, name: str) -> dict[str, Any]:
    flags = session.flags
    container: dict[str, Any] = {"name": name, "image": flags.text("image")}
    words = [*session.args[1:], *(flags.after_dash or [])]
    if words:
        container["command" if flags.on("command") else "args"] = words
    if flags.given("env"):
        env = pairs(flags.many("env"), "env")
        container["env"] = [{"name": key, "value": value} for key, value in env.items()]
    if flags.number("port"):
        container["ports"] = [{"containerPort": flags.number("port")}]
    if flags.text("image-pull-policy"):
        container["imagePullPolicy"] = flags.text("image-pull-policy")
    if flags.on("privileged"):
        container["securityContext"] = {"privileged": True}
    if flags.on("stdin"):
        container |= {"stdin": True, "stdinOnce": not flags.on("attach") or flags.on("rm")}
    if flags.on("tty"):
        container["tty"] = True
    return container


def _overridden(pod: dict[str, Any], overrides: str) -> dict[str, Any]:
    if not overrides:
        return pod
    try:
        changes = json.loads(overrides)
    except json.JSONDecodeError as error:
        raise UsageError(f"--overrides is not valid JSON: {error}") from None
    if not isinstance(changes, dict):
        raise UsageError('--overrides must be an object: {"spec": …}')
    merged: dict[str, Any] = merge_patch(pod, changes)
    return merged


def _check(session: Session) -> str:
    flags = session.flags
    if not session.args:
        raise UsageError("NAME is required for run: helmling run web --image=helmling/hello:v1")
    if not flags.text("image"):
        raise UsageError("--image is required")
    if flags.on("expose") and not flags.number("port"):
        raise UsageError("--port must be set when exposing a service")
    if flags.on("tty") and not flags.on("stdin"):
        raise UsageError("-i/--stdin is required for containers with -t/--tty=true")
    if flags.on("rm") and not attached(session):
        raise UsageError("--rm should only be used for attached containers")
    if attached(session) and dry_run(session) != "none":
        raise UsageError(
            "--dry-run can't be used with attached containers options (--attach, --stdin, or --tty)"
        )
    return session.args[0]


def attached(session: Session) -> bool:
    flags = session.flags
    return flags.on("attach") if flags.given("attach") else flags.on("stdin")


def run(session: Session) -> int | None:
    name = _check(session)
    pod, causes = jsonform.from_json(Pod, manifest(session, name))
    if causes:
        raise Invalid.because("Pod", name, causes)
    mode = dry_run(session)
    if session.flags.on("expose"):
        _expose(session, pod, mode)
    if mode != "client":
        pod = session.server.create(kinds.of(Pod), pod, session.namespace, dry_run=mode == "server")
    if not attached(session):
        tell(session, kinds.of(Pod), pod, "created")
        return 0
    try:
        code = _attach(session, pod)
    finally:
        if session.flags.on("rm"):
            _remove(session, pod)
    if code:
        raise Exit(code)
    return 0


def _expose(session: Session, pod: Any, mode: str) -> None:
    """A service of the pod's name, at its port, for its labels."""
    kind, port = kinds.find("services"), session.flags.number("port")
    assert kind is not None
    meta = pod.metadata
    service = kind.message(apiVersion=kind.api_version, kind=kind.name)
    service.metadata.name, service.metadata.namespace = meta.name, session.namespace
    service.spec.selector.update(meta.labels)
    service.spec.ports.add(port=port, protocol="TCP").targetPort.number_value = port
    if mode != "client":
        service = session.server.create(kind, service, session.namespace, dry_run=mode == "server")
    tell(session, kind, service, "created")


def _attach(session: Session, pod: Any) -> int:
    """Attaches when the container runs; if it has ended already, shows what it wrote."""
    from cli.commands.exec import attach

    now = _started(session, pod)
    name = now.spec.containers[0].name
    target = ContainerTarget(namespace=session.namespace, pod=now.metadata.name, container=name)
    if now.status.phase == "Running":
        flags = session.flags
        attach(session, target, stdin=flags.on("stdin"), tty=flags.on("tty"))
    else:
        _show_log(session, target)
    return _exit_code(session, pod) if session.flags.text("restart") == "Never" else 0


def _show_log(session: Session, target: Any) -> None:
    import sys

    for data in session.server.logs(LogsRequest(target=target)):
        sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _started(session: Session, pod: Any) -> Any:

    limit = session.flags.seconds("pod-running-timeout")
    meta, reason = pod.metadata, ""
    for now in states(session.server, kinds.of(Pod), meta.namespace, meta.name, Deadline(limit)):
        if now is None:
            raise CommandError(f"pod {meta.name} was deleted before it ran")
        if now.status.phase in ("Running", "Succeeded", "Failed"):
            return now
        waiting = [each.state.waiting for each in now.status.containerStatuses]
        reason = next((f": {w.reason}: {w.message}" for w in waiting if w.message), reason)
    raise CommandError(f"timed out waiting for pod {meta.name} to run{reason}")


def _exit_code(session: Session, pod: Any) -> int:
    """The container's, which its node reports a moment after the end."""
    meta = pod.metadata
    for now in states(session.server, kinds.of(Pod), meta.namespace, meta.name, Deadline(30)):
        statuses = now.status.containerStatuses if now is not None else []
        if now is None or now.status.phase in ("Succeeded", "Failed"):
            return statuses[0].state.terminated.exitCode if statuses else 0
    return 0


def _remove(session: Session, pod: Any) -> None:
    try:
        session.server.delete(kinds.of(Pod), pod.metadata.name, session.namespace, DeleteOptions())
    except NotFound:
        return
    if not session.flags.on("quiet"):
        session.say(f'pod "{pod.metadata.name}" deleted from {session.namespace} namespace')


RUN = Command(
    usage="run NAME --image=IMAGE [--env=KEY=VALUE] [--port=PORT] [--overrides=JSON] [-- [COMMAND] "
    "[args...]] [flags]",
    about="Create and run a particular image in a pod.",
    examples="""  # A web server
  helmling run web --image=helmling/hello:v1 --port=80

  # The same, as a manifest to go on from
  helmling run web --image=helmling/hello:v1 --dry-run=client -o yaml

  # A shell that is gone when you leave it
  helmling run -it --rm shell --image=helmling/hello:v1 --restart=Never --command -- sh

  # With variables and labels
  helmling run web --image=helmling/hello:v1 --env=COLOR=blue --labels=app=web,tier=front""",
    run=run,
    tidies_up=True,
    flags=FLAGS,
)
