"""`helmling logs`: what a container wrote; also of many containers at once."""

import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from api.errors import ApiError
from api.kinds import find
from cli.command import Command, Session
from cli.errors import CommandError, UsageError
from cli.flags import Flag, duration, switch
from cli.pods import behind, named_one, pod_kind
from cli.resources import SELECTOR
from cli.wording import of_error
from proto.v1.service_pb2 import ContainerTarget, LogsRequest

FLAGS = (
    SELECTOR,
    switch("follow", "Go on as the container writes.", "f"),
    Flag("container", "Which container.", "c"),
    switch("all-containers", "All containers of the pod, init containers first."),
    switch("all-pods", "With TYPE/NAME: of all its pods, each line with its pod's name."),
    switch("previous", "Of the container before its last restart.", "p"),
    Flag("tail", "Only the last so many lines; -1: all. Default with a selector: 10.", form="number", default="-1"),
    duration("since", "Only lines younger than this: 5s, 2m, 3h."),
    Flag("since-time", "Only lines since this time (RFC 3339)."),
    switch("timestamps", "Begin each line with its time."),
    Flag("limit-bytes", "At most so many bytes.", form="number", default="0"),
    switch("prefix", "Begin each line with the pod and container it is from."),
    switch("ignore-errors", "With --follow: when one log fails, go on with the others."),
    Flag("max-log-requests", "How many logs may be followed at once.", form="number", default="5"),
    duration("pod-running-timeout", "With TYPE/NAME: how long to wait for its first pod.", "20s"),
)  # fmt: skip
TAIL_OF_MANY = 10  # lines; kubectl's default with a selector


@dataclass(frozen=True, slots=True)
class Source:
    """One container's log."""

    namespace: str
    pod: str
    container: str  # empty: the server chooses

    @property
    def prefix(self) -> bytes:
        return f"[pod/{self.pod}/{self.container}] ".encode()


def run(session: Session) -> int | None:
    flags = session.flags
    if flags.given("since") and flags.given("since-time"):
        raise UsageError("at most one of `sinceTime` or `sinceSeconds` may be specified")
    if flags.on("all-containers") and flags.given("container"):
        raise UsageError("--all-containers=true should not be specified with container name")
    sources = _selected(session) if flags.given("selector") else _named(session)
    if not sources:
        session.warn(f"No resources found in {session.namespace} namespace.")
        return 0
    if len(sources) == 1:
        return _one(session, sources[0])
    most = flags.number("max-log-requests") or 1
    if flags.on("follow") and len(sources) > most:
        raise CommandError(
            f"you are attempting to follow {len(sources)} log streams, but maximum allowed concurrency is {most}, "
            "use --max-log-requests to increase the limit"
        )
    return _together(session, sources) if flags.on("follow") else _in_turn(session, sources)


def _named(session: Session) -> list[Source]:
    args, flags = list(session.args), session.flags
    if len(args) == 2 and "/" not in args[0] and find(args[0]) is None:
        flags.values.setdefault("container", [args.pop()])  # kubectl's old form: logs POD CONTAINER
    kind, name = named_one(
        args,
        "expected 'logs (POD | TYPE/NAME) [CONTAINER_NAME]'.\nPOD or TYPE/NAME is a required argument for "
        "the logs command",
    )
    container = flags.text("container")
    if kind.name == "Pod" and container:
        return [Source(session.namespace, name, container)]
    pods = behind(session, kind, name)
    if not flags.on("all-pods"):
        if len(pods) > 1:
            session.warn(f"Found {len(pods)} pods, using pod/{pods[0].metadata.name}")
        del pods[1:]
    elif any(not pod.metadata.HasField("deletionTimestamp") for pod in pods):
        # Of those on their way out the containers, and their logs with them, may be gone already.
        pods = [pod for pod in pods if not pod.metadata.HasField("deletionTimestamp")]
    return [source for pod in pods for source in _of_pod(session, pod)]


def _of_pod(session: Session, pod: Any) -> list[Source]:
    if session.flags.on("all-containers"):
        return [Source(session.namespace, pod.metadata.name, each) for each in containers(pod)]
    chosen = session.flags.text("container") or defaulted(session, pod)
    return [Source(session.namespace, pod.metadata.name, chosen)]


