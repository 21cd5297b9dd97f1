"""Logs, exec, attach and port-forward: calls that are passed on to the agent on the pod's node.

Only the first message is read here, to find the pod, the container and the node, and to refuse with a sentence what
cannot work. From then on bytes go through in both directions as they come, and the stream ends on both sides when it
ends on one. Each call has a connection of its own: it costs two milliseconds, and nothing is left to clean up.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from api import rpc
from api.client import Client
from api.errors import BadRequest, NotFound, Unavailable
from api.grpc_server import Admit, Context, Verb, handler_of
from api.identities import agent_host
from control_plane.apiserver import containers
from control_plane.apiserver.authorization.gate import Gate, of_container
from control_plane.apiserver.trail import Trail
from proto.v1 import service_pb2 as pb
from proto.v1.cluster_pb2 import Node
from proto.v1.pod_pb2 import Pod

FIRST_MESSAGE = 10.0  # seconds that a caller has to say what it wants

# What to show to agents, and whom to believe there; asked for anew with every call.
AgentCredentials = Callable[[], grpc.ChannelCredentials]

_METHODS = {method.name: method for method in rpc.methods("Streams")}


class Streams:
    """The service `Streams` of proto/v1/service.proto."""

    def __init__(
        self, client: Client, to_agents: AgentCredentials, gate: Gate, trail: Trail
    ) -> None:
        self._client = client
        self._gate, self._trail = gate, trail
        self._to_agents = to_agents

    def handler(self, admit: Admit) -> grpc.GenericRpcHandler:
        return handler_of("Streams", self.plain(), admit=admit, encoded=True)

    def plain(self) -> dict[str, Verb]:
        """For another dialect, too (control_plane/gateway): what goes in and out is messages, serialised."""
        verbs: dict[str, Verb] = {
            "Logs": self._logs,
            "Exec": self._exec,
            "Attach": self._attach,
            "PortForward": self._port_forward,
        }
        return self._trail.followed(verbs)

    async def _logs(self, request: pb.LogsRequest, context: Context) -> None:
        target = request.target
        self._gate.check(of_container("get", "log", target.namespace, target.pod))
        pod = await self._pod(target.namespace, target.pod)
        target.container = containers.container_of(pod, target.container)
        node = containers.node_of(pod)
        containers.check_logs(pod, target.container, previous=request.previous)
        await self._pass_on("Logs", node, request, None, context)

    async def _exec(self, messages: AsyncIterator[bytes], context: Context) -> None:
        await self._into_container("Exec", messages, context)

    async def _attach(self, messages: AsyncIterator[bytes], context: Context) -> None:
        await self._into_container("Attach", messages, context)

    async def _into_container(
        self, method: str, messages: AsyncIterator[bytes], context: Context
    ) -> None:
        first = await _first(messages, pb.ExecRequest())
        target = first.open.target
        self._gate.check(of_container("create", method.lower(), target.namespace, target.pod))
        if method == "Exec" and not first.open.command:
            raise BadRequest("you must specify at least one command for the container")
        pod = await self._pod(target.namespace, target.pod)
        target.container = containers.container_of(pod, target.container)
        node = containers.node_of(pod)
        containers.check_exec(pod, target.container)
        await self._pass_on(method, node, first, messages, context)

    async def _port_forward(self, messages: AsyncIterator[bytes], context: Context) -> None:
        first = await _first(messages, pb.PortForwardRequest())
        self._gate.check(
            of_container("create", "portforward", first.open.namespace, first.open.pod)
        )
        if not 0 < first.open.port < 65536:
            raise BadRequest(f"the port must be between 1 and 65535, not {first.open.port}")
        pod = await self._pod(first.open.namespace, first.open.pod)
        node = containers.node_of(pod)
        if pod.status.phase != "Running":
            raise BadRequest(
                f"unable to forward port because pod is not running. Current status={pod.status.phase}"
            )
        await self._pass_on("PortForward", node, first, messages, context)

    async def _pod(self, namespace: str, name: str) -> Pod:
        return await self._client.get(Pod, name, namespace)

    async def _pass_on(
        self,
        method: str,
        node: str,
        first: Message,
        rest: AsyncIterator[bytes] | None,
        context: Context,
    ) -> None:
        address = await self._address(node)
        async with self._channel(node, address) as channel:
            call = _call(channel, method, first, rest)
            try:
                async for message in call:
                    await context.write(message)
            except grpc.aio.AioRpcError as failure:
                error = rpc.error_of(failure)
                if isinstance(error, Unavailable):
                    error = Unavailable(
                        f"cannot reach the agent on node {node} at {address}: {error.message}"
                    )
                raise error from None
            finally:
                call.cancel()

    def _channel(self, node: str, address: str) -> grpc.aio.Channel:
        """To the agent of that node, and to nobody else who may be listening there."""
        options = [*rpc.CHANNEL_OPTIONS, ("grpc.ssl_target_name_override", agent_host(node))]
        return grpc.aio.secure_channel(address, self._to_agents(), options=options)

    async def _address(self, node: str) -> str:
        try:
            return containers.agent_address(await self._client.get(Node, node))
        except NotFound:
            raise BadRequest(f"node {node}, where the pod is bound to, does not exist") from None


def _call(
    channel: grpc.aio.Channel, method: str, first: Message, rest: AsyncIterator[bytes] | None
) -> Any:
    """The agent's answer, message by message, as bytes."""
    path, start = _METHODS[method].path, first.SerializeToString()
    if rest is None:
        return channel.unary_stream(path)(start)

    async def requests() -> AsyncIterator[bytes]:
        yield start
        async for message in rest:
            yield message

    return channel.stream_stream(path)(requests())


async def _first(messages: AsyncIterator[bytes], empty: Any) -> Any:
    """The message that opens a stream. Raises BadRequest."""
    try:
        async with asyncio.timeout(FIRST_MESSAGE):
            empty.ParseFromString(await anext(messages))
    except (TimeoutError, StopAsyncIteration):
        raise BadRequest("the stream ended, or waited, before its first message") from None
    except DecodeError as error:
        raise BadRequest(f"the first message cannot be read: {error}") from None
    if not empty.HasField("open"):
        raise BadRequest("the first message of a stream must say what to open")
    return empty
