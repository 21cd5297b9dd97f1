"""`helmling exec` and `helmling attach`: your terminal, or your pipe, connected to a program in a container.

Three parties: a thread reads standard input and queues it, gRPC's own thread takes from the queue and sends, and
the main thread writes what comes back. The stream's last message carries the exit code, which becomes ours.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

from api.errors import BadRequest
from cli.command import Command, Session
from cli.commands.logs import containers, default_container, defaulted
from cli.errors import CommandError, Exit, UsageError
from cli.flags import Flag, duration, switch
from cli.outgoing import CHUNK, Outgoing
from cli.pods import behind, named_one, pod_kind
from cli.quickgrpc import RpcError
from proto.v1.service_pb2 import ContainerTarget, ExecOpen, ExecRequest, TerminalSize

COMMON = (
    Flag("container", "Which container; default: the pod's first.", "c"),
    switch("stdin", "Pass standard input to the program.", "i"),
    switch("tty", "The program gets a terminal.", "t"),
    switch("quiet", "Print only what the program prints.", "q"),
    duration("pod-running-timeout", "With TYPE/NAME: how long to wait for its first pod.", "1m0s"),
)


class Duplex:
    """One stream to a program."""

    def __init__(self, session: Session, method: str, opening: Any) -> None:
        self.session = session
        self.outgoing = Outgoing()
        self.code: int | None = None  # known when the program has ended
        self.outgoing.put(ExecRequest(open=opening))
        self.answers = session.server.stream(method, self.outgoing)

    def output(self) -> Iterator[tuple[bytes, bytes]]:
        """What the program writes, to (standard output, standard error), to its end."""
        try:
            for answer in self.answers:
                if answer.HasField("exitCode"):
                    self.code = answer.exitCode
                yield answer.stdout, answer.stderr
        except RpcError as error:
            self.session.server.fail(error)
        finally:
            self.outgoing.end()
            self.answers.cancel()
        if self.code is None:
            raise CommandError("the connection to the container ended before its program did")

    def run(self) -> int:
        """Writes what the program writes; returns its exit code."""
        for stdout, stderr in self.output():
            _write(sys.stdout, stdout)
            _write(sys.stderr, stderr)
        assert self.code is not None
        return self.code

    def send(self, data: bytes) -> None:
        self.outgoing.put_data(ExecRequest(stdin=data))

    def end(self) -> None:
        self.outgoing.put(ExecRequest(closeStdin=True))

    def resize(self) -> None:
        self.outgoing.put(ExecRequest(resize=_size()))

    def feed(self) -> None:
        """Reads standard input in the background, to its end."""

        def read() -> None:
            while data := os.read(sys.stdin.fileno(), CHUNK):
                self.send(data)
            self.end()

        threading.Thread(target=read, daemon=True).start()


def _write(stream: Any, data: bytes) -> None:
    if data:
        stream.buffer.write(data)
        stream.buffer.flush()


def _size() -> Any:
    from cli import terminal

    width, height = terminal.size()
    return TerminalSize(width=width, height=height)


def connect(
    session: Session, method: str, target: Any, command: list[str], *, stdin: bool, tty: bool
) -> int:
    """Runs the program to its end, or attaches until it ends."""
    from cli import terminal

    if tty and not (stdin and terminal.is_terminal()):
        if stdin:
            session.warn("Unable to use a TTY - input is not a terminal or the right kind of file")
        tty = False
    opening = ExecOpen(target=target, command=command, stdin=stdin, tty=tty)
    if tty:
        opening.size.CopyFrom(_size())
    sys.stdout.flush()
    duplex = Duplex(session, method, opening)
    with terminal.raw(duplex.resize) if tty else nullcontext():
        if stdin:
            duplex.feed()
        return duplex.run()


def choose(session: Session, words: list[str]) -> Any:
    """The container to go to, of a pod or of what keeps one. Raises NotFound, UsageError, CommandError."""
    kind, name = named_one(words, "pod, type/name or --filename must be specified: one pod")
    if kind.name != "Pod":
        name = behind(session, kind, name)[0].metadata.name
    return choose_container(session, name)


def choose_container(session: Session, name: str) -> Any:
    """Says which it took when there are several. Raises NotFound, CommandError."""
    pod = session.server.get(pod_kind(), name, session.namespace)
    chosen = session.flags.text("container")
    if pod.status.phase in ("Succeeded", "Failed"):
        raise CommandError(
            f"cannot exec into a container in a completed pod; current phase is {pod.status.phase}"
        )
    if chosen and chosen not in containers(pod):
        raise BadRequest(
            f"container {chosen} is not valid for pod {name}; it has: {', '.join(containers(pod))}"
        )
    if not chosen:
        chosen = default_container(pod) if session.flags.on("quiet") else defaulted(session, pod)
    return ContainerTarget(namespace=session.namespace, pod=name, container=chosen)


def run_exec(session: Session) -> int | None:
    words = session.flags.after_dash
    args = list(session.args)
    if words is None:
        args, words = args[:1], args[1:]
        if words:
            session.warn(
                "helmling exec [POD] [COMMAND] is DEPRECATED, as with kubectl. "
                "Use helmling exec [POD] -- [COMMAND] instead."
            )
    if not args:
        raise UsageError("pod, type/name or --filename must be specified")
    if not words:
        raise UsageError(
            "you must specify at least one command for the container: exec POD -- COMMAND"
        )
    target = choose(session, args)
    flags = session.flags
    code = connect(session, "Exec", target, words, stdin=flags.on("stdin"), tty=flags.on("tty"))
    if code:
        if not (flags.on("tty") or flags.on("quiet")):
            session.warn(f"command terminated with exit code {code}")
        raise Exit(code)
    return 0


def run_attach(session: Session) -> int | None:
    target = choose(session, session.args)
    return attach(session, target, stdin=session.flags.on("stdin"), tty=session.flags.on("tty"))


def attach(session: Session, target: Any, *, stdin: bool, tty: bool) -> int:
    if (stdin or tty) and not session.flags.on("quiet"):
        session.warn("If you don't see a command prompt, try pressing enter.")
    return connect(session, "Attach", target, [], stdin=stdin, tty=tty)


EXEC = Command(
    usage="exec (POD | TYPE/NAME) [-c CONTAINER] [flags] -- COMMAND [args...]",
    about="Execute a command in a container.\n\nWith -it it is a real terminal that follows your window's "
    "size. The command's exit "
    "code becomes helmling's. Without -t, standard output and standard error stay apart, and -i pipes "
    "standard input to its end.",
    examples="""  # Run a command
  helmling exec web -- date

  # In one of the pods of a deployment
  helmling exec deployment/web -- date

  # A shell
  helmling exec -it web -- sh

  # Pipe a file into a program in the second container
  helmling exec -i web -c db -- sh -c 'cat > /tmp/dump' < dump""",
    run=run_exec,
    tidies_up=True,
    flags=COMMON,
    complete="pods",
)
ATTACH = Command(
    usage="attach (POD | TYPE/NAME) [-c CONTAINER] [flags]",
    about="Attach to the program that is running in a container already.\n\nShows what it writes from now "
    "on; with -i it also gets "
    "your input, if the container has `stdin: true`.",
    examples="""  # See what web writes
  helmling attach web

  # Talk to a shell that the pod runs
  helmling attach -it shell""",
    run=run_attach,
    tidies_up=True,
    flags=COMMON,
    complete="pods",
)
