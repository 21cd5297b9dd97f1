"""Tables: the rows that the server prints, for `kubectl get` (S#18)."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from api.errors import BadRequest
from control_plane.apiserver.stored import Stored
from control_plane.apiserver.strategy import Strategy
from control_plane.apiserver.tables import INCLUDE
from control_plane.gateway.objects import META_GROUP, Objects, partial


class Rows:
    """Of one kind, with as much of each object as was asked for."""

    def __init__(self, strategy: Strategy, objects: Objects, include: str) -> None:
        if include not in INCLUDE:
            raise BadRequest(
                f'includeObject: Invalid value: "{include}": must be one of Metadata, Object, None'
            )
        self._strategy, self._objects, self._include = strategy, objects, include

    def table(
        self, items: Iterable[Stored], meta: dict[str, Any], now: datetime, *, columns: bool = True
    ) -> dict[str, Any]:
        return {
            "kind": "Table",
            "apiVersion": META_GROUP,
            "metadata": meta,
            "columnDefinitions": self._columns() if columns else [],
            "rows": [self._row(stored, now) for stored in items],
        }

    def _columns(self) -> list[dict[str, Any]]:
        return [
            {
                "name": column.name,
                "type": column.type,
                "format": column.format,
                "description": column.description,
                "priority": 1 if column.wide else 0,
            }
            for column in self._strategy.columns
        ]

    def _row(self, stored: Stored, now: datetime) -> dict[str, Any]:
        row: dict[str, Any] = {"cells": list(self._strategy.row(stored.decode(), now))}
        if self._include == "Object":
            row["object"] = self._objects.fragment(stored)
        elif self._include != "None":
            row["object"] = partial(stored)
        return row
