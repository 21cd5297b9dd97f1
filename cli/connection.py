"""The line to the API server: its verbs as plain calls, its errors as `api.errors`.

The CLI waits for one answer at a time, so it uses gRPC's synchronous stubs (asyncio would cost it start-up time), and
imports grpc itself only when there is more to do than a read that succeeds: see quickread.py.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NoReturn

from api import rpc
from api.errors import ApiError
from api.kinds import Kind
from api.rpc import pack, unpack
from cli import quickread
from cli.errors import CommandError
from cli.kubeconfig import Target
from proto.v1 import service_pb2 as service

SHOW_CALLS = 6  # the verbosity from which each call is shown, as with kubectl
MANAGER = "helmling"
READS = {
    method.name: method for method in rpc.methods("Resources") if method.name in ("Get", "List")
}


class Unreachable(CommandError):
    """Nobody answers."""

    prefix = ""


class Connection:
    """Raises `ApiError` for what the server refuses, `Unreachable` when there is none."""

    def __init__(
        self,
        target: Target,
        *,
        timeout: float = 0,
        verbosity: int = 0,
        impersonated: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.impersonated = impersonated  # metadata of every call: whom we ask as
        self.address, self.identity = target.address, target.identity
        self.timeout = timeout or None  # seconds for a unary call
        self.verbosity = verbosity
        self._warned: set[bytes] = set()  # sentences

    @cached_property
    def _channel(self) -> Any:
        from cli.quickgrpc import secure_channel

        credentials = self.identity.channel_credentials()
        return secure_channel(self.address, credentials, options=rpc.CHANNEL_OPTIONS)

    @cached_property
    def _resources(self) -> Any:
        return rpc.sync_stub(self._channel)

    @cached_property
    def _streams(self) -> Any:
        return rpc.sync_stub(self._channel, "Streams")

    @cached_property
    def _encryption(self) -> Any:
        return rpc.sync_stub(self._channel, "Encryption")

    def close(self) -> None:
        if "_channel" in self.__dict__:
            self._channel.close()

    # One object

    def get(self, kind: Kind, name: str, namespace: str = "", subresource: str = "") -> Any:
        request = service.GetRequest(target=target_of(kind, namespace, name, subresource))
        return unpack(self._call("Get", request))

    def create(
        self,
        kind: Kind,
        obj: Any,
        namespace: str,
        *,
        dry_run: bool = False,
        validation: str = "",
        subresource: str = "",
    ) -> Any:
        target = target_of(kind, namespace, obj.metadata.name, subresource)
        options = _options(dry_run, validation)
        request = service.CreateRequest(target=target, object=pack(obj), options=options)
        return unpack(self._call("Create", request))

    def update(
        self,
        kind: Kind,
        obj: Any,
        namespace: str,
        *,
        dry_run: bool = False,
        validation: str = "",
        subresource: str = "",
    ) -> Any:
        target = target_of(kind, namespace, obj.metadata.name, subresource)
        options = _options(dry_run, validation)
        request = service.UpdateRequest(target=target, object=pack(obj), options=options)
        return unpack(self._call("Update", request))

    def patch(
        self,
        kind: Kind,
        name: str,
        namespace: str,
        patch: bytes,
        media: str,
        *,
        dry_run: bool = False,
        subresource: str = "",
    ) -> Any:
        request = service.PatchRequest(
            target=target_of(kind, namespace, name, subresource),
            patchType=media,
            patch=patch,
            options=_options(dry_run, ""),
        )
        return unpack(self._call("Patch", request))

    def delete(
        self, kind: Kind, name: str, namespace: str, options: Any, *, dry_run: bool = False
    ) -> Any:
        request = service.DeleteRequest(
            target=target_of(kind, namespace, name),
            deleteOptions=options,
            options=_options(dry_run, ""),
        )
        return unpack(self._call("Delete", request))

    # Many

    def pages(self, request: Any, *, size: int) -> Iterator[Any]:
        """The answers to a list, page after page (`size` 0: all in one)."""
        request.limit = size
        while True:
            answer = self._call("List", request)
            yield answer
            request.continueToken = answer.metadata.continueToken
            if not request.continueToken:
                return

    def list(
        self, kind: Kind, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> tuple[list[Any], str]:
        """The objects, and the version of the list."""
        request = service.ListRequest(
            target=target_of(kind, namespace), labelSelector=labels, fieldSelector=fields
        )
        found: list[Any] = []
        version = ""
        for answer in self.pages(request, size=500):
            found += [unpack(item) for item in answer.items]
            version = answer.metadata.resourceVersion
        return found, version

    def watch(self, request: Any, *, timeout: float | None = None) -> Iterator[Any]:
        """Event after event, for as long as the server sends any. Raises Timeout after `timeout` seconds."""
        self._show("Watch", request)
        with self._errors():
            for batch in self._resources.Watch(
                request, timeout=timeout, metadata=self.impersonated
            ):
                yield from batch.events

    def version(self, *, timeout: float | None = None) -> Any:
        return self._call("Version", service.VersionRequest(), timeout=timeout)

    # Encryption at rest

    def encryption(self, method: str, request: Any) -> Any:
        """Status and RemoveKey."""
        self._show(method, request)
        with self._errors():
            call = getattr(self._encryption, method)
            return call(request, timeout=self.timeout, metadata=self.impersonated)

    def key_progress(self, method: str, request: Any) -> Iterator[Any]:
        """RotateKey and Reencrypt: report after report."""
        self._show(method, request)
        with self._errors():
            yield from getattr(self._encryption, method)(request, metadata=self.impersonated)

    # Streams into pods

    def logs(self, request: Any) -> Iterator[bytes]:
        self._show("Logs", request)
        with self._errors():
            for answer in self._streams.Logs(request, metadata=self.impersonated):
                yield answer.data

    def stream(self, method: str, requests: Iterable[Any]) -> Any:
        """Exec, Attach or PortForward: bytes both ways. Iterating raises RpcError; see `fail`."""
        self._show(method, None)
        return getattr(self._streams, method)(iter(requests), metadata=self.impersonated)

    def fail(self, error: Exception) -> NoReturn:
        """Turns what a stream raised into one of our errors."""
        self._fail(error)

    def _call(self, method: str, request: Any, *, timeout: float | None = None) -> Any:
        self._show(method, request)
        timeout = timeout or self.timeout
        quick = method in READS and timeout is None and not self.impersonated
        if quick and "_channel" not in self.__dict__:
            read = READS[method]
            reply = quickread.ask(
                self.address, self.identity, read.path, request.SerializeToString()
            )
            if reply is not None:
                return read.response.FromString(reply)
        with self._errors():
            reply, call = getattr(self._resources, method).with_call(
                request, timeout=timeout, metadata=self.impersonated
            )
        self._warn(call.trailing_metadata())
        return reply

    def _warn(self, metadata: Any) -> None:
        """What the server wants to be said, once each: a dry run before the write says the same."""
        for key, value in metadata or ():
            if key == rpc.WARNING_METADATA and value not in self._warned:
                self._warned.add(value)
                sys.stderr.write(f"Warning: {value.decode()}\n")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from cli.quickgrpc import RpcError

        try:
            yield
        except RpcError as error:
            self._fail(error)

    def _show(self, method: str, request: Any) -> None:
        if self.verbosity >= SHOW_CALLS:
            said = " ".join(str(request).split()) if request is not None else ""
            sys.stderr.write(f"{self.address} {method} {said}\n")

    def _fail(self, error: Any) -> NoReturn:
        raised = rpc.error_of(error)
        if raised.code == "UNAVAILABLE" and "connect" in raised.message:
            raise Unreachable(self._why(raised)) from None
        raise raised from None

    def _why(self, error: ApiError) -> str:
        if "refused" in error.message:
            return (
                f"The connection to the server {self.address} was refused - is the cluster up? "
                "start one with: helmling up"
            )
        from cli.handshake import complaint

        why = complaint(self.address, self.identity) or error.message
        return f"Unable to connect to the server {self.address}: {why}"


def target_of(kind: Kind, namespace: str = "", name: str = "", subresource: str = "") -> Any:
    return service.Target(
        group=kind.group,
        resource=kind.plural,
        namespace=namespace if kind.namespaced else "",
        name=name,
        subresource=subresource,
    )


def _options(dry_run: bool, validation: str) -> Any:
    return service.WriteOptions(dryRun=dry_run, fieldManager=MANAGER, fieldValidation=validation)
