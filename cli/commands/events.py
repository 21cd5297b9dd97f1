"""`helmling events`: what happened, oldest first, as sentences."""

import sys
from collections.abc import Sequence
from typing import Any

from api import clock, kinds
from api.duration import human_duration
from api.rpc import unpack
from cli.command import Command, Session
from cli.connection import target_of
from cli.errors import CommandError, UsageError, did_you_mean
from cli.flags import Flag, switch
from cli.output import chosen
from cli.output.table import Printer, render
from cli.resources import ALL_NAMESPACES, CHUNK_SIZE, one_named
from proto.v1.cluster_pb2 import Event
from proto.v1.service_pb2 import WatchRequest

TYPES = ("Normal", "Warning")
HEADER = ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]


def last_seen(event: Any) -> float:
    """Seconds since 1970, from whichever field the reporter filled in."""
    for stamp in (
        event.series.lastObservedTime,
        event.lastTimestamp,
        event.eventTime,
        event.firstTimestamp,
        event.metadata.creationTimestamp,
    ):
        if stamp.seconds:
            return float(stamp.seconds) + float(stamp.nanos) / 1e9
    return 0.0  # fmt: skip


def in_order(event: Any) -> tuple[float, int]:
    """Times are whole seconds; within one, the versions tell what came first."""
    return last_seen(event), int(event.metadata.resourceVersion or 0)


def _age(moment: float) -> str:
    return human_duration(clock.now().timestamp() - moment) if moment else "<unknown>"


def interval(event: Any) -> str:
    """`5s`, or `5s (x3 over 2m)`."""
    count = max(event.count, event.series.count)
    first = event.firstTimestamp.seconds or event.eventTime.seconds
    if count > 1 and first:
        return f"{_age(last_seen(event))} (x{count} over {_age(first)})"
    return _age(last_seen(event))


def row(event: Any) -> list[str]:
    about = event.involvedObject
    return [
        interval(event),
        event.type,
        event.reason,
        f"{about.kind}/{about.name}",
        event.message.strip(),
    ]


def about(server: Any, namespace: str, kind: str, name: str, uid: str = "") -> list[Any]:
    """The events of one object, oldest first."""
    fields = f"involvedObject.kind={kind},involvedObject.name={name}"
    found, _ = server.list(kinds.of(Event), namespace, fields=fields)
    return sorted(
        (each for each in found if not uid or each.involvedObject.uid in ("", uid)), key=in_order
    )


def section(events: Sequence[Any]) -> list[str]:
    """The end of every `describe`."""
    if not events:
        return ["Events:  <none>"]
    rows = [
        ["Type", "Reason", "Age", "From", "Message"],
        ["----", "------", "----", "----", "-------"],
    ]
    rows += [
        [
            e.type,
            e.reason,
            interval(e),
            e.reportingComponent or e.source.component,
            e.message.strip(),
        ]
        for e in events
    ]
    return ["Events:", *("  " + line for line in render(rows))]


def _selector(session: Session) -> str:
    if not session.flags.text("for"):
        return ""
    kind, name = one_named(session.flags.text("for"))
    return f"involvedObject.kind={kind.name},involvedObject.name={name}"


def _types(session: Session) -> set[str]:
    words = [word for text in session.flags.many("types") for word in text.split(",") if word]
    by_word = {name.lower(): name for name in TYPES}
    for word in words:
        if word.lower() not in by_word:
            raise UsageError(
                f"valid --types are Normal or Warning, not {word}{did_you_mean(word, list(TYPES))}"
            )
    return {by_word[word.lower()] for word in words} or set(TYPES)


def run(session: Session) -> int | None:
    if session.args:
        raise UsageError(f"events takes no arguments: --for={session.args[0]}?")
    kind = kinds.of(Event)
    namespace = "" if session.flags.on("all-namespaces") else session.namespace
    fields, types = _selector(session), _types(session)
    output = chosen.read(session.flags.text("output"), tables=False)
    found, version = session.server.list(kind, namespace, fields=fields)
    found = sorted((event for event in found if event.type in types), key=in_order)
    if output.form:
        return _documents(output, found)
    shows_namespace = session.flags.on("all-namespaces")
    printer = Printer(sys.stdout, headers=not session.flags.on("no-headers"))
    printer.add(_header(shows_namespace), [_row(event, shows_namespace) for event in found])
    if session.flags.on("watch"):
        request = WatchRequest(
            target=target_of(kind, namespace), fieldSelector=fields, resourceVersion=version
        )
        for change in session.server.watch(request):
            event = unpack(change.object)
            if change.type in ("ADDED", "MODIFIED") and event.type in types:
                printer.add(_header(shows_namespace), [_row(event, shows_namespace)])
    elif not found:
        session.warn(
            "No events found." if shows_namespace else f"No events found in {namespace} namespace."
        )
    return 0


def _header(with_namespace: bool) -> list[str]:
    return ["NAMESPACE", *HEADER] if with_namespace else HEADER


def _row(event: Any, with_namespace: bool) -> list[str]:
    return [event.metadata.namespace, *row(event)] if with_namespace else row(event)


def _documents(output: chosen.Output, found: list[Any]) -> int:
    from api.jsonform import to_json

    if output.form == "name":
        raise CommandError("events have no use for -o name: use -o json or -o yaml")
    chosen.write(output, chosen.listing([to_json(event) for event in found]))
    return 0


EVENTS = Command(
    usage="events [--for TYPE/NAME] [--types=Normal,Warning] [-w] [flags]",
    about="Display events.\n\nWhat the parts of the cluster did and noticed, oldest first. Events are kept "
    "for an hour.",
    examples="""  # What happened in the namespace
  helmling events

  # What happened to a pod
  helmling events --for pod/web

  # What went wrong, anywhere
  helmling events -A --types=Warning

  # Go on as things happen
  helmling events -w""",
    run=run,
    flags=(
        ALL_NAMESPACES,
        CHUNK_SIZE,
        chosen.OUTPUT,
        chosen.NO_HEADERS,
        Flag("for", "Only events about this object: pod/web."),
        Flag("types", "Only these types: Normal, Warning.", form="many"),
        switch("watch", "After listing, go on showing events.", "w"),
    ),
)
