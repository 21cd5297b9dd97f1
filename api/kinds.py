"""The table of kinds: what each is called, and whether it lives in a namespace. A new kind is one more row."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from google.protobuf.message import Message

from proto.v1.apps_pb2 import (
    ControllerRevision,
    DaemonSet,
    Deployment,
    ReplicaSet,
    Scale,
    StatefulSet,
)
from proto.v1.authentication_pb2 import (
    SelfSubjectReview,
    ServiceAccount,
    TokenRequest,
    TokenReview,
)
from proto.v1.batch_pb2 import CronJob, Job
from proto.v1.certificates_pb2 import BootstrapToken, CertificateSigningRequest
from proto.v1.cluster_pb2 import Event, Lease, Namespace, Node
from proto.v1.config_pb2 import ConfigMap, Secret
from proto.v1.limits_pb2 import LimitRange, ResourceQuota
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.network_pb2 import (
    EndpointSlice,
    Ingress,
    IngressClass,
    NetworkPolicy,
    PeerSlice,
    Service,
)
from proto.v1.pod_pb2 import Pod
from proto.v1.policy_pb2 import (
    HorizontalPodAutoscaler,
    NodeMetrics,
    PodDisruptionBudget,
    PodMetrics,
)
from proto.v1.rbac_pb2 import (
    ClusterRole,
    ClusterRoleBinding,
    Role,
    RoleBinding,
    SelfSubjectAccessReview,
    SelfSubjectRulesReview,
    SubjectAccessReview,
)


class Object(Protocol):
    """What every object has (structurally: the protobuf classes do not know this)."""

    apiVersion: str
    kind: str

    @property
    def metadata(self) -> ObjectMeta: ...


@dataclass(frozen=True)
class Kind:
    message: type[Any]  # the protobuf class
    group: str  # "" for the core group
    version: str
    plural: str  # as in addresses: "pods"
    short: tuple[str, ...] = ()  # what else people type: "po"
    namespaced: bool = True
    status: bool = True  # has the subresource "status"
    collected: bool = True  # the garbage collector looks at its objects
    categories: tuple[str, ...] = ()  # "all": shown by `get all`
    scale: bool = (
        False  # has the subresource "scale": spec.replicas, status.replicas, spec.selector
    )
    stored: bool = True  # False: the server has it in memory only; it can be read, no more

    @cached_property
    def name(self) -> str:
        """CamelCase: "Pod"."""
        return str(self.message.DESCRIPTOR.name)

    @property
    def singular(self) -> str:
        return self.name.lower()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @cached_property
    def type_url(self) -> str:
        """How google.protobuf.Any names it."""
        return f"helmling.dev/{self.message.DESCRIPTOR.full_name}"

    @property
    def full_name(self) -> str:
        """With its group, as messages print it: "pods", "leases.coordination.k8s.io"."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def prefix(self) -> str:
        """Where its objects are in the store; namespace and name follow."""
        return (
            f"/registry/{self.group}/{self.plural}/" if self.group else f"/registry/{self.plural}/"
        )


RBAC, AUTHENTICATION, AUTHORIZATION, NETWORKING = (
    f"{name}.k8s.io"
    for name in ("rbac.authorization", "authentication", "authorization", "networking")
)


def _rbac(message: type[Any], plural: str, *, namespaced: bool = True) -> Kind:
    return Kind(message, RBAC, "v1", plural, namespaced=namespaced, status=False)


def _review(message: type[Any], group: str, plural: str) -> Kind:
    return Kind(message, group, "v1", plural, namespaced=False, status=False, collected=False)


def _measured(message: type[Any], plural: str, *, namespaced: bool = True) -> Kind:
    """What agents report of the use of resources."""
    return Kind(
        message,
        "metrics.k8s.io",
        "v1beta1",
        plural,
        namespaced=namespaced,
        status=False,
        collected=False,
        stored=False,
    )


