"""The service on the wire: what only a gRPC client can see, and requests that no decent client would send."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.any_pb2 import Any as Envelope

from api import kinds, rpc
from api.errors import (
    ApiError,
    BadRequest,
    Expired,
    Internal,
    Invalid,
    MethodNotAllowed,
    NotFound,
    Unavailable,
    UnsupportedMedia,
)
from api.grpc_client import connect
from control_plane.apiserver import watcher
from control_plane.apiserver.server import ApiServer, CannotListen, Door
from control_plane.store.memory import MemoryStore
from proto.v1 import service_pb2 as pb
from proto.v1.cluster_pb2 import Namespace, Node
from proto.v1.meta_pb2 import DeleteOptions, ObjectMeta
from proto.v1.pod_pb2 import Pod
from tests import pki
from tests.apiserver import World, nothing_left, pod, serving, until

Ask = Callable[[str, Any], Coroutine[Any, Any, Any]]
PODS = pb.Target(resource="pods", namespace="default")
WEB = pb.Target(resource="pods", namespace="default", name="web")


def run(scenario: Callable[[World, Any], Coroutine[Any, Any, None]]) -> None:
    """With the bare stub of the service."""

    async def main() -> None:
        async with asyncio.timeout(60), serving(MemoryStore(), grpc=True) as world:
            options = rpc.CHANNEL_OPTIONS
            async with grpc.aio.secure_channel(
                world.address, pki.admin().channel_credentials(), options=options
            ) as channel:
                await scenario(world, rpc.aio_stub(channel))
        await nothing_left()

    asyncio.run(main())


async def refused(call: Any) -> ApiError:
    """The error that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return rpc.error_of(caught.value)


def packed(obj: Any, **changes: Any) -> Envelope:
    envelope = rpc.pack(obj)
    for name, value in changes.items():
        setattr(envelope, name, value)
    return envelope


@pytest.mark.parametrize(
    ("request_", "error", "told"),
    [
        (
            pb.CreateRequest(target=PODS),
            BadRequest,
            "the object must be a helmling.v1.Pod, not 'nothing'",
        ),
        (
            pb.CreateRequest(target=PODS, object=packed(pod(), type_url="x/helmling.v1.Node")),
            BadRequest,
            "must be a helmling.v1.Pod",
        ),
        (
            pb.CreateRequest(target=PODS, object=packed(pod(), value=b"\xff\xff\xff")),
            BadRequest,
            "cannot be read as a Pod",
        ),
        (
            pb.CreateRequest(target=PODS, object=packed(Pod(apiVersion="v2", kind="Pod"))),
            BadRequest,
            "the object is a v2 Pod, and the request is about pods",
        ),
        (
            pb.CreateRequest(target=PODS, object=packed(pod(namespace="other"))),
            BadRequest,
            "does not match the namespace sent on the request: other is not default",
        ),
        (
            pb.CreateRequest(target=WEB, object=packed(pod("other"))),
            BadRequest,
            "the name of the object \\(other\\) does not match",
        ),
        (
            pb.CreateRequest(
                target=pb.Target(resource="nodes"), object=packed(Node(metadata={"namespace": "x"}))
            ),
            BadRequest,
            "nodes do not live in namespaces",
        ),
        (
            pb.CreateRequest(target=pb.Target(resource="unicorns", group="apps")),
            NotFound,
            'doesn\'t have a resource type "unicorns.apps"',
        ),
        (
            pb.CreateRequest(
                target=pb.Target(
                    resource="pods", namespace="default", name="web", subresource="exec"
                )
            ),
            MethodNotAllowed,
            "create is not supported on pods/exec",
        ),
        (
            pb.CreateRequest(
                target=PODS, object=packed(pod()), options={"fieldValidation": "Maybe"}
            ),
            BadRequest,
            "fieldValidation must be Strict, Warn or Ignore",
        ),
        (
            # Field 1000 of a Pod: from a client that is newer than this server.
            pb.CreateRequest(
                target=PODS, object=packed(pod(), value=pod().SerializeToString() + b"\xc0\x3e\x01")
            ),
            BadRequest,
            "fields that this server does not know",
        ),
    ],
)
def test_creates_that_make_no_sense(request_: Any, error: type[ApiError], told: str) -> None:
    async def scenario(world: World, stub: Any) -> None:
        failure = await refused(stub.Create(request_))
        assert type(failure) is error
        with pytest.raises(error, match=told):
            raise failure
        assert (await world.client.list(Pod)).items == []

    run(scenario)


