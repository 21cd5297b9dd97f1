"""Requests that nobody would send on purpose, sent to a whole API server over gRPC.

Whoever makes the choices is outside: hypothesis (tests/cluster/test_fuzz.py), or atheris, which follows the code that a
request reaches (tests/fuzz.py). Whatever is sent, the server must refuse it in words of its own or accept it, and go on.
"""

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from api import rpc
from api.client import PATCH_TYPES
from api.errors import STATUS_METADATA, ApiError, Internal
from control_plane.secrets.keeper import KeyKeeper
from control_plane.secrets.service import Encryption
from control_plane.store.memory import MemoryStore
from proto.v1 import service_pb2 as pb
from tests import pki
from tests.apiserver import serving
from tests.manifests import MANIFESTS, created

# How many there are to choose from → which one. The same sequence of choices is the same request.
Pick = Callable[[int], int]

WORDS = (
    "", "a", "web", "..", "../../etc/passwd", "a/b", "/", "\x00", "é", "💥", "A" * 300, "a" * 70_000, "-1", "0", "1e999",
    "9" * 40, "NaN", "50%", "*", "*/*", "$(X)", "{{}}", "%s", "kube-system", "10.0.0.1", "*/5 * * * *", "a=b,c", "a in (b",
    "metadata.name=web", "metadata.name==", "not-a-label=!", "Strict", "Exact", "status", "scale", "eviction", "token",
)  # fmt: skip
FLOATS = (0.0, -1.5, 1e308, float("inf"), float("-inf"), float("nan"))
BYTES = (
    b"",
    b"\x00",
    b"\xff\xfe",
    b"{" * 2000,
    b"[" * 20_000,
    b'{"spec": null}',
    b"x" * 70_000,
    b'{"metadata":{"labels":5}}',
)
LIMITS = {
    FieldDescriptor.CPPTYPE_INT32: 31, FieldDescriptor.CPPTYPE_INT64: 63,
    FieldDescriptor.CPPTYPE_UINT32: 32, FieldDescriptor.CPPTYPE_UINT64: 64,
}  # fmt: skip
# What a server that is well never answers.
BAD = ("INTERNAL", "UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED")
PATIENCE = 30.0  # seconds for one answer
COLLECTIONS = ("List", "DeleteCollection")
UNARY = {
    service: tuple(each for each in rpc.methods(service) if each.shape == "unary_unary")
    for service in ("Resources", "Encryption")
}


def _odd(field: FieldDescriptor, pick: Pick) -> Any:
    """A value of the field's type."""
    kind = field.cpp_type
    if kind in LIMITS:
        top = 2 ** LIMITS[kind]
        low = -top if kind in (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64) else 0
        return (0, 1, 2, low, top - 1, 3600)[pick(6)]
    if kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return FLOATS[pick(len(FLOATS))]
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return bool(pick(2))
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return pick(3)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return BYTES[pick(len(BYTES))]
    return WORDS[pick(len(WORDS))]


