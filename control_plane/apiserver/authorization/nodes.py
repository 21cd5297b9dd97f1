"""What a node may do: what its own pods need, and no more (S#33).

A node is a machine that somebody may break into. What it can read then should be what lies on it anyway: the pods that
are bound to it, and the Secrets, ConfigMaps and ServiceAccounts that these name; and the certificates it shows for
Ingresses (ingresses.py). The graph behind that follows the pods of the watch cache. A reference counts from the binding
to the deletion of the pod, since these fields of a pod never change. https://kubernetes.io/docs/reference/access-authn-authz/node/
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from api import kinds
from api.identities import NODE_PREFIX, NODES
from api.kinds import Kind
from api.rbac import Attributes, Rule
from control_plane.apiserver.authorization.decision import Decision
from control_plane.apiserver.authorization.ingresses import IngressSecrets
from control_plane.apiserver.authorization.references import ACCOUNTS, Reference, references
from control_plane.apiserver.identity import User
from control_plane.apiserver.stored import Stored
from control_plane.apiserver.watcher import Event
from proto.v1.pod_pb2 import Pod

POD = kinds.of(Pod)
LEASE_NAMESPACE = "kube-node-lease"
READS = ("get", "list", "watch")
LEASE_VERBS = ("get", "create", "update", "patch", "delete")
ALLOWED = Decision(True, "allowed to the node by what runs on it")


def node_of(user: User) -> str:
    """The node that this user is; "": none."""
    if NODES in user.groups and user.name.startswith(NODE_PREFIX):
        return user.name.removeprefix(NODE_PREFIX)
    return ""


def _rule(verbs: str, resources: str, group: str = "") -> Rule:
    return Rule(frozenset(verbs.split()), frozenset((group,)), frozenset(resources.split()))


# What every node may do whatever runs on it. That it is about itself, restriction.py sees to, who sees the object.
RULES = (
    _rule("create update patch", "nodes nodes/status"),
    _rule("create update patch", "events"),
    _rule("create get list watch", "certificatesigningrequests", "certificates.k8s.io"),
    # It routes to services and to other nodes' pods, and answers for names; none of it is secret.
    _rule("get list watch", "services nodes"),
    _rule("get list watch", "endpointslices", "discovery.k8s.io"),
    _rule("get list watch", "ingresses ingressclasses networkpolicies", "networking.k8s.io"),
    _rule("get list watch", "peerslices", "helmling.dev"),
    _rule("create", "tokenreviews", "authentication.k8s.io"),
    _rule("create", "subjectaccessreviews", "authorization.k8s.io"),
)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a pod is, and what it needs there."""

    node: str
    needs: frozenset[Reference]


class Nodes:
    """Owner of the graph. A listener of the watch cache, for pods."""

    def __init__(self, ingresses: IngressSecrets | None = None) -> None:
        self._ingresses = ingresses or IngressSecrets()
        self._pods: dict[str, _Place] = {}  # those that are bound, by their key
        # How many pods of a node need an object. Always the sum of what _pods says.
        self._needs: Counter[tuple[str, Reference]] = Counter()

    def reset(self, kind: Kind, items: Iterable[Stored]) -> None:
        self._pods.clear()
        self._needs.clear()
        for stored in items:
            self._add(stored)

    def apply(self, kind: Kind, event: Event) -> None:
        old, new = event.old, event.new
        if old is not None and new is not None and _node(old) == _node(new):
            return
        if old is not None:
            self._remove(old.key)
        if new is not None:
            self._add(new)

    def _add(self, stored: Stored) -> None:
        node = _node(stored)
        if not node:
            return
        place = self._pods[stored.key] = _Place(node, references(stored.decode()))
        self._needs.update((node, each) for each in place.needs)

    def _remove(self, key: str) -> None:
        place = self._pods.pop(key, None)
        if place is None:
            return
        for each in place.needs:
            self._needs[place.node, each] -= 1
            if not self._needs[place.node, each]:
                del self._needs[place.node, each]

    def runs(self, node: str, namespace: str, name: str) -> bool:
        """Whether this pod is bound to it."""
        place = self._pods.get(kinds.key(POD, namespace, name))
        return place is not None and place.node == node

    def needs(self, node: str, reference: Reference) -> bool:
        """Whether a pod on it names this object, or it shows a certificate that this object holds."""
        return (node, reference) in self._needs or self._ingresses.needs(node, reference)

    def decide(self, node: str, asked: Attributes) -> Decision:
        if not asked.path and asked.group == "":
            if asked.resource in ("secrets", "configmaps"):
                return self._read(node, asked)
            if asked.resource == ACCOUNTS:
                return self._account(node, asked)
            if asked.resource == "pods":
                return self._pod(node, asked)
        if (asked.group, asked.resource) == ("coordination.k8s.io", "leases"):
            return _lease(node, asked)
        if any(rule.allows(asked) for rule in RULES):
            return ALLOWED
        return Decision(False)

    def _read(self, node: str, asked: Attributes) -> Decision:
        if asked.verb not in READS or asked.subresource:
            return _no("can only read resources of this type")
        if not asked.namespace:
            return _no("can only read namespaced object of this type")
        return self._related(node, asked)

    def _related(self, node: str, asked: Attributes) -> Decision:
        if not asked.name:
            return _no("No Object name found")
        if self.needs(node, Reference(asked.resource, asked.namespace, asked.name)):
            return ALLOWED
        return _no(f"no relationship found between node '{node}' and this object")

    def _account(self, node: str, asked: Attributes) -> Decision:
        if asked.verb == "get" and not asked.subresource:
            return self._related(node, asked)
        if (asked.verb, asked.subresource) != ("create", "token"):
            return _no("can only create tokens for individual service accounts")
        return self._related(node, asked)

    def _pod(self, node: str, asked: Attributes) -> Decision:
        if asked.verb in ("list", "watch") and not asked.subresource:
            if asked.node == node:
                return ALLOWED
            return _no("can only list/watch pods with spec.nodeName field selector")
        own = (asked.verb, asked.subresource) in OWN_PODS
        if own and self.runs(node, asked.namespace, asked.name):
            return ALLOWED
        return _no(f"no relationship found between node '{node}' and this object") if own else NO


OWN_PODS = {
    ("get", ""),
    ("delete", ""),
    ("get", "status"),
    ("update", "status"),
    ("patch", "status"),
    ("create", "eviction"),
}
NO = Decision(False)


def _node(pod: Stored) -> str:
    return pod.fields["spec.nodeName"]


def _lease(node: str, asked: Attributes) -> Decision:
    if asked.namespace != LEASE_NAMESPACE:
        return _no(f'can only access leases in the "{LEASE_NAMESPACE}" system namespace')
    if asked.verb not in LEASE_VERBS or asked.subresource:
        return _no("can only get, create, update, patch, or delete a node lease")
    if asked.name != node and asked.verb != "create":  # a new one: restriction.py sees its name
        return _no("can only access node lease with the same name as the requesting node")
    return ALLOWED


def _no(why: str) -> Decision:
    return Decision(False, why)