def test_unknown_fields_can_be_dropped() -> None:
    async def scenario(_: World, stub: Any) -> None:
        newer = packed(pod(), value=pod().SerializeToString() + b"\xc0\x3e\x01")
        made = await stub.Create(
            pb.CreateRequest(target=PODS, object=newer, options={"fieldValidation": "Ignore"})
        )
        assert b"\xc0\x3e\x01" not in made.value

    run(scenario)


def test_the_target_fills_in_what_the_object_leaves_out() -> None:
    async def scenario(_: World, stub: Any) -> None:
        bare = Pod(spec=pod().spec)
        made = Pod.FromString(
            (await stub.Create(pb.CreateRequest(target=WEB, object=packed(bare)))).value
        )
        assert (made.metadata.namespace, made.metadata.name) == ("default", "web")

    run(scenario)


def test_a_request_that_is_no_message_is_a_bad_request() -> None:
    async def scenario(world: World, _: Any) -> None:
        async with grpc.aio.secure_channel(
            world.address, pki.admin().channel_credentials()
        ) as channel:
            call = channel.unary_unary("/helmling.v1.Resources/Get")
            failure = await refused(call(b"\xff\xff\xff"))
            assert isinstance(failure, BadRequest)
            assert "this is no GetRequest" in failure.message

    run(scenario)


@pytest.mark.parametrize(
    ("request_", "error", "told"),
    [
        (pb.ListRequest(target=PODS, limit=-1), BadRequest, "limit must not be negative"),
        (pb.ListRequest(target=WEB), BadRequest, "a collection has no name"),
        (pb.ListRequest(target=PODS, includeObject="All"), BadRequest, "includeObject must be"),
        (
            pb.ListRequest(target=PODS, resourceVersionMatch="Exact"),
            Invalid,
            "forbidden unless resourceVersion is provided",
        ),
        (
            pb.ListRequest(target=PODS, resourceVersionMatch="Exact", resourceVersion="0"),
            Invalid,
            'forbidden for resourceVersion "0"',
        ),
        (
            pb.ListRequest(target=PODS, resourceVersionMatch="Sometimes", resourceVersion="1"),
            Invalid,
            "Unsupported value",
        ),
        (
            pb.ListRequest(target=PODS, continueToken="x", resourceVersion="5"),
            BadRequest,
            "not allowed when using continue",
        ),
    ],
)
def test_lists_that_make_no_sense(request_: Any, error: type[ApiError], told: str) -> None:
    async def scenario(_: World, stub: Any) -> None:
        failure = await refused(stub.List(request_))
        assert type(failure) is error
        assert told in failure.message

    run(scenario)


def test_an_exact_version_shows_the_past() -> None:
    async def scenario(world: World, stub: Any) -> None:
        made = await world.client.create(pod())
        await world.client.delete(Pod, "web", "default")
        past = pb.ListRequest(
            target=PODS,
            resourceVersion=made.metadata.resourceVersion,
            resourceVersionMatch="Exact",
        )
        reply = await stub.List(past)
        assert [Pod.FromString(item.value) for item in reply.items] == [made]
        assert reply.metadata.resourceVersion == made.metadata.resourceVersion
        assert (await stub.List(pb.ListRequest(target=PODS))).items == []

    run(scenario)


