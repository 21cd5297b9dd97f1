"""Columns and rows as a Table, for any kind."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from google.protobuf.struct_pb2 import Value

from control_plane.apiserver.strategy import Cell, Strategy
from proto.v1.meta_pb2 import Table, TableColumn


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


def rows(strategy: Strategy, objects: Iterable[Any], now: datetime) -> list[Sequence[Cell]]:
    """One row per object, with a cell for every column (the wide ones too)."""
    return [strategy.row(obj, now) for obj in objects]


def value(cell: Cell) -> Value:
    """A cell as a Table carries it."""
    if cell is None:
        return Value(null_value=0)  # type: ignore[arg-type]
    if isinstance(cell, bool):
        return Value(bool_value=cell)
    if isinstance(cell, str):
        return Value(string_value=cell)
    return Value(number_value=cell)


def table(strategy: Strategy, objects: Iterable[Any], now: datetime) -> Table:
    """The whole table, without the objects that its rows are about."""
    made = Table(apiVersion="meta.k8s.io/v1", kind="Table", columnDefinitions=columns(strategy))
    for row in rows(strategy, objects, now):
        made.rows.add(cells=[value(cell) for cell in row])
    return made
