"""A container of a pod in words."""

from typing import Any

from cli.describe.lines import NONE, Field, fields, moment, yes

STATES = ("waiting", "running", "terminated")


def container_lines(spec: Any, status: Any) -> list[str]:
    """`status` is None before the node has reported one, and in a template."""
    lines = [f"  {spec.name}:", *fields(_facts(spec, status), "    ")]
    for title, words in (("Command", spec.command), ("Args", spec.args)):
        if words:
            lines += [
                f"    {title}:",
                *(f"      {line}" for word in words for line in word.split("\n")),
            ]
    lines += fields(_course(status), "    ") if status is not None else []
    for title, amounts in (
        ("Limits", spec.resources.limits),
        ("Requests", spec.resources.requests),
    ):
        if amounts:
            lines += [
                f"    {title}:",
                *fields([(k, amounts[k]) for k in sorted(amounts)], "      "),
            ]
    lines += fields(_probes(spec), "    ")
    if spec.envFrom:
        lines += ["    Environment Variables from:", *map(_source, spec.envFrom)]
    for title, body in (
        ("Environment", [_variable(each) for each in spec.env]),
        ("Mounts", [_mount(each) for each in spec.volumeMounts]),
    ):
        lines += [f"    {title}:", *body] if body else [f"    {title + ':':<16}{NONE}"]
    return lines


def _facts(spec: Any, status: Any) -> list[Field]:
    ports = ", ".join(
        f"{port.containerPort}/{port.protocol}{f' ({port.name})' if port.name else ''}"
        for port in spec.ports
    )
    hosts = ", ".join(f"{port.hostPort}/{port.protocol}" for port in spec.ports)
    plural = "s" if len(spec.ports) > 1 else ""
    image: list[Field] = [("Image", spec.image)]
    if status is not None:
        image = [("Container ID", status.containerID), *image, ("Image ID", status.imageID)]
    return [
        *image,
        (f"Port{plural}", ports or NONE),
        (f"Host Port{plural}", hosts or NONE),
    ]


def _course(status: Any) -> list[Field]:
    """How it is, how its last run ended, and how often it was started again."""
    rows = _state("State", status.state)
    if any(status.lastState.HasField(each) for each in STATES):
        rows += _state("Last State", status.lastState)
    return [*rows, ("Ready", yes(status.ready)), ("Restart Count", str(status.restartCount))]


def _state(title: str, state: Any) -> list[Field]:
    if state.HasField("running"):
        return [(title, "Running"), ("  Started", moment(state.running.startedAt))]
    if state.HasField("terminated"):
        ended = state.terminated
        rows: list[Field] = [(title, "Terminated"), ("  Reason", ended.reason)]
        rows += [("  Message", ended.message.strip())] if ended.message else []
        rows += [("  Exit Code", str(ended.exitCode))]
        rows += [("  Signal", str(ended.signal))] if ended.signal else []
        return [
            *rows,
            ("  Started", moment(ended.startedAt)),
            ("  Finished", moment(ended.finishedAt)),
        ]
    rows = [(title, "Waiting")]
    rows += [("  Reason", state.waiting.reason)] if state.waiting.reason else []
    return rows + ([("  Message", state.waiting.message)] if state.waiting.message else [])


def _probes(spec: Any) -> list[Field]:
    named = (
        ("Liveness", "livenessProbe"),
        ("Readiness", "readinessProbe"),
        ("Startup", "startupProbe"),
    )
    return [(title, probe(getattr(spec, name))) for title, name in named if spec.HasField(name)]


def probe(each: Any) -> str:
    """`http-get http://:80/ delay=0s timeout=1s period=10s #success=1 #failure=3`."""
    return (
        f"{_action(each)} delay={each.initialDelaySeconds}s timeout={each.timeoutSeconds}s "
        f"period={each.periodSeconds}s #success={each.successThreshold} #failure={each.failureThreshold}"
    )


def _action(each: Any) -> str:
    if each.HasField("exec"):
        return f"exec [{' '.join(each.exec.command)}]"
    if each.HasField("httpGet"):
        http = each.httpGet
        return f"http-get {(http.scheme or 'HTTP').lower()}://{http.host}:{_port(http.port)}{http.path}"
    if each.HasField("tcpSocket"):
        return f"tcp-socket {each.tcpSocket.host}:{_port(each.tcpSocket.port)}"
    return f"grpc <pod>:{each.grpc.port} {each.grpc.service}".rstrip()


def _port(value: Any) -> str:
    return (
        str(int(value.number_value))
        if value.WhichOneof("kind") == "number_value"
        else str(value.string_value)
    )


def _variable(each: Any) -> str:
    source = each.valueFrom
    if source.HasField("fieldRef"):
        value = f" ({source.fieldRef.apiVersion or 'v1'}:{source.fieldRef.fieldPath})"
    elif source.HasField("resourceFieldRef"):
        reference = source.resourceFieldRef
        value = f"{reference.containerName or 'this container'} ({reference.resource})"
    elif source.HasField("configMapKeyRef"):
        chosen = source.configMapKeyRef
        value = f"<set to the key '{chosen.key}' of config map '{chosen.name}'>{_optional(chosen)}"
    elif source.HasField("secretKeyRef"):
        chosen = source.secretKeyRef
        value = f"<set to the key '{chosen.key}' in secret '{chosen.name}'>{_optional(chosen)}"
    else:
        value = each.value
    return f"      {each.name}:  {value}"


def _source(each: Any) -> str:
    """One of envFrom: `keys  Secret with prefix 'DB_'  Optional: false`."""
    is_map = each.HasField("configMapRef")
    chosen, kind = (each.configMapRef, "ConfigMap") if is_map else (each.secretRef, "Secret")
    prefix = f" with prefix '{each.prefix}'" if each.prefix else ""
    return f"      {chosen.name}  {kind}{prefix}{_optional(chosen)}"


def _optional(chosen: Any) -> str:
    return f"  Optional: {'true' if chosen.optional else 'false'}"


def _mount(each: Any) -> str:
    how = "ro" if each.readOnly else "rw"
    path = f',path="{each.subPath}"' if each.subPath else ""
    return f"      {each.mountPath} from {each.name} ({how}{path})"