def test_tables() -> None:
    """S#18"""

    async def scenario(world: World, stub: Any) -> None:
        made = await world.client.create(pod())
        reply = await stub.List(pb.ListRequest(target=PODS, asTable=True))
        assert not reply.items
        names = [column.name for column in reply.table.columnDefinitions]
        assert names[:5] == ["Name", "Ready", "Status", "Restarts", "Age"]
        (row,) = reply.table.rows
        assert row.cells[0].string_value == "web"
        assert row.cells[2].string_value == "Pending"
        about = Pod.FromString(row.object.value)
        assert about.metadata == made.metadata
        assert not about.HasField("spec")
        for include, shown in (("None", Pod()), ("Object", made)):
            request = pb.ListRequest(target=PODS, asTable=True, includeObject=include)
            reply = await stub.List(request)
            assert Pod.FromString(reply.table.rows[0].object.value) == shown

    run(scenario)


def test_the_table_of_one_object() -> None:
    """A list with a name is a get that is shown as a row; it is never more than that."""

    async def scenario(world: World, stub: Any) -> None:
        for name in ("web", "other"):
            await world.client.create(pod(name))
        one = pb.Target(resource="pods", namespace="default", name="web")
        reply = await stub.List(pb.ListRequest(target=one, asTable=True))
        assert [row.cells[0].string_value for row in reply.table.rows] == ["web"]
        missing = pb.Target(resource="pods", namespace="default", name="none")
        for refused, code in (
            (pb.ListRequest(target=one), grpc.StatusCode.INVALID_ARGUMENT),
            (pb.ListRequest(target=one, asTable=True, labelSelector="a=b"), grpc.StatusCode.INVALID_ARGUMENT),
            (pb.ListRequest(target=one, asTable=True, includeObject="All"), grpc.StatusCode.INVALID_ARGUMENT),
            (pb.ListRequest(target=missing, asTable=True), grpc.StatusCode.NOT_FOUND),
        ):  # fmt: skip
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.List(refused)
            assert caught.value.code() == code

    run(scenario)


def test_a_watched_table() -> None:
    async def scenario(world: World, stub: Any) -> None:
        await world.client.create(pod())
        call = stub.Watch(pb.WatchRequest(target=PODS, asTable=True))
        first = (await call.read()).events
        assert [event.type for event in first] == ["ADDED"]
        assert first[0].columnDefinitions[0].name == "Name"
        assert first[0].row.cells[0].string_value == "web"
        await world.client.create(pod("next"))
        (second,) = (await call.read()).events
        assert second.row.cells[0].string_value == "next"
        assert not second.columnDefinitions
        call.cancel()

    run(scenario)


def test_initial_events_end_with_a_bookmark() -> None:
    """S#9"""

    async def scenario(world: World, stub: Any) -> None:
        made = await world.client.create(pod())
        request = pb.WatchRequest(
            target=PODS, sendInitialEvents=True, allowWatchBookmarks=True, resourceVersion="0"
        )
        request.resourceVersion = made.metadata.resourceVersion
        call = stub.Watch(request)
        events = [*(await call.read()).events, *(await call.read()).events]
        assert [event.type for event in events] == ["ADDED", "BOOKMARK"]
        end = Pod.FromString(events[1].object.value).metadata
        assert end.annotations["k8s.io/initial-events-end"] == "true"
        assert end.resourceVersion == made.metadata.resourceVersion
        call.cancel()

    run(scenario)


def test_a_client_that_does_not_read_is_told_to_list_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it does not take stays in the connection's window and 20 references; then its place is gone."""
    monkeypatch.setattr(watcher, "PENDING", 20)

    async def scenario(world: World, stub: Any) -> None:
        large = Node(metadata=ObjectMeta(name="large", annotations={"a": "x" * 200_000}))
        made = await world.client.create(large)
        nodes = pb.Target(resource="nodes")
        version = made.metadata.resourceVersion
        call = stub.Watch(pb.WatchRequest(target=nodes, resourceVersion=version))
        cache = world.server.cache.of(kinds.of(Node))
        await until(lambda: list(cache.watchers()))
        for number in range(200):
            made.metadata.labels["n"] = str(number)
            made.metadata.resourceVersion = ""
            await world.client.update(made)
        received = 0

        async def read() -> None:
            nonlocal received
            async for batch in call:
                received += len(batch.events)

        assert isinstance(await refused(read()), Expired)
        assert received < 200
        assert not list(cache.watchers())

    run(scenario)


