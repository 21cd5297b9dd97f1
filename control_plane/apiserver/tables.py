"""Objects as rows and columns. The server prints, so that every client shows the same (S#18)."""

from collections.abc import Iterable
from datetime import datetime

from google.protobuf.any_pb2 import Any as Envelope
from google.protobuf.struct_pb2 import Value

from api import rpc
from api.errors import BadRequest
from control_plane.apiserver.stored import Stored
from control_plane.apiserver.strategy import Cell, Strategy
from proto.v1.meta_pb2 import ListMeta, Table, TableColumn, TableRow

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


def columns(strategy: Strategy) -> list[TableColumn]:
    return [
        TableColumn(
            name=column.name,
            type=column.type,
            format=column.format,
            description=column.description,
            priority=1 if column.wide else 0,
        )
        for column in strategy.columns
    ]


def row(stored: Stored, include: str, now: datetime) -> TableRow:
    obj = stored.decode()
    cells = [_cell(cell) for cell in stored.strategy.row(obj, now)]
    if include == "None":
        return TableRow(cells=cells)
    if include == "Object":
        return TableRow(cells=cells, object=Envelope.FromString(stored.envelope()))
    about = type(obj)(apiVersion=obj.apiVersion, kind=obj.kind, metadata=obj.metadata)
    return TableRow(cells=cells, object=rpc.pack(about))


def _cell(cell: Cell) -> Value:
    if cell is None:
        return Value(null_value=0)  # type: ignore[arg-type]
    if isinstance(cell, bool):
        return Value(bool_value=cell)
    if isinstance(cell, int | float):
        return Value(number_value=cell)
    return Value(string_value=cell)
