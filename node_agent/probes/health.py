"""The standard gRPC health service, as much of it as asking takes: one string out, one number back.

The two messages are so small that their bytes are written here by hand (grpc.health.v1.Health).
"""

import grpc
import grpc.aio

from node_agent.probes.http import USER_AGENT
from node_agent.probes.result import Result

METHOD = "/grpc.health.v1.Health/Check"
SERVING = 1
_NAMES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


def request(service: str) -> bytes:
    """HealthCheckRequest: field 1, the service's name."""
    name = service.encode()
    return b"\x0a" + _varint(len(name)) + name if name else b""


def _varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def status(response: bytes) -> int:
    """Of a HealthCheckResponse: field 1, an enum below 128; left out when it is 0."""
    return response[1] if len(response) >= 2 and response[0] == 0x08 else 0


async def check(address: str, service: str, *, timeout: float) -> Result:
    """Ask the server at `address` (host:port)."""
    options = [("grpc.primary_user_agent", USER_AGENT), ("grpc.enable_http_proxy", 0)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        ask = channel.unary_unary(METHOD)
        try:
            answer = status(await ask(request(service), timeout=timeout))
        except grpc.aio.AioRpcError as error:
            return Result(False, _words(error, address, timeout))
    if answer == SERVING:
        return Result(True, "service healthy")
    said = _NAMES.get(answer, str(answer))
    return Result(False, f'service unhealthy (responded with "{said}")')


def _words(error: grpc.aio.AioRpcError, address: str, timeout: float) -> str:
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"timeout: {address} did not answer the health check within {timeout:g} s"
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:
        return f"{address} does not implement the grpc health protocol (grpc.health.v1.Health)"
    return f"grpc health check of {address} failed: {error.code().name}: {error.details()}"
