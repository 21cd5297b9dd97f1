"""Which Secrets a node may read because it serves Ingresses: those that hold their certificates, and no others.

Each node that serves shows every Ingress of ours to the world, so each needs all of their certificates. A node that
does not serve needs none: it says so with a label, and what an administrator says with the other one counts for more.
An Ingress that names another class is somebody else's, and opens nothing.
"""

from collections.abc import Iterable
from typing import Any

from api import kinds
from api.ingresses import SERVING, VETO, class_of, names_us, secrets_of
from api.kinds import Kind
from control_plane.apiserver.authorization.references import Reference
from control_plane.apiserver.stored import Stored
from control_plane.apiserver.watcher import Event
from proto.v1.cluster_pb2 import Node
from proto.v1.network_pb2 import Ingress, IngressClass

KINDS = INGRESS, CLASS, NODE = kinds.of(Ingress), kinds.of(IngressClass), kinds.of(Node)
SECRETS = "secrets"


class IngressSecrets:
    """A listener of the watch cache, for the three kinds."""

    def __init__(self) -> None:
        self._classes: dict[str, IngressClass] = {}
        self._serving: set[str] = set()  # keys of nodes
        # The same from both sides: what an ingress names, and by which ingresses, of which class, a Secret is named.
        self._names: dict[str, frozenset[Reference]] = {}
        self._named: dict[Reference, dict[str, str]] = {}

    def needs(self, node: str, reference: Reference) -> bool:
        """Whether this node shows a certificate of this Secret."""
        if kinds.key(NODE, "", node) not in self._serving:
            return False
        classes = self._classes.values()
        named = self._named.get(reference, {})
        return any(names_us(name, classes) for name in set(named.values()))

    def reset(self, kind: Kind, items: Iterable[Stored]) -> None:
        if kind is CLASS:
            self._classes.clear()
        elif kind is NODE:
            self._serving.clear()
        else:
            self._names.clear()
            self._named.clear()
        for stored in items:
            self._put(kind, stored.key, stored.decode())

    def apply(self, kind: Kind, event: Event) -> None:
        if event.new is not None:
            self._put(kind, event.new.key, event.new.decode())
        elif event.old is not None:
            self._put(kind, event.old.key, None)

    def _put(self, kind: Kind, key: str, obj: Any | None) -> None:
        """None: it is gone."""
        if kind is INGRESS:
            self._put_ingress(key, obj)
        elif kind is NODE:
            serves = obj is not None and _serves(obj)
            (self._serving.add if serves else self._serving.discard)(key)
        elif obj is not None:
            self._classes[key] = obj
        else:
            self._classes.pop(key, None)

    def _put_ingress(self, key: str, ingress: Ingress | None) -> None:
        for reference in self._names.pop(key, ()):
            of_it = self._named[reference]
            del of_it[key]
            if not of_it:
                del self._named[reference]
        if ingress is None:
            return
        namespace = ingress.metadata.namespace
        names = frozenset(Reference(SECRETS, namespace, each) for each in secrets_of(ingress))
        if names:
            self._names[key] = names
        for reference in names:
            self._named.setdefault(reference, {})[key] = class_of(ingress)


def _serves(node: Node) -> bool:
    labels = node.metadata.labels
    return labels.get(SERVING) == "true" and labels.get(VETO) != "false"
