"""The pod that a controller makes from its owner's template, and a name for it that nobody has."""

from typing import Any

from api.names import SUFFIX_LENGTH, draw_suffix
from control_plane.controllers import owners
from proto.v1.apps_pb2 import PodTemplateSpec
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.pod_pb2 import Pod

_PREFIX = 63 - SUFFIX_LENGTH  # what is left of a host name


def draw_name(owner: Any) -> str:
    """The controller draws it, and not the server, so that it can ask for the same pod again (see ledger.py)."""
    return f"{owner.metadata.name}-"[:_PREFIX] + draw_suffix()


def pod_of(owner: Any, template: PodTemplateSpec, name: str) -> Pod:
    """A draft: what the template says, and whose it is."""
    meta = ObjectMeta(
        name=name,
        namespace=owner.metadata.namespace,
        generateName=f"{owner.metadata.name}-",
        labels=template.metadata.labels,
        annotations=template.metadata.annotations,
        finalizers=template.metadata.finalizers,
        ownerReferences=[owners.reference_to(owner)],
    )
    return Pod(metadata=meta, spec=template.spec)
