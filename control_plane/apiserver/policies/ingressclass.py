"""Which IngressClass an Ingress gets that names none (S#90)."""

from collections.abc import Iterable

from api.ingresses import OLD_CLASS, default_class
from proto.v1.network_pb2 import Ingress, IngressClass


def wants_default(ingress: Ingress) -> bool:
    """An annotation from before there was a field names one, too."""
    named = ingress.spec.HasField("ingressClassName")
    return not named and OLD_CLASS not in ingress.metadata.annotations


def default_of(classes: Iterable[IngressClass]) -> str:
    """The one that is marked; of several the newest; "": none is."""
    found = default_class(list(classes))
    return found.metadata.name if found is not None else ""
