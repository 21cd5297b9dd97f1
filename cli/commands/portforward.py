"""`helmling port-forward`: ports of this machine that lead into a pod.

One thread accepts per port, two threads per connection carry bytes (gRPC's synchronous calls block). Each
connection is a stream of its own, so one that breaks leaves the others alone.
"""

import socket
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from api import kinds, services
from api.errors import ApiError
from api.rpc import error_of
from cli.command import Command, Session
from cli.errors import CommandError, UsageError
from cli.flags import Flag, duration
from cli.outgoing import CHUNK, Outgoing
from cli.pods import behind, named_one
from cli.quickgrpc import RpcError
from cli.watching import Deadline, states
from proto.v1.service_pb2 import PortForwardOpen, PortForwardRequest


@dataclass(frozen=True, slots=True)
class Pair:
    local: int  # 0: any free port
    remote: int


def read_pair(text: str, pod: Any, service: Any = None) -> Pair:
    """`8080:80`, `80`, `:80`, `8080:http`; with a service, its ports. Raises UsageError, CommandError."""
    local, colon, remote = text.partition(":")
    if not colon:
        remote = local
    given = number = _port(remote, pod, text) if service is None else 0
    if service is not None:
        given, number = _service_port(remote, service, pod, text)
    if not colon:
        return Pair(given, number)
    if local and not local.isdigit():
        raise UsageError(f'error parsing local port "{local}": must be a number')
    return Pair(_in_range(int(local or 0), text, lowest=0), number)


def _port(word: str, pod: Any, text: str) -> int:
    if word.isdigit():
        return _in_range(int(word), text, lowest=1)
    ports = [port for container in pod.spec.containers for port in container.ports]
    for port in ports:
        if port.name == word:
            return int(port.containerPort)
    names = ", ".join(port.name for port in ports if port.name) or "none"
    raise CommandError(f'the pod has no port named "{word}" (named ports: {names}): "{text}"')


def _service_port(word: str, service: Any, pod: Any, text: str) -> tuple[int, int]:
    """The port of the service, by number or name, and the one that it leads to in the pod."""
    ports = service.spec.ports
    for port in ports:
        if word in (port.name, str(port.port)) and word:
            return port.port, _port(str(services.target_port(port)), pod, text)
    if services.is_headless(service.spec) and word.isdigit():
        number = _in_range(int(word), text, lowest=1)
        return number, number
    known = ", ".join(f"{port.port}{f' ({port.name})' if port.name else ''}" for port in ports)
    raise CommandError(
        f'Service {service.metadata.name} does not have a service port {word} (it has: {known or "none"}): "{text}"'
    )


def _in_range(number: int, text: str, *, lowest: int) -> int:
    if not lowest <= number <= 65535:
        raise UsageError(
            f'invalid port number {number} in "{text}": must be between {lowest} and 65535'
        )
    return number


def run(session: Session) -> int | None:
    if not session.args:
        raise UsageError("TYPE/NAME and list of ports are required for port-forward")
    first, *words = session.args
    kind, name = named_one([first], "TYPE/NAME and list of ports are required for port-forward")
    if not words:
        raise UsageError("at least 1 PORT is required for port-forward: 8080:80")
    pod = behind(session, kind, name)[0]
    if pod.status.phase != "Running":
        raise CommandError(
            f"unable to forward port because pod is not running. Current status={pod.status.phase}"
        )
    service = session.server.get(kind, name, session.namespace) if kind.name == "Service" else None
    pairs = [read_pair(word, pod, service) for word in words]
    listeners = _listen(session, pairs)
    for listener, pair in listeners:
        name = pod.metadata.name
        threading.Thread(
            target=_accept, args=(session, listener, name, pair.remote), daemon=True
        ).start()
    return _until_gone(session, pod)


def _until_gone(session: Session, pod: Any) -> int:
    """The forwarding lasts as long as the pod runs."""
    kind, meta = kinds.of(pod), pod.metadata
    for now in states(session.server, kind, meta.namespace, meta.name, Deadline(0)):
        if now is None or now.metadata.uid != meta.uid or now.status.phase != "Running":
            raise CommandError(f"lost connection to pod: {meta.name} does not run any more")
    return 0