def defaulted(session: Session, pod: Any) -> str:
    """The container to take when nobody names one; says so when there are others."""
    chosen = default_container(pod)
    if len(containers(pod)) > 1:
        session.warn(f'Defaulted container "{chosen}" out of: {", ".join(containers(pod))}')
    return chosen


def _selected(session: Session) -> list[Source]:
    if session.args:
        raise UsageError("only a selector (-l) or a POD name is allowed")
    pods, _ = session.server.list(
        pod_kind(), session.namespace, labels=session.flags.text("selector")
    )
    everything, chosen = session.flags.on("all-containers"), session.flags.text("container")
    found = []
    for pod in pods:
        names = containers(pod) if everything else [chosen or default_container(pod)]
        found += [Source(session.namespace, pod.metadata.name, name) for name in names]
    return found


def containers(pod: Any) -> list[str]:
    return [each.name for each in (*pod.spec.initContainers, *pod.spec.containers)]


def default_container(pod: Any) -> str:
    """The one the pod's author named, or the first."""
    named = pod.metadata.annotations.get("kubectl.kubernetes.io/default-container", "")
    return str(named or pod.spec.containers[0].name)


def request(session: Session, source: Source, *, many: bool) -> Any:
    flags = session.flags
    asked = LogsRequest(
        target=ContainerTarget(
            namespace=source.namespace, pod=source.pod, container=source.container
        ),
        follow=flags.on("follow"),
        previous=flags.on("previous"),
        timestamps=flags.on("timestamps"),
        sinceTime=flags.text("since-time"),
    )
    if flags.given("since"):
        asked.sinceSeconds = max(1, round(flags.seconds("since")))
    tail = flags.number("tail")
    if many and flags.given("selector") and not flags.given("tail"):
        tail = TAIL_OF_MANY
    if tail is not None and tail >= 0:
        asked.tailLines = tail
    if most := flags.number("limit-bytes"):
        asked.limitBytes = most
    return asked


def _lines(session: Session, source: Source, *, many: bool) -> Iterator[bytes]:
    prefixed = session.flags.on("prefix") or session.flags.on("all-pods")
    for data in session.server.logs(request(session, source, many=many)):
        yield _prefixed(source, data) if prefixed else data


def _prefixed(source: Source, data: bytes) -> bytes:
    return b"".join(source.prefix + line for line in data.splitlines(keepends=True))


def _one(session: Session, source: Source) -> int:
    for data in _lines(session, source, many=session.flags.given("selector")):
        _write(data)
    return 0


def _in_turn(session: Session, sources: Sequence[Source]) -> int:
    for source in sources:
        for data in _lines(session, source, many=True):
            _write(data)
    return 0


def _together(session: Session, sources: Sequence[Source]) -> int:
    """One thread reads each log (the calls block); this one writes, so that lines do not mix."""
    arrived: SimpleQueue[bytes | ApiError | None] = SimpleQueue()  # None: one log has ended

    def follow(source: Source) -> None:
        try:
            for data in _lines(session, source, many=True):
                arrived.put(data)
        except (ApiError, CommandError) as error:
            arrived.put(error if isinstance(error, ApiError) else ApiError(error.message))
        arrived.put(None)

    for source in sources:
        threading.Thread(target=follow, args=(source,), daemon=True).start()
    running = len(sources)
    while running:
        got = arrived.get()
        if got is None:
            running -= 1
        elif isinstance(got, bytes):
            _write(got)
        elif session.flags.on("ignore-errors"):
            session.warn(of_error(got))
        else:
            raise got
    return 0


def _write(data: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


LOGS = Command(
    usage="logs [-f] [-p] (POD | TYPE/NAME | -l label) [-c CONTAINER] [flags]",
    about="Print the logs for a container in a pod, or of several.\n\nA pod with several containers needs "
    "-c, or --all-containers; "
    "without, its first container is taken.",
    examples="""  # All that the pod web has written
  helmling logs web

  # Go on as it writes
  helmling logs -f web

  # The last 20 lines of the container before its last restart
  helmling logs web --previous --tail=20

  # One pod of a deployment, or all of them
  helmling logs deployment/web
  helmling logs deployment/web --all-pods

  # The last hour of all pods of an app, each line with its pod's name
  helmling logs -l app=web --since=1h --prefix""",
    run=run,
    flags=FLAGS,
    complete="pods",
)
