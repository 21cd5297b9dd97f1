"""Stored objects as JSON. Each version of an object is converted once, however many read it or watch it.

The bytes are kept by key and version, and as many of them as fit into a fixed room: what was not read for longest goes
first. Lists, events and rows are frames around these bytes (orjson.Fragment), as wire.py does it for protobuf.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from api import jsonform
from api.kinds import Kind
from control_plane.apiserver.reads import Page
from control_plane.apiserver.stored import Stored

ROOM = 64 * 1024 * 1024  # bytes
META_GROUP = "meta.k8s.io/v1"


class Objects:
    """Owner of the converted versions. Invariant: `_held` is the sum of the lengths of `_kept`."""

    def __init__(self, room: int = ROOM) -> None:
        self._kept: OrderedDict[tuple[str, str, int], bytes] = OrderedDict()
        self._held, self._room = 0, room

    @property
    def held(self) -> int:
        """Bytes."""
        return self._held

    def json(self, stored: Stored) -> bytes:
        if not stored.revision or not stored.key:
            return orjson.dumps(written(stored))
        about = (
            stored.strategy.kind.name,
            stored.key,
            stored.revision,
        )  # a Scale has its owner's key
        found = self._kept.get(about)
        if found is None:
            found = self._kept[about] = orjson.dumps(written(stored))
            self._held += len(found)
            while self._held > self._room:
                self._held -= len(self._kept.popitem(last=False)[1])
        else:
            self._kept.move_to_end(about)
        return found

    def fragment(self, stored: Stored) -> orjson.Fragment:
        return orjson.Fragment(self.json(stored))


def written(stored: Stored) -> dict[str, Any]:
    """Its plain form, in Kubernetes' order: what it is, then who it is."""
    found = jsonform.to_json(stored.decode())
    return {"kind": found.pop("kind", ""), "apiVersion": found.pop("apiVersion", ""), **found}


def partial(stored: Stored) -> dict[str, Any]:
    """Who it is, and nothing else."""
    meta = jsonform.to_json(stored.decode().metadata)
    return {"kind": "PartialObjectMetadata", "apiVersion": META_GROUP, "metadata": meta}


def list_meta(page: Page) -> dict[str, Any]:
    meta: dict[str, Any] = {"resourceVersion": str(page.revision)}
    if page.token:
        meta["continue"] = page.token
        if page.remaining is not None:
            meta["remainingItemCount"] = page.remaining
    return meta


def listing(kind: Kind, page: Page, item: Callable[[Stored], Any]) -> dict[str, Any]:
    return _listing(f"{kind.name}List", kind.api_version, page, map(item, page.items))


def partial_listing(page: Page) -> dict[str, Any]:
    return _listing("PartialObjectMetadataList", META_GROUP, page, map(partial, page.items))


def _listing(name: str, version: str, page: Page, items: Iterable[Any]) -> dict[str, Any]:
    return {"kind": name, "apiVersion": version, "metadata": list_meta(page), "items": list(items)}