def spoil(message: Any, pick: Pick) -> None:
    """Change one thing somewhere in the message."""
    descriptor: Descriptor = message.DESCRIPTOR
    while descriptor.fields:
        field = descriptor.fields[pick(len(descriptor.fields))]
        if pick(8) == 0:
            return message.ClearField(field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return _into_map(getattr(message, field.name), field, pick)
        if field.message_type is None:
            return _put(message, field, pick)
        message = _inner(message, field, pick)
        descriptor = message.DESCRIPTOR
        if pick(6) == 0:
            return None
    return None


def _put(message: Any, field: FieldDescriptor, pick: Pick) -> None:
    if field.is_repeated:
        getattr(message, field.name).append(_odd(field, pick))
    else:
        setattr(message, field.name, _odd(field, pick))


def _into_map(there: Any, field: FieldDescriptor, pick: Pick) -> None:
    assert field.message_type is not None
    key, value = (
        field.message_type.fields_by_name["key"],
        field.message_type.fields_by_name["value"],
    )
    if value.message_type is None:
        there[_odd(key, pick)] = _odd(value, pick)
    else:
        spoil(there[_odd(key, pick)], pick)


def _inner(message: Any, field: FieldDescriptor, pick: Pick) -> Any:
    """A message inside of the message, which is there from now on."""
    inner = getattr(message, field.name)
    if not field.is_repeated:
        inner.SetInParent()
        return inner
    place = pick(len(inner) + 1)
    return inner[place] if place < len(inner) else inner.add()


def _patch(pick: Pick) -> bytes:
    values: tuple[Any, ...] = (
        None,
        5,
        "x",
        [],
        [{}],
        {},
        {"$patch": "delete"},
        {"name": "a", "$retainKeys": 1},
        1e400,
    )
    names = (
        "metadata",
        "spec",
        "labels",
        "containers",
        "data",
        "status",
        "$setElementOrder/containers",
        "finalizers",
    )
    patch: Any = values[pick(len(values))]
    for _ in range(pick(4)):
        patch = {names[pick(len(names))]: patch}
    operation = {
        "op": ("add", "remove", "test", "move", "x")[pick(5)],
        "path": WORDS[pick(len(WORDS))],
        "value": patch,
    }
    return json.dumps([operation] if pick(3) == 0 else patch).encode()


def request(pick: Pick) -> tuple[rpc.Method, bytes]:
    """A request that began as a good one."""
    obj = created(sorted(MANIFESTS)[pick(len(MANIFESTS))])
    meta = obj.metadata
    target = rpc.target_of_kind(type(obj), meta.name, meta.namespace)
    for _ in range(pick(5)):
        spoil(obj, pick)
    method = UNARY["Resources"][pick(len(UNARY["Resources"]))]
    made = method.request()
    fields = method.request.DESCRIPTOR.fields_by_name
    if "target" in fields:
        made.target.CopyFrom(target)
        if method.name in COLLECTIONS and pick(4):
            made.target.ClearField("name")
    if "object" in fields:
        made.object.CopyFrom(rpc.pack(obj))
    if "patch" in fields:
        made.patchType, made.patch = (
            tuple(PATCH_TYPES.values())[pick(len(PATCH_TYPES))],
            _patch(pick),
        )
    if method.name == "Batch":
        made.items.add().create.CopyFrom(pb.CreateRequest(target=target, object=rpc.pack(obj)))
    for _ in range(pick(3)):
        spoil(made, pick)
    return method, made.SerializeToString()


class Victim:
    """A server with all that the real one has in front of its store."""

    def __init__(self, folder: Any) -> None:
        self._runner, self._stack = asyncio.Runner(), AsyncExitStack()
        self._folder = folder

    def __enter__(self) -> "Victim":
        self._runner.__enter__()
        self._runner.run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.__exit__(None, None, None)

    async def _start(self) -> None:
        keeper = await KeyKeeper.open(MemoryStore(), self._folder / "encryption.yaml")
        world = await self._stack.enter_async_context(
            serving(keeper.store, grpc=True, services=[Encryption(keeper)])
        )
        for name in MANIFESTS:  # so that there is something to change, too
            with suppress(ApiError):  # a question, which is never there
                await world.client.create(_new(name))
        self._channel = await self._stack.enter_async_context(
            grpc.aio.secure_channel(
                world.address, pki.admin().channel_credentials(), options=rpc.CHANNEL_OPTIONS
            )
        )

    def send(self, method: rpc.Method, payload: bytes) -> str:
        """The gRPC code of the answer. Raises AssertionError for one that a server that is well never gives."""
        return self._runner.run(self._send(method, payload))

    async def _send(self, method: rpc.Method, payload: bytes) -> str:
        call = self._channel.unary_unary(method.path)
        try:
            answer = await call(payload, timeout=PATIENCE)
        except grpc.aio.AioRpcError as error:
            code, told = error.code().name, error.details()
            assert code not in BAD, f"{method.name}: {code} {told}"
            worded = STATUS_METADATA in {key for key, _ in error.trailing_metadata() or ()}
            assert worded, f"{method.name}: {code} without a Status"
            assert told, f"{method.name}: {code} without a word"
            return str(code)
        if method.name == "Batch":
            _check_items(pb.BatchResponse.FromString(answer))
        return "OK"


def _check_items(answer: pb.BatchResponse) -> None:
    for item in answer.results:
        assert item.error.reason != Internal.reason, item.error.message


def _new(kind: str) -> Any:
    """As its author would send it."""
    obj = created(kind)
    for name in ("uid", "resourceVersion", "creationTimestamp", "generation"):
        obj.metadata.ClearField(name)
    return obj
