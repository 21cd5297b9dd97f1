"""Which IngressClass an Ingress gets that names none (S#90)."""

from collections.abc import Iterable

from control_plane.apiserver.validation.ingress import OLD_CLASS
from proto.v1.network_pb2 import Ingress, IngressClass

DEFAULT = "ingressclass.kubernetes.io/is-default-class"  # an annotation


def wants_default(ingress: Ingress) -> bool:
    """An annotation from before there was a field names one, too."""
    named = ingress.spec.HasField("ingressClassName")
    return not named and OLD_CLASS not in ingress.metadata.annotations


def default_of(classes: Iterable[IngressClass]) -> str:
    """The one that is marked; of several the newest; "": none is."""
    marked = [each for each in classes if each.metadata.annotations.get(DEFAULT) == "true"]
    newest = min(marked, key=_order, default=None)
    return newest.metadata.name if newest is not None else ""


def _order(ingress_class: IngressClass) -> tuple[int, str]:
    meta = ingress_class.metadata
    return -meta.creationTimestamp.seconds, meta.name