KINDS: tuple[Kind, ...] = (
    Kind(Pod, "", "v1", "pods", ("po",), categories=("all",)),
    Kind(Node, "", "v1", "nodes", ("no",), namespaced=False),
    Kind(Namespace, "", "v1", "namespaces", ("ns",), namespaced=False),
    Kind(Event, "", "v1", "events", ("ev",), status=False, collected=False),
    Kind(Lease, "coordination.k8s.io", "v1", "leases", (), status=False),
    Kind(ConfigMap, "", "v1", "configmaps", ("cm",), status=False),
    Kind(Secret, "", "v1", "secrets", (), status=False),
    Kind(Service, "", "v1", "services", ("svc",), categories=("all",)),
    Kind(ReplicaSet, "apps", "v1", "replicasets", ("rs",), categories=("all",), scale=True),
    Kind(Deployment, "apps", "v1", "deployments", ("deploy",), categories=("all",), scale=True),
    Kind(DaemonSet, "apps", "v1", "daemonsets", ("ds",), categories=("all",)),
    Kind(StatefulSet, "apps", "v1", "statefulsets", ("sts",), categories=("all",), scale=True),
    Kind(ControllerRevision, "apps", "v1", "controllerrevisions", (), status=False),
    Kind(Job, "batch", "v1", "jobs", (), categories=("all",)),
    Kind(CronJob, "batch", "v1", "cronjobs", ("cj",), categories=("all",)),
    Kind(EndpointSlice, "discovery.k8s.io", "v1", "endpointslices", (), status=False),
    Kind(Ingress, NETWORKING, "v1", "ingresses", ("ing",)),
    Kind(IngressClass, NETWORKING, "v1", "ingressclasses", (), namespaced=False, status=False),
    Kind(NetworkPolicy, NETWORKING, "v1", "networkpolicies", ("netpol",), status=False),
    Kind(PeerSlice, "helmling.dev", "v1", "peerslices", namespaced=False, status=False),
    Kind(PodDisruptionBudget, "policy", "v1", "poddisruptionbudgets", ("pdb",)),
    Kind(ResourceQuota, "", "v1", "resourcequotas", ("quota",)),
    Kind(LimitRange, "", "v1", "limitranges", ("limits",), status=False),
    Kind(
        HorizontalPodAutoscaler,
        "autoscaling",
        "v2",
        "horizontalpodautoscalers",
        ("hpa",),
        categories=("all",),
    ),
    Kind(
        CertificateSigningRequest,
        "certificates.k8s.io",
        "v1",
        "certificatesigningrequests",
        ("csr",),
        namespaced=False,
        collected=False,
    ),
    Kind(
        BootstrapToken,
        "helmling.dev",
        "v1",
        "bootstraptokens",
        namespaced=False,
        status=False,
        collected=False,
    ),
    Kind(ServiceAccount, "", "v1", "serviceaccounts", ("sa",), status=False),
    _rbac(Role, "roles"),
    _rbac(RoleBinding, "rolebindings"),
    _rbac(ClusterRole, "clusterroles", namespaced=False),
    _rbac(ClusterRoleBinding, "clusterrolebindings", namespaced=False),
    # Below the kinds whose plurals they share: `find` takes the first row.
    _measured(PodMetrics, "pods"),
    _measured(NodeMetrics, "nodes", namespaced=False),
)

# Questions to the server: one creates them, the answer is in their status, and nothing is ever stored.
REVIEWS: tuple[Kind, ...] = (
    _review(SelfSubjectAccessReview, AUTHORIZATION, "selfsubjectaccessreviews"),
    _review(SelfSubjectRulesReview, AUTHORIZATION, "selfsubjectrulesreviews"),
    _review(SubjectAccessReview, AUTHORIZATION, "subjectaccessreviews"),
    _review(SelfSubjectReview, AUTHENTICATION, "selfsubjectreviews"),
    _review(TokenReview, AUTHENTICATION, "tokenreviews"),
)
# Asked at the subresource "token" of a ServiceAccount.
TOKEN_REQUEST = Kind(TokenRequest, AUTHENTICATION, "v1", "tokenrequests", status=False)

# What is read and written at the subresource "scale" of some kinds. It is stored nowhere, so it is no row.
SCALE = Kind(Scale, "autoscaling", "v1", "scales", status=False)

_ASKED = (*KINDS, *REVIEWS)
_BY_MESSAGE: dict[type[Message], Kind] = {kind.message: kind for kind in (*_ASKED, TOKEN_REQUEST)}
_BY_RESOURCE = {(kind.group, kind.plural): kind for kind in _ASKED}
_BY_TYPE = {(kind.api_version, kind.name): kind for kind in _ASKED}
_BY_URL = {kind.type_url: kind for kind in (*_ASKED, SCALE, TOKEN_REQUEST)}


def of(message: type[Any] | Message) -> Kind:
    """The row of a protobuf class, or of an object."""
    return _BY_MESSAGE[message if isinstance(message, type) else type(message)]


def by_resource(group: str, plural: str) -> Kind | None:
    return _BY_RESOURCE.get((group, plural))


def by_type(api_version: str, kind: str) -> Kind | None:
    return _BY_TYPE.get((api_version, kind))


def by_url(type_url: str) -> Kind | None:
    return _BY_URL.get(type_url)


def find(word: str) -> Kind | None:
    """What people type: "po", "pod", "pods", "Pod", "leases.coordination.k8s.io", "hpa.v2.autoscaling"."""
    name, _, rest = word.lower().rstrip(".").partition(".")
    for kind in KINDS:
        places = ("", kind.group, f"{kind.version}.{kind.group}".rstrip("."))
        if name in (kind.plural, kind.singular, *kind.short) and rest in places:
            return kind
    return None


def key(kind: Kind, namespace: str, name: str) -> str:
    """An object's key in the store."""
    return f"{kind.prefix}{namespace}/{name}" if kind.namespaced else f"{kind.prefix}{name}"


def object_key(obj: Any) -> str:
    """What controllers call an object: "namespace/name", or "name" for cluster-wide kinds."""
    meta = obj.metadata
    return f"{meta.namespace}/{meta.name}" if meta.namespace else str(meta.name)
