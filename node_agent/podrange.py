"""Which addresses this node's pods have: told by a flag, or given by the cluster and then remembered.

Remembered, because an agent that starts while no server answers has pods to look after; and because a machine whose
Node was deleted asks for the range that its pods have addresses of.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from api import keyfiles
from api.podranges import PodRange, range_of
from proto.v1.cluster_pb2 import Node

log = logging.getLogger(__name__)

FILE = "pod-range.json"


class RangeKeeper:
    """`current` is what the cluster says now; None until it has said something for the first time."""

    def __init__(self, folder: Path, node: str, told: PodRange | None = None) -> None:
        self._file, self._node, self._told = folder / FILE, node, told
        self.current = told or self._read()
        self._known = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []
        if self.current is not None:
            self._known.set()

    @property
    def told(self) -> str:
        """The range that a flag named."""
        return self._told.pods if self._told is not None else ""

    @property
    def last(self) -> str:
        """The range that the machine had the last time; "" if a flag names one, or it had none."""
        return self.current.pods if self.current is not None and self._told is None else ""

    async def known(self) -> PodRange:
        await self._known.wait()
        assert self.current is not None
        return self.current

    def on_change(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def notice(self, _: Node | None, new: Node | None) -> None:
        """A handler of an informer of nodes."""
        if self._told is not None or new is None or new.metadata.name != self._node:
            return
        given = range_of(new)
        if given is None or given == self.current:
            return
        log.info("pod_range given=%s of=%s", given.pods, given.cluster)
        self.current = given
        self._file.parent.mkdir(parents=True, exist_ok=True)
        keyfiles.write(self._file, json.dumps(asdict(given)).encode(), keyfiles.PUBLIC)
        self._known.set()
        for listener in self._listeners:
            listener()

    def _read(self) -> PodRange | None:
        try:
            return PodRange(**json.loads(self._file.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            log.warning("pod_range_unreadable file=%s error=%r", self._file, str(error))
            return None
