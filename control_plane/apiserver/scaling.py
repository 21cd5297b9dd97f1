"""The subresource "scale": how many pods, asked and answered alike for everything that has replicas (S#65).

Whoever scales (`helmling scale`, an autoscaler) need not know what it scales. Which kinds can be scaled says their row
in api/kinds.py; they all have spec.replicas, status.replicas and spec.selector, so that nothing here is about one kind.
"""

from typing import Any

from api.errors import Cause, Invalid
from api.kinds import SCALE, Kind
from api.selectors import labels_from
from control_plane.apiserver import refusals
from control_plane.apiserver.stored import Stored
from control_plane.apiserver.strategy import Strategy
from control_plane.apiserver.validation import schema
from proto.v1.apps_pb2 import Scale

SUBRESOURCE = "scale"
_STRATEGY = Strategy(SCALE)


def check(kind: Kind, verb: str) -> None:
    """Raises MethodNotAllowed: it has no replicas."""
    if not kind.scale:
        raise refusals.not_allowed(kind, verb, SUBRESOURCE)


def seen(stored: Stored) -> Stored:
    """The scale of an object, in the place of the object."""
    value = scale_of(stored.decode())
    value.metadata.ClearField("resourceVersion")  # Stored adds it
    return Stored(_STRATEGY, stored.key, value.SerializeToString(), stored.revision)


def scale_of(obj: Any) -> Scale:
    meta = obj.metadata
    scale = Scale(apiVersion=SCALE.api_version, kind=SCALE.name)
    for name in ("name", "namespace", "uid", "resourceVersion"):
        setattr(scale.metadata, name, getattr(meta, name))
    scale.metadata.creationTimestamp.CopyFrom(meta.creationTimestamp)
    scale.spec.replicas = obj.spec.replicas
    scale.status.replicas = obj.status.replicas
    scale.status.selector = str(labels_from(obj.spec.selector))
    return scale


def scaled(obj: Any, scale: Scale, causes: list[Cause]) -> Any:
    """A copy of the object with as many replicas; a version or uid in the scale is a precondition. Raises Invalid.

    `causes`: what is known to be wrong with the scale already.
    """
    if wrong := [*causes, *schema.check(scale)]:
        raise Invalid.because(SCALE.name, obj.metadata.name, wrong)
    new = type(obj)()
    new.CopyFrom(obj)
    new.metadata.resourceVersion = scale.metadata.resourceVersion
    new.metadata.uid = scale.metadata.uid or obj.metadata.uid
    new.spec.replicas = scale.spec.replicas
    return new
