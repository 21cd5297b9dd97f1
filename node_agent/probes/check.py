"""One check: run it, ask it, knock at its door. Also what lifecycle hooks are made of."""

import asyncio
from dataclasses import dataclass

from google.protobuf.struct_pb2 import Value

from node_agent.probes import health, http
from node_agent.probes.result import Result
from node_agent.runtime.errors import ExecTimeout, RuntimeFailure
from node_agent.runtime.interface import Streams
from proto.v1.pod_pb2 import Container, ExecAction, HTTPGetAction, Probe, TCPSocketAction


@dataclass(frozen=True)
class Subject:
    """Whom to ask."""

    container: Container
    container_id: str
    ip: str  # the pod's address


async def check(probe: Probe, subject: Subject, runtime: Streams, *, timeout: float) -> Result:
    """Ask once, in at most `timeout` seconds."""
    try:
        if probe.HasField("exec"):
            return await run(probe.exec, subject, runtime, timeout=timeout)
        if probe.HasField("httpGet"):
            return await http_get(probe.httpGet, subject, timeout=timeout)
        if probe.HasField("tcpSocket"):
            return await connect(probe.tcpSocket, subject, timeout=timeout)
        address = f"{subject.ip}:{probe.grpc.port}"
        return await health.check(address, probe.grpc.service, timeout=timeout)
    except (LookupError, RuntimeFailure) as error:
        return Result(None, str(error))


async def run(action: ExecAction, subject: Subject, runtime: Streams, *, timeout: float) -> Result:
    """Success is exit code 0. Raises RuntimeFailure when it could not be run at all."""
    try:
        ended = await runtime.exec_capture(
            subject.container_id, list(action.command), timeout=timeout
        )
    except ExecTimeout:
        words = " ".join(action.command)
        return Result(False, f'command "{words}" timed out after {timeout:g}s')
    output = ended.output.decode(errors="replace")
    return Result(ended.exit_code == 0, output or f"exit code {ended.exit_code}")


async def http_get(action: HTTPGetAction, subject: Subject, *, timeout: float) -> Result:
    """Raises LookupError when the container has no port of that name."""
    scheme = (action.scheme or "HTTP").lower()
    host = action.host or subject.ip
    host = f"[{host}]" if ":" in host else host
    path = action.path if action.path.startswith("/") else f"/{action.path}"
    url = f"{scheme}://{host}:{port_number(action.port, subject.container)}{path}"
    headers = {header.name: header.value for header in action.httpHeaders}
    return await http.get(url, headers, timeout=timeout)


async def connect(action: TCPSocketAction, subject: Subject, *, timeout: float) -> Result:
    """Success is a connection. Raises LookupError when the container has no port of that name."""
    host, port = action.host or subject.ip, port_number(action.port, subject.container)
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return Result(False, f"connecting to {host}:{port} took more than {timeout:g} s")
    except OSError as error:
        return Result(False, f"dial tcp {host}:{port}: {http.spoken(error)}")
    writer.close()
    return Result(True)


def port_number(port: Value, container: Container) -> int:
    """A number, or the name of one of the container's ports. Raises LookupError."""
    if port.HasField("number_value"):
        return int(port.number_value)
    name = port.string_value
    if name.isdigit():
        return int(name)
    for candidate in container.ports:
        if candidate.name == name:
            return candidate.containerPort
    raise LookupError(f'container "{container.name}" has no port named "{name}"')