def test_delete_collection() -> None:
    async def scenario(world: World, stub: Any) -> None:
        for name, tier in (("a", "web"), ("b", "web"), ("c", "db")):
            await world.client.create(pod(name, tier=tier))
        request = pb.DeleteCollectionRequest(target=PODS, labelSelector="tier=web")
        dry = pb.DeleteCollectionRequest(target=PODS, options={"dryRun": True})
        assert len((await stub.DeleteCollection(dry)).items) == 3
        reply = await stub.DeleteCollection(request)
        assert [Pod.FromString(item.value).metadata.name for item in reply.items] == ["a", "b"]
        assert [p.metadata.name for p in (await world.client.list(Pod)).items] == ["c"]
        everything = pb.DeleteCollectionRequest(target=pb.Target(resource="namespaces"))
        assert isinstance(await refused(stub.DeleteCollection(everything)), MethodNotAllowed)

    run(scenario)


def test_batches_over_the_wire_take_patches_and_deletes_with_options() -> None:
    async def scenario(world: World, stub: Any) -> None:
        await world.client.create(pod())
        patch = pb.PatchRequest(
            target=WEB,
            patchType="application/merge-patch+json",
            patch=b'{"metadata":{"labels":{"a":"b"}}}',
        )
        delete = pb.DeleteRequest(
            target=WEB, deleteOptions=DeleteOptions(preconditions={"uid": "other"})
        )
        reply = await stub.Batch(
            pb.BatchRequest(
                items=[pb.BatchItem(patch=patch), pb.BatchItem(delete=delete), pb.BatchItem()]
            )
        )
        assert Pod.FromString(reply.results[0].object.value).metadata.labels["a"] == "b"
        assert [result.error.reason for result in reply.results[1:]] == ["Conflict", "BadRequest"]

    run(scenario)


def test_warnings_come_with_the_answer() -> None:
    """S#16: Warn drops what is unknown and says so."""

    async def scenario(world: World, stub: Any) -> None:
        await world.client.create(pod())
        request = pb.PatchRequest(
            target=WEB,
            patchType="application/merge-patch+json",
            patch=b'{"metadata":{"labels":{"a":"b"}},"spec":{"colour":"red"}}',
            options={"fieldValidation": "Warn"},
        )
        call = stub.Patch(request)
        assert Pod.FromString((await call).value).metadata.labels["a"] == "b"
        warnings = [
            v.decode() for k, v in await call.trailing_metadata() if k == "helmling-warning-bin"
        ]
        assert len(warnings) == 1
        assert warnings[0].startswith("spec.colour: unknown field")
        request.options.fieldValidation = "Ignore"
        assert not [k for k, _ in await stub.Patch(request).trailing_metadata() if "warning" in k]
        request.options.fieldValidation = "Strict"
        assert isinstance(await refused(stub.Patch(request)), Invalid)

    run(scenario)


@pytest.mark.parametrize(
    ("media", "body", "error", "told"),
    [
        ("application/yaml", b"{}", UnsupportedMedia, "is not supported; supported are: "),
        ("application/merge-patch+json", b"{", BadRequest, "the patch is not valid JSON"),
        (
            "application/merge-patch+json",
            b'{"metadata":{},"metadata":{}}',
            Invalid,
            "more than once",
        ),
    ],
)
def test_patches_that_cannot_be_read(media: str, body: bytes, error: Any, told: str) -> None:
    async def scenario(world: World, stub: Any) -> None:
        await world.client.create(pod())
        failure = await refused(
            stub.Patch(pb.PatchRequest(target=WEB, patchType=media, patch=body))
        )
        assert type(failure) is error
        assert told in failure.message

    run(scenario)


