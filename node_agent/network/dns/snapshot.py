"""What was known last, kept on the node's disk: for an agent that starts while no server answers.

The pods go on running then, and go on asking. One file, replaced by a rename; one that cannot be read is as good as
none. Each object is written with its kind and its length before it.
"""

import logging
import os
import struct
from collections.abc import Iterable
from pathlib import Path

from google.protobuf.message import DecodeError

from node_agent.network.dns.index import Index
from proto.v1.network_pb2 import EndpointSlice, Service

log = logging.getLogger(__name__)

FILE = "names.pb"
_HEAD = struct.Struct("!BI")  # kind, length
_SERVICE, _SLICE = 0, 1


def save(folder: Path, services: Iterable[Service], slices: Iterable[EndpointSlice]) -> None:
    """Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"{FILE}.new"
    with fresh.open("wb") as file:
        for kind, objects in ((_SERVICE, services), (_SLICE, slices)):
            for each in objects:
                content = each.SerializeToString()
                file.write(_HEAD.pack(kind, len(content)) + content)
    os.replace(fresh, folder / FILE)


def load(folder: Path) -> Index | None:
    """None: nothing is known."""
    try:
        content = (folder / FILE).read_bytes()
    except OSError:
        return None
    index, at = Index(), 0
    try:
        while at < len(content):
            kind, length = _HEAD.unpack_from(content, at)
            at += _HEAD.size
            (piece,) = struct.unpack_from(f"{length}s", content, at)
            if kind == _SERVICE:
                index.service_changed(None, Service.FromString(piece))
            else:
                index.slice_changed(None, EndpointSlice.FromString(piece))
            at += length
    except (DecodeError, struct.error):
        log.warning("names_unreadable path=%s", folder / FILE)
        return None
    return index
