"""What a command sends in a stream of bytes: threads put it in, and gRPC's own thread takes it out and sends it.

Data waits for the network: when enough of it is queued, whoever reads it from a file or a socket stops reading. All
else (a window's new size, the end) is queued at once, because it may come from a signal handler.
"""

import threading
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any

CHUNK = 32 * 1024  # bytes read at once
WAITING = 16  # chunks that may wait for the network


class Outgoing:
    """The messages of one stream, in order. Any thread may call its methods; one iterates over it, once."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[tuple[Any, bool]] = SimpleQueue()  # with: is it data?
        self._room = threading.Semaphore(WAITING)

    def put(self, message: Any) -> None:
        self._queue.put((message, False))

    def put_data(self, message: Any) -> None:
        """Blocks while too much waits."""
        self._room.acquire()
        self._queue.put((message, True))

    def end(self) -> None:
        self.put(None)

    def __iter__(self) -> Iterator[Any]:
        while True:
            message, is_data = self._queue.get()
            if message is None:
                return
            yield message
            if is_data:
                self._room.release()