def test_an_error_of_ours_is_told_shortly_and_logged_fully(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(world: World, stub: Any) -> None:
        async def broken(key: str) -> None:
            raise ZeroDivisionError("a secret detail")

        monkeypatch.setattr(world.store, "get", broken)
        failure = await refused(stub.Get(pb.GetRequest(target=WEB)))
        assert isinstance(failure, Internal)
        assert "secret" not in failure.message
        assert "a secret detail" in caplog.text

    run(scenario)


def test_an_error_with_a_thousand_causes_arrives() -> None:
    async def scenario(world: World, _: Any) -> None:
        bad = pod()
        for number in range(1000):
            bad.metadata.labels[f"-{number}-"] = "x"
        with pytest.raises(Invalid) as caught:
            await world.client.create(bad)
        assert len(caught.value.causes) == 1000

    run(scenario)


def test_version_says_which_cluster_this_is() -> None:
    async def scenario(world: World, stub: Any) -> None:
        version = await stub.Version(pb.VersionRequest())
        system = await world.client.get(Namespace, "kube-system")
        assert version.cluster == system.metadata.uid
        assert version.kubernetes.startswith("v1.")

    run(scenario)


def test_nobody_answers() -> None:
    async def main() -> None:
        async with connect("127.0.0.1:1", pki.admin()) as client:
            with pytest.raises(Unavailable):
                await client.get(Node, "n1")

    asyncio.run(main())


def test_two_servers_cannot_share_an_address() -> None:
    async def scenario(world: World, _: Any) -> None:
        other = ApiServer(MemoryStore())
        with pytest.raises(CannotListen, match="is another server running there"):
            async with other.listening(Door(world.address, pki.door()), to_agents=pki.to_agents):
                pass

    run(scenario)


def test_the_synchronous_stub_speaks_the_same() -> None:
    async def scenario(world: World, _: Any) -> None:
        def ask() -> Any:
            with grpc.secure_channel(
                world.address, pki.admin().channel_credentials(), options=rpc.CHANNEL_OPTIONS
            ) as channel:
                stub = rpc.sync_stub(channel)
                try:
                    stub.Get(pb.GetRequest(target=WEB))
                except grpc.RpcError as failure:
                    return rpc.error_of(failure), stub.Version(pb.VersionRequest())

        error, version = await asyncio.to_thread(ask)
        assert isinstance(error, NotFound)
        assert version.helmling

    run(scenario)


# Streams, with an agent of our own


class Agent:
    """Answers like the agent of a node, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def logs(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        self.asked.append(pb.LogsRequest.FromString(request))
        for number in range(3):
            yield pb.LogsResponse(data=b"line %d\n" % number).SerializeToString()

    async def exec(self, messages: Any, context: Any) -> AsyncIterator[bytes]:
        async for message in messages:
            request = pb.ExecRequest.FromString(message)
            self.asked.append(request)
            if request.closeStdin:
                yield pb.ExecResponse(exitCode=7).SerializeToString()
                return
            yield pb.ExecResponse(stdout=request.stdin.upper()).SerializeToString()

    def handler(self) -> Any:
        return grpc.method_handlers_generic_handler(
            "helmling.v1.Streams",
            {
                "Logs": grpc.unary_stream_rpc_method_handler(self.logs),
                "Exec": grpc.stream_stream_rpc_method_handler(self.exec),
            },
        )


async def running_pod(world: World, port: int) -> None:
    node = await world.client.create(Node(metadata=ObjectMeta(name="n1")))
    node.status.addresses.add(type="InternalIP", address="127.0.0.1")
    node.status.daemonEndpoints.kubeletEndpoint.Port = port
    await world.client.update(node, subresource="status")
    await world.client.create(pod())
    await world.client.bind("default", "web", "", "n1")
    web = await world.client.get(Pod, "web", "default")
    web.status.phase = "Running"
    status = web.status.containerStatuses.add(name="app", image="x", imageID="x")
    status.state.running.startedAt.seconds = 1
    await world.client.update(web, subresource="status")


def streaming(scenario: Callable[[World, Any, Agent], Coroutine[Any, Any, None]]) -> None:
    async def with_agent(world: World, _: Any) -> None:
        agent, server = Agent(), grpc.aio.server()
        server.add_generic_rpc_handlers((agent.handler(),))
        await running_pod(world, server.add_secure_port("127.0.0.1:0", pki.agent_door("n1")))
        await server.start()
        try:
            async with grpc.aio.secure_channel(
                world.address, pki.admin().channel_credentials()
            ) as channel:
                await scenario(world, rpc.aio_stub(channel, "Streams"), agent)
        finally:
            await server.stop(None)

    run(with_agent)


def in_pod(name: str = "web", container: str = "") -> pb.ContainerTarget:
    return pb.ContainerTarget(namespace="default", pod=name, container=container)


def test_logs_pass_through() -> None:
    async def scenario(_: World, stub: Any, agent: Agent) -> None:
        call = stub.Logs(pb.LogsRequest(target=in_pod(), tailLines=3))
        assert b"".join([m.data async for m in call]) == b"line 0\nline 1\nline 2\n"
        (asked,) = agent.asked
        assert (asked.target.container, asked.tailLines) == ("app", 3)

    streaming(scenario)


def test_exec_passes_through_both_ways() -> None:
    async def scenario(_: World, stub: Any, agent: Agent) -> None:
        call = stub.Exec()
        await call.write(
            pb.ExecRequest(open={"target": in_pod(), "command": ["cat"], "stdin": True})
        )
        await call.write(pb.ExecRequest(stdin=b"hello"))
        await call.write(pb.ExecRequest(closeStdin=True))
        await call.done_writing()
        replies = [message async for message in call]
        assert b"".join(reply.stdout for reply in replies) == b"HELLO"
        assert replies[-1].exitCode == 7
        assert agent.asked[0].open.target.container == "app"

    streaming(scenario)


def test_a_stream_cannot_go_where_nobody_is() -> None:
    async def scenario(world: World, stub: Any, _: Agent) -> None:
        async def told(request: pb.LogsRequest) -> str:
            return (await refused(stub.Logs(request).read())).message

        assert 'pods "none" not found' in await told(pb.LogsRequest(target=in_pod("none")))
        await world.client.create(pod("waiting"))
        assert "has not been scheduled yet" in await told(pb.LogsRequest(target=in_pod("waiting")))
        wrong = await told(pb.LogsRequest(target=in_pod("web", "sidecar")))
        assert "container sidecar is not valid for pod web" in wrong
        previous = await told(pb.LogsRequest(target=in_pod(), previous=True))
        assert 'previous terminated container "app" in pod "web" not found' in previous
        call = stub.Exec()
        await call.write(pb.ExecRequest(stdin=b"x"))
        assert "must say what to open" in (await refused(call.read())).message
        call = stub.PortForward()
        await call.write(
            pb.PortForwardRequest(open={"namespace": "default", "pod": "web", "port": 70000})
        )
        assert "between 1 and 65535" in (await refused(call.read())).message

    streaming(scenario)


def test_a_node_that_cannot_be_reached_is_named() -> None:
    async def scenario(world: World, _: Any) -> None:
        await running_pod(world, 1)
        async with grpc.aio.secure_channel(
            world.address, pki.admin().channel_credentials()
        ) as channel:
            stub = rpc.aio_stub(channel, "Streams")
            failure = await refused(stub.Logs(pb.LogsRequest(target=in_pod())).read())
            assert isinstance(failure, Unavailable)
            assert "cannot reach the agent on node n1 at 127.0.0.1:1" in failure.message

    run(scenario)
