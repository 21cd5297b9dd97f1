"""Which Ingresses the nodes serve, and what they need for it. Pure; one answer for agents, server and controller.

An Ingress names its class, in a field or, as was the custom before there was one, in an annotation. The class says who
serves it. Who comes from a small distribution knows that an Ingress without any class just works, and so it does here,
unless the cluster has told that others serve Ingresses too: then only what is meant for us is ours.
https://kubernetes.io/docs/concepts/services-networking/ingress/#ingress-class
"""

from collections.abc import Collection

from proto.v1.network_pb2 import Ingress, IngressClass

CONTROLLER = "helmling.dev/ingress"  # as IngressClasses of ours have it
OWN_CLASS = "helmling"  # means us even where nobody made an IngressClass of this name
OLD_CLASS = "kubernetes.io/ingress.class"  # the annotation
DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"  # an annotation of IngressClasses

# A label that nodes with a proxy give themselves. An administrator who does not trust a node with certificates takes
# the right away with the other one, which no node can change.
SERVING, VETO = "helmling.dev/ingress", "node-restriction.kubernetes.io/ingress"
# An annotation of nodes: what their proxy answers on, "80,443". Not there: it does not run.
PORTS = "helmling.dev/ingress-ports"


def class_of(ingress: Ingress) -> str:
    """As it says itself; empty: it says nothing."""
    if ingress.spec.HasField("ingressClassName"):
        return ingress.spec.ingressClassName
    return ingress.metadata.annotations.get(OLD_CLASS, "")


def is_ours(ingress: Ingress, classes: Collection[IngressClass]) -> bool:
    return names_us(class_of(ingress), classes)


def names_us(name: str, classes: Collection[IngressClass]) -> bool:
    """Whether a class of this name, or none if it is empty, means the nodes' proxies."""
    if name:
        found = next((each for each in classes if each.metadata.name == name), None)
        return found.spec.controller == CONTROLLER if found is not None else name == OWN_CLASS
    default = default_class(classes)
    if default is not None:
        return default.spec.controller == CONTROLLER
    return all(each.spec.controller == CONTROLLER for each in classes)


def default_class(classes: Collection[IngressClass]) -> IngressClass | None:
    """That which Ingresses without a class get: of several the youngest, as in Kubernetes."""
    marked = [
        each for each in classes if each.metadata.annotations.get(DEFAULT_CLASS, "") == "true"
    ]
    return min(marked, key=_youngest_first, default=None)


def _youngest_first(ingress_class: IngressClass) -> tuple[int, str]:
    return -ingress_class.metadata.creationTimestamp.seconds, ingress_class.metadata.name


def secrets_of(ingress: Ingress) -> frozenset[str]:
    """The names of the Secrets that hold its certificates, in its namespace."""
    return frozenset(each.secretName for each in ingress.spec.tls if each.secretName)