def _listen(session: Session, pairs: list[Pair]) -> list[tuple[socket.socket, Pair]]:
    listeners = []
    for pair in pairs:
        port = pair.local
        for address in _addresses(session):
            listener, optional = _bind(address, port)
            if listener is None:
                if not optional:
                    raise CommandError(
                        f"unable to listen on {address}:{port}: it is in use, or not an address of this machine"
                    )
                continue
            port = listener.getsockname()[1]
            shown = f"[{address}]" if ":" in address else address
            session.say(f"Forwarding from {shown}:{port} -> {pair.remote}")
            listeners.append((listener, pair))
    sys.stdout.flush()
    return listeners


def _addresses(session: Session) -> list[str]:
    given = [word for text in session.flags.many("address") for word in text.split(",")]
    return [
        each
        for word in given
        for each in (("127.0.0.1", "::1") if word == "localhost" else (word,))
    ]


def _bind(address: str, port: int) -> tuple[socket.socket | None, bool]:
    """A listening socket; and whether it matters little if there is none (a machine without IPv6)."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen(128)
    except OSError:
        listener.close()
        return None, address == "::1"
    return listener, False


def _accept(session: Session, listener: socket.socket, pod: str, port: int) -> None:
    while True:
        connection, _ = listener.accept()
        session.say(f"Handling connection for {listener.getsockname()[1]}")
        sys.stdout.flush()
        carrier = Carrier(session, connection)
        threading.Thread(target=carrier.run, args=(pod, port), daemon=True).start()


class Carrier:
    """One connection, from open to close."""

    def __init__(self, session: Session, connection: socket.socket) -> None:
        self.session, self.connection = session, connection
        self.outgoing = Outgoing()

    def run(self, pod: str, port: int) -> None:
        opening = PortForwardOpen(namespace=self.session.namespace, pod=pod, port=port)
        self.outgoing.put(PortForwardRequest(open=opening))
        answers = self.session.server.stream("PortForward", self.outgoing)
        threading.Thread(target=self.read, daemon=True).start()
        try:
            for answer in answers:
                self.connection.sendall(answer.data)
        except RpcError as error:
            self.session.warn(_broken(pod, port, error_of(error)))
        except OSError:
            pass  # the client has gone
        finally:
            self.outgoing.end()
            answers.cancel()
            _close(self.connection)

    def read(self) -> None:
        """In a thread of its own: what the client sends."""
        with suppress(OSError):  # the other direction has closed it
            while data := self.connection.recv(CHUNK):
                self.outgoing.put_data(PortForwardRequest(data=data))
        self.outgoing.put(PortForwardRequest(closeWrite=True))


def _close(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def _broken(pod: str, port: int, error: ApiError) -> str:
    return f"an error occurred forwarding to pod {pod}, port {port}: {error.message}"


PORT_FORWARD = Command(
    usage="port-forward (POD | TYPE/NAME) [--address ADDRESS] [LOCAL_PORT:]REMOTE_PORT [...]",
    about="Forward one or more local ports to a pod.\n\nRuns until Ctrl-C. A port may be a number or the "
    "name that the pod gives it; an "
    "empty local port takes any free one.",
    examples="""  # http://localhost:8080 leads to port 80 of the pod web
  helmling port-forward pod/web 8080:80

  # To one of the pods of a deployment, as long as that pod runs
  helmling port-forward deployment/web 8080:80

  # To the port of a service, in one of its pods
  helmling port-forward svc/web 8080:80

  # The same port on both sides; any free local port
  helmling port-forward web 80
  helmling port-forward web :80

  # Listen on all addresses
  helmling port-forward --address 0.0.0.0 web 8080:80""",
    run=run,
    flags=(
        Flag("address", "Addresses to listen on, with commas between them.", form="many", default="localhost"),
        duration("pod-running-timeout", "With TYPE/NAME: how long to wait for its first pod.", "1m0s"),
    ),
    complete="pods",
)  # fmt: skip
