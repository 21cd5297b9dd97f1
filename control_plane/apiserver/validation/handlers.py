"""Probes and lifecycle hooks: exactly one way to act, and numbers that make sense (S#41, S#42)."""

from google.protobuf.struct_pb2 import Value

from api.errors import Cause
from control_plane.apiserver.validation import causes, formats
from proto.v1.pod_pb2 import Container, HTTPGetAction, LifecycleHandler, PodSpec, Probe

_PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_HOOK_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")


def validate_handlers(spec: PodSpec, container: Container, path: str) -> list[Cause]:
    found: list[Cause] = []
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.HasField(name):
            found += _probe(getattr(container, name), name, f"{path}.{name}")
    if container.HasField("lifecycle"):
        for name in ("postStart", "preStop"):
            if container.lifecycle.HasField(name):
                place = f"{path}.lifecycle.{name}"
                found += _hook(spec, getattr(container.lifecycle, name), place)
    return found


def _probe(probe: Probe, name: str, path: str) -> list[Cause]:
    found = _one_handler(probe, _PROBE_HANDLERS, path)
    if name != "readinessProbe" and probe.successThreshold not in (0, 1):
        told = "must be 1"
        found.append(causes.invalid(f"{path}.successThreshold", probe.successThreshold, told))
    if name == "readinessProbe" and probe.HasField("terminationGracePeriodSeconds"):
        place, told = f"{path}.terminationGracePeriodSeconds", "must not be set for readinessProbes"
        found.append(causes.invalid(place, probe.terminationGracePeriodSeconds, told))
    return found


def _hook(spec: PodSpec, hook: LifecycleHandler, path: str) -> list[Cause]:
    found = _one_handler(hook, _HOOK_HANDLERS, path)
    grace = spec.terminationGracePeriodSeconds
    if hook.HasField("sleep") and not 0 <= hook.sleep.seconds <= grace:
        told = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
        found.append(causes.invalid(f"{path}.sleep.seconds", hook.sleep.seconds, told))
    return found


def _one_handler(
    handler: Probe | LifecycleHandler, choices: tuple[str, ...], path: str
) -> list[Cause]:
    missing = f"must specify a handler type: {', '.join(choices)}"
    found = causes.exactly_one(handler, choices, path, what="handler type", missing=missing)
    if handler.HasField("httpGet"):
        found += _http(handler.httpGet, f"{path}.httpGet")
    if handler.HasField("tcpSocket"):
        found += validate_port(handler.tcpSocket.port, f"{path}.tcpSocket.port")
    return found


def _http(action: HTTPGetAction, path: str) -> list[Cause]:
    found = validate_port(action.port, f"{path}.port")
    for index, header in enumerate(action.httpHeaders):
        problems = formats.header_name(header.name) if header.name else ()
        place = f"{path}.httpHeaders[{index}].name"
        found += [causes.invalid(place, header.name, each) for each in problems]
    return found


def validate_port(port: Value, path: str) -> list[Cause]:
    shape = port.WhichOneof("kind")
    if shape == "number_value":
        number = port.number_value
        if not (number.is_integer() and 1 <= number <= 65535):
            told = "must be between 1 and 65535, inclusive"
            return [causes.invalid(path, int(number) if number.is_integer() else number, told)]
        return []
    if shape == "string_value":
        name = port.string_value
        return [causes.invalid(path, name, problem) for problem in formats.port_name(name)]
    # A missing port is told by the rules of the field.
    return [] if shape is None else [Cause(path, "Invalid value: must be a number or a name")]
