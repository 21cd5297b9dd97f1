"""Objects for tests, written as manifests are: a small valid one of each kind, and whatever the test adds to it."""

from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from api import kinds
from api.jsonform import from_json
from api.patch import merge_patch
from control_plane.apiserver import metadata
from control_plane.apiserver.kinds import STRATEGIES
from control_plane.apiserver.strategy import Strategy

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CREATED = Timestamp(seconds=int(NOW.timestamp()) - 60)

TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "a", "image": "i:1"}]},
}
ENDING = {"spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}
MANIFESTS: dict[str, dict[str, Any]] = {
    "Pod": {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"containers": [{"name": "a", "image": "i:1"}]},
    },
    "Node": {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}},
    "Namespace": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}},
    "Event": {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "web.1", "namespace": "default"},
        "involvedObject": {"kind": "Pod", "name": "web", "namespace": "default"},
    },
    "ReplicaSet": {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE},
    },
    "Deployment": {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE},
    },
    "DaemonSet": {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE},
    },
    "StatefulSet": {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE},
    },
    "ControllerRevision": {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {"name": "web-5d9", "namespace": "default"},
        "data": {"spec": {"template": TEMPLATE}},
        "revision": 1,
    },
    "Job": {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "pi", "namespace": "default"},
        "spec": {"template": ENDING},
    },
    "CronJob": {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "tidy", "namespace": "default"},
        "spec": {"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": ENDING}}},
    },
    "HorizontalPodAutoscaler": {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "maxReplicas": 5,
        },
    },
    "Service": {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
    },
    "EndpointSlice": {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-1", "namespace": "default"},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.244.0.5"]}],
        "ports": [{"port": 80}],
    },
    "Ingress": {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}},
    },
    "IngressClass": {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": "helmling"},
        "spec": {"controller": "helmling.dev/ingress"},
    },
    "NetworkPolicy": {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "deny", "namespace": "default"},
        "spec": {"podSelector": {}},
    },
    "PeerSlice": {
        "apiVersion": "helmling.dev/v1",
        "kind": "PeerSlice",
        "metadata": {"name": "web-1"},
        "peers": {"namespace": "default", "podSelector": {"matchLabels": {"app": "web"}}},
        "addresses": [
            {"ip": "10.244.0.5", "ports": [{"name": "http", "protocol": "TCP", "port": 80}]}
        ],
    },
    "PodDisruptionBudget": {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
    },
    "ResourceQuota": {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q", "namespace": "default"},
        "spec": {"hard": {"pods": "2"}},
    },
    "LimitRange": {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "bounds", "namespace": "default"},
        "spec": {"limits": [{"type": "Container", "max": {"cpu": "1"}}]},
    },
    "ConfigMap": {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": "default"},
        "data": {"color": "blue"},
    },
    "Secret": {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "keys", "namespace": "default"},
        "stringData": {"password": "hunter2"},
    },
    "ServiceAccount": {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "robot", "namespace": "default"},
    },
    "Role": {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "reader", "namespace": "default"},
        "rules": [],
    },
    "ClusterRole": {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "reader"},
    },
    "RoleBinding": {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "reads", "namespace": "default"},
        "roleRef": {"kind": "Role", "name": "reader"},
    },
    "ClusterRoleBinding": {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "reads"},
        "roleRef": {"kind": "ClusterRole", "name": "reader"},
    },
    "Lease": {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "n1", "namespace": "kube-node-lease"},
    },
}


def strategy(kind: str) -> Strategy:
    found = kinds.find(kind)
    assert found is not None
    return STRATEGIES[found]


def read(kind: str, change: dict[str, Any] | None = None) -> Any:
    """The manifest of the kind with the change merged into it, as an object. The manifest must be readable."""
    document = merge_patch(MANIFESTS[kind], change or {})
    obj, causes = from_json(strategy(kind).kind.message, document)
    assert causes == []
    return obj


def created(kind: str, change: dict[str, Any] | None = None) -> Any:
    """As the server would have it after a create, valid or not."""
    obj, hooks = read(kind, change), strategy(kind)
    metadata.prepare_create(obj, uid="u1", stamp=CREATED, suffix="bcdfg")
    hooks.default(obj)
    hooks.prepare_create(obj)
    return obj


def complaints(kind: str, change: dict[str, Any] | None = None) -> list[str]:
    """What is said about creating it."""
    return [str(cause) for cause in strategy(kind).validate(created(kind, change))]


def container(**fields: Any) -> dict[str, Any]:
    """The change of a pod that gives its only container these fields."""
    return {"spec": {"containers": [{"name": "a", "image": "i:1", **fields}]}}


def updated(kind: str, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What is said about an update from one to the other, both changes of the manifest."""
    old, new, hooks = created(kind, before), read(kind, after), strategy(kind)
    hooks.default(new)
    metadata.prepare_update(new, old)
    hooks.prepare_update(new, old)
    return [str(cause) for cause in hooks.validate_update(new, old)]
