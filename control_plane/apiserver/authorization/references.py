"""Which objects a pod needs on its node: what a node may read because the pod is bound to it. Pure."""

from typing import NamedTuple

from api.configrefs import of_pod
from proto.v1.pod_pb2 import Pod

RESOURCES = {"ConfigMap": "configmaps", "Secret": "secrets"}
ACCOUNTS = "serviceaccounts"


class Reference(NamedTuple):
    """An object of the core group, in the pod's namespace."""

    resource: str
    namespace: str
    name: str


def references(pod: Pod) -> frozenset[Reference]:
    namespace, spec = pod.metadata.namespace, pod.spec
    found = {
        Reference(RESOURCES[each.kind], namespace, each.name) for each in of_pod(spec, namespace)
    }
    if spec.serviceAccountName:
        found.add(Reference(ACCOUNTS, namespace, spec.serviceAccountName))
    return frozenset(found)
