"""An etcd cluster behind its addresses: whom to ask, how long to wait, when asking again is harmless.

A call that fails has one of three fates, and only etcd's answer can tell which: it never happened (no
connection; no leader to propose it to), it was refused (asking again will not help), or nobody knows
(the connection broke, or time ran out, after it was sent). The first is always tried again elsewhere;
the third only if being carried out twice does no harm. After a leader dies, a member that forwards to
it may answer only after 7 s: a short deadline for each try finds the new leader sooner.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Generic, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from control_plane.store.contract import Ambiguous, StoreUnavailable
from proto.etcd import rpc_pb2 as rpc

TRY = 1.0  # seconds for the first try of a call; each further one gets a second more
PATIENCE = 10.0  # seconds until a call or a broken watch is given up
PAUSE = 0.1  # seconds between tries

# Asks the member to refuse at once when it knows of no leader, instead of waiting for one.
NEEDS_LEADER = (("hasleader", "true"),)
OPTIONS = [
    ("grpc.max_receive_message_length", -1),  # etcd limits what it sends by itself
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.keepalive_time_ms", 10_000),  # finds a peer that vanished without a word
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),  # do not share another store's bad luck
]

Answer = TypeVar("Answer", bound=Message)


@dataclass(frozen=True, slots=True)
class Access:
    """Where the cluster is and how to prove who we are; without `ca`, plain TCP."""

    endpoints: tuple[str, ...]  # host:port
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Raises OSError."""
        if not self.ca:
            return None
        ca, key, cert = (p.read_bytes() if p else None for p in (self.ca, self.key, self.cert))
        return grpc.ssl_channel_credentials(ca, key, cert)


@dataclass(frozen=True, slots=True)
class Method(Generic[Answer]):
    path: str
    answer: type[Answer]
    writes: bool = False


RANGE = Method("/etcdserverpb.KV/Range", rpc.RangeResponse)
TXN = Method("/etcdserverpb.KV/Txn", rpc.TxnResponse, writes=True)
COMPACT = Method("/etcdserverpb.KV/Compact", rpc.CompactionResponse)
WATCH = Method("/etcdserverpb.Watch/Watch", rpc.WatchResponse)


class Fate(Enum):
    """What became of a call that failed."""

    NEVER_HAPPENED = "never happened"
    REFUSED = "refused"
    UNKNOWN = "unknown"


REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.UNIMPLEMENTED,
}


def fate(code: grpc.StatusCode, details: str) -> Fate:
    """etcd has no codes this fine, so its words must do; what is not recognised is unknown."""
    if code in REFUSALS or "database space exceeded" in details:
        return Fate.REFUSED
    if details in ("etcdserver: no leader", "etcdserver: too many requests"):
        return Fate.NEVER_HAPPENED
    if code is grpc.StatusCode.UNAVAILABLE and details.startswith("failed to connect"):
        return Fate.NEVER_HAPPENED
    return Fate.UNKNOWN


class Refused(Exception):
    """etcd answered, and would answer the same again."""

    def __init__(self, code: grpc.StatusCode, details: str, *, uncertain: bool = False) -> None:
        self.compacted = code is grpc.StatusCode.OUT_OF_RANGE and "compacted" in details
        self.future = code is grpc.StatusCode.OUT_OF_RANGE and "future" in details
        self.uncertain = uncertain  # an earlier try of the same call may have been carried out
        super().__init__(details)


@dataclass(slots=True)
class Tries:
    """How a call has been going."""

    count: int = 0
    uncertain: bool = False  # one of them may have been carried out though it failed
    trouble: str = "no answer in time"


class Cluster:
    """The channels to the members. One is used until it fails, then the next."""

    def __init__(self, access: Access, *, patience: float = PATIENCE) -> None:
        self.name = ", ".join(access.endpoints)
        self.patience = patience
        self._closed = False
        credentials = access.credentials()
        self._channels = [
            grpc.aio.secure_channel(endpoint, credentials, options=OPTIONS)
            if credentials
            else grpc.aio.insecure_channel(endpoint, options=OPTIONS)
            for endpoint in access.endpoints
        ]
        self._current = 0  # index of the channel in use
        self._calls: set[grpc.aio.Call] = set()  # those that run

    async def call(
        self, method: Method[Answer], request: Message, *, again: bool = True
    ) -> tuple[Answer, Tries]:
        """The answer, and how it was come by. `again`: being carried out twice does no harm.

        Raises Refused, StoreUnavailable, and for methods that write Ambiguous.
        """
        tries = Tries()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.patience):
                while again or not tries.uncertain:
                    answer = await self._try(method, request, tries, again=again)
                    if answer is not None:
                        return answer, tries
                    await asyncio.sleep(PAUSE)
        error = Ambiguous if method.writes and tries.uncertain else StoreUnavailable
        raise error(f"etcd at {self.name} does not answer: {tries.trouble}")

    async def _try(
        self, method: Method[Answer], request: Message, tries: Tries, *, again: bool
    ) -> Answer | None:
        channel = self._current
        tries.count += 1
        before, tries.uncertain = tries.uncertain, True  # if we are cancelled, it stays so
        stub = self.channel(channel).unary_unary(
            method.path,
            request_serializer=type(request).SerializeToString,
            response_deserializer=method.answer.FromString,
        )
        seconds = TRY * tries.count if again else self.patience
        try:
            call = stub(request, timeout=seconds, metadata=NEEDS_LEADER)
            with self.running(call):
                answer: Answer = await call
        except grpc.aio.AioRpcError as error:
            tries.trouble = error.details() or error.code().name
            end = fate(error.code(), tries.trouble)
            if end is Fate.REFUSED:
                raise Refused(error.code(), tries.trouble, uncertain=before) from None
            tries.uncertain = before or end is Fate.UNKNOWN
            self.turn_from(channel)
            return None
        tries.uncertain = before
        return answer

    @property
    def current(self) -> int:
        return self._current

    def channel(self, index: int) -> grpc.aio.Channel:
        if self._closed:
            raise StoreUnavailable("the store has been closed")
        return self._channels[index]

    def turn_from(self, index: int) -> None:
        """Use another member from now on, unless somebody has turned already."""
        if self._current == index:
            self._current = (index + 1) % len(self._channels)

    @contextmanager
    def running(self, call: grpc.aio.Call) -> Iterator[None]:
        """While a call runs, `close` cancels it: tell that from being cancelled oneself."""
        self._calls.add(call)
        try:
            yield
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._closed and task and not task.cancelling():
                raise StoreUnavailable("the store has been closed") from None
            raise
        finally:
            self._calls.discard(call)

    async def close(self) -> None:
        self._closed = True
        for call in self._calls:
            call.cancel()
        for channel in self._channels:
            await channel.close()
