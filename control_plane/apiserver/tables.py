"""Tables as an answer: the rows that printers/ makes, each with as much of its object as was asked for (S#18)."""

from collections.abc import Iterable
from datetime import datetime

from google.protobuf.any_pb2 import Any as Envelope

from api import rpc
from api.errors import BadRequest
from control_plane.apiserver.printers.table import columns, value
from control_plane.apiserver.stored import Stored
from control_plane.apiserver.strategy import Strategy
from proto.v1.meta_pb2 import ListMeta, Table, TableRow

INCLUDE = ("", "Metadata", "Object", "None")


def check_include(include: str) -> None:
    if include not in INCLUDE:
        raise BadRequest(f"includeObject must be Metadata, Object or None, not {include!r}")


def table(
    strategy: Strategy, items: Iterable[Stored], metadata: ListMeta, include: str, now: datetime
) -> Table:
    return Table(
        apiVersion="meta.k8s.io/v1",
        kind="Table",
        metadata=metadata,
        columnDefinitions=columns(strategy),
        rows=[row(stored, include, now) for stored in items],
    )


def row(stored: Stored, include: str, now: datetime) -> TableRow:
    obj = stored.decode()
    cells = [value(cell) for cell in stored.strategy.row(obj, now)]
    if include == "None":
        return TableRow(cells=cells)
    if include == "Object":
        return TableRow(cells=cells, object=Envelope.FromString(stored.envelope()))
    about = type(obj)(apiVersion=obj.apiVersion, kind=obj.kind, metadata=obj.metadata)
    return TableRow(cells=cells, object=rpc.pack(about))
