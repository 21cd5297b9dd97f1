"""What a watcher gets to see of the messages of `Reads.watch`: typed events, or rows of a table."""

from api import clock
from control_plane.apiserver import tables
from control_plane.apiserver.printers.table import columns
from control_plane.apiserver.reads import INITIAL_EVENTS_END, Bookmark, Message, State
from control_plane.apiserver.selection import Chosen
from control_plane.apiserver.stored import Stored
from control_plane.apiserver.strategy import Strategy
from proto.v1 import service_pb2 as pb


def shown(strategy: Strategy, chosen: Chosen, message: Message) -> list[tuple[str, Stored]]:
    """What a watcher is told: (type, object), in order."""
    if isinstance(message, State):
        return [("ADDED", stored) for stored in message.items]
    if isinstance(message, Bookmark):
        return [("BOOKMARK", bookmark(strategy, message))]
    return [seen for event in message if (seen := event.seen_by(chosen))]


def bookmark(strategy: Strategy, message: Bookmark) -> Stored:
    """An object of the kind with nothing but a version."""
    kind = strategy.kind
    obj = kind.message(apiVersion=kind.api_version, kind=kind.name)
    if message.initial_events_end:
        obj.metadata.annotations[INITIAL_EVENTS_END] = "true"
    return Stored(strategy, "", obj.SerializeToString(), message.revision)


class TableEncoder:
    """Events as rows. The columns come with the first one."""

    def __init__(self, strategy: Strategy, chosen: Chosen, include: str) -> None:
        self._strategy, self._chosen, self._include = strategy, chosen, include
        self._columns = columns(strategy)  # empty once they are sent

    def __call__(self, message: Message) -> bytes:
        now, events = clock.now(), []
        for type, stored in shown(self._strategy, self._chosen, message):
            event = pb.WatchEvent(type=type, columnDefinitions=self._columns)
            if type == "BOOKMARK":
                event.object.MergeFromString(stored.envelope())
            else:
                event.row.CopyFrom(tables.row(stored, self._include, now))
                self._columns = []
            events.append(event)
        return pb.WatchBatch(events=events).SerializeToString()
