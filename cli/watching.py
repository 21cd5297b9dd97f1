"""Objects as they change: what `wait` and `delete` and `run` look at until it is as they want it."""

import time
from collections.abc import Iterator
from typing import Any

from api.errors import Expired, Timeout
from api.kinds import Kind, object_key
from api.rpc import unpack
from cli.connection import Connection, target_of
from proto.v1.service_pb2 import WatchRequest

LONG = 7 * 24 * 3600.0  # seconds; kubectl's idea of "without end"


class Deadline:
    """A moment in the future; `seconds` 0 is no deadline worth speaking of."""

    def __init__(self, seconds: float) -> None:
        self.at = time.monotonic() + (seconds or LONG)

    @property
    def left(self) -> float:
        return max(self.at - time.monotonic(), 0.0)


def states(
    server: Connection, kind: Kind, namespace: str, name: str, deadline: Deadline
) -> Iterator[Any]:
    """The object as it is now and after each change; None while there is none. Ends with the deadline."""
    for found in listings(server, kind, namespace, deadline, fields=f"metadata.name={name}"):
        yield found[0] if found else None


def listings(
    server: Connection, kind: Kind, namespace: str, deadline: Deadline, *, labels: str = "", fields: str = ""
) -> Iterator[list[Any]]:  # fmt: skip
    """The objects that the selectors choose, now and after each change. Ends with the deadline.

    A list and a watch from its version: nothing that happens in between is missed.
    """
    while True:
        found, version = server.list(kind, namespace, labels=labels, fields=fields)
        known = {object_key(obj): obj for obj in found}
        yield list(known.values())
        request = WatchRequest(
            target=target_of(kind, namespace), labelSelector=labels, fieldSelector=fields,
            resourceVersion=version,
        )  # fmt: skip
        try:
            for event in server.watch(request, timeout=deadline.left):
                obj = unpack(event.object)
                if event.type == "DELETED":
                    known.pop(object_key(obj), None)
                else:
                    known[object_key(obj)] = obj
                yield list(known.values())
        except Expired:
            continue
        except Timeout:
            return


def gone(
    server: Connection, kind: Kind, namespace: str, name: str, uid: str, deadline: Deadline
) -> bool:
    """Waits until the object with this uid is no more; False when the deadline comes first."""
    return any(
        obj is None or obj.metadata.uid != uid
        for obj in states(server, kind, namespace, name, deadline)
    )
