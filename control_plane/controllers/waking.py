"""Handlers of informers that put keys into a controller's queue: of what has changed, and of whom it belongs to."""

from typing import Any

from api import kinds
from api.informer import Handler, Informer
from api.workqueue import WorkQueue
from control_plane.controllers import owners


def itself(queue: WorkQueue) -> Handler[Any]:
    """What has come or has changed is looked at."""

    def handle(_: Any, new: Any) -> None:
        if new is not None:
            queue.add(kinds.object_key(new))

    return handle


def manager(queue: WorkQueue, kind: type[Any]) -> Handler[Any]:
    """Whoever of this kind manages the object, or did before the change."""
    name = kinds.of(kind).name

    def handle(old: Any, new: Any) -> None:
        for obj in filter(None, (old, new)):
            found = owners.manager_of(obj)
            if found is not None and found.kind == name:
                queue.add(f"{obj.metadata.namespace}/{found.name}")

    return handle


def manager_or_takers(queue: WorkQueue, informer: Informer[Any]) -> Handler[Any]:
    """And of an object that nobody manages, those of the informer's that might adopt it."""
    wake_manager = manager(queue, informer.kind)

    def handle(old: Any, new: Any) -> None:
        wake_manager(old, new)
        if new is not None and owners.manager_of(new) is None:
            for key in owners.wanting(informer, new):
                queue.add(key)

    return handle
