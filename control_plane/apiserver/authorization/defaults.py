"""The roles and bindings that every cluster has: made at each start, and completed where something is lacking.

They are ordinary objects, so that they can be read and bound like any other. Whoever wants one to stay as he has made
it sets its annotation rbac.authorization.kubernetes.io/autoupdate to "false". Roles for users (admin, edit, view) are
aggregated: a ClusterRole with the label rbac.authorization.k8s.io/aggregate-to-view: "true" adds its rules to view.
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings
"""

import logging
from typing import Any

from api.client import Client
from api.errors import AlreadyExists, Conflict, NotFound
from api.identities import BOOTSTRAPPERS, MASTERS
from api.rbac import GROUP, Reconciled, reconciled_binding, reconciled_role
from control_plane.apiserver.identity import AUTHENTICATED
from proto.v1.meta_pb2 import LabelSelector, ObjectMeta
from proto.v1.rbac_pb2 import (
    AggregationRule,
    ClusterRole,
    ClusterRoleBinding,
    PolicyRule,
    RoleRef,
    Subject,
)

log = logging.getLogger(__name__)

AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
BOOTSTRAPPING = ("kubernetes.io/bootstrapping", "rbac-defaults")
AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"

READ = "get list watch"
WRITE = "create delete deletecollection patch update"
ATTEMPTS = 5  # so often somebody may be quicker


def _allow(verbs: str, group: str, resources: str, *, names: tuple[str, ...] = ()) -> PolicyRule:
    return PolicyRule(
        verbs=verbs.split(), apiGroups=[group], resources=resources.split(), resourceNames=names
    )


def _role(name: str, *rules: PolicyRule, to: str = "", made_of: str = "") -> ClusterRole:
    """`to`: whose rules these become as well; `made_of`: the roles that this one unites."""
    labels = dict([BOOTSTRAPPING])
    if to:
        labels[AGGREGATE + to] = "true"
    role = ClusterRole(metadata=_named(name, labels), rules=rules)
    if made_of:
        chosen = LabelSelector(matchLabels={AGGREGATE + made_of: "true"})
        role.aggregationRule.CopyFrom(AggregationRule(clusterRoleSelectors=[chosen]))
    return role


def _named(name: str, labels: dict[str, str]) -> ObjectMeta:
    return ObjectMeta(name=name, labels=labels, annotations={AUTOUPDATE: "true"})


def _bound(name: str, *groups: str, role: str = "") -> ClusterRoleBinding:
    return ClusterRoleBinding(
        metadata=_named(name, dict([BOOTSTRAPPING])),
        subjects=[Subject(kind="Group", apiGroup=GROUP, name=group) for group in groups],
        roleRef=RoleRef(apiGroup=GROUP, kind="ClusterRole", name=role or name),
    )


_PODS = "pods pods/attach pods/exec pods/portforward pods/proxy"
_WORKLOADS = (
    "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets "
    "statefulsets/scale"
)
_VIEW = (
    _allow(
        READ, "", "bindings configmaps endpoints events limitranges namespaces namespaces/status "
        "persistentvolumeclaims persistentvolumeclaims/status pods pods/log pods/status "
        "replicationcontrollers resourcequotas resourcequotas/status serviceaccounts services services/status",
    ),
    _allow(
        READ, "apps", "controllerrevisions daemonsets daemonsets/status deployments deployments/scale "
        "deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale "
        "statefulsets/status",
    ),
    _allow(READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
    _allow(READ, "batch", "cronjobs cronjobs/status jobs jobs/status"),
    _allow(READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
    _allow(READ, "networking.k8s.io", "ingresses ingresses/status networkpolicies"),
    _allow(READ, "discovery.k8s.io", "endpointslices"),
    _allow(READ, "metrics.k8s.io", "pods nodes"),
)  # fmt: skip
_EDIT = (
    # To run a pod is to be its ServiceAccount, and to read its Secrets: no less is edit.
    _allow(READ, "", f"{_PODS} secrets services/proxy"),
    _allow("impersonate", "", "serviceaccounts"),
    _allow(WRITE, "", _PODS),
    _allow("create", "", "pods/eviction serviceaccounts/token"),
    _allow(
        WRITE, "", "configmaps events persistentvolumeclaims replicationcontrollers secrets serviceaccounts services"
    ),
    _allow(WRITE, "apps", _WORKLOADS),
    _allow(WRITE, "autoscaling", "horizontalpodautoscalers"),
    _allow(WRITE, "batch", "cronjobs jobs"),
    _allow(WRITE, "policy", "poddisruptionbudgets"),
    _allow(WRITE, "networking.k8s.io", "ingresses networkpolicies"),
    _allow(f"{READ} {WRITE}", "coordination.k8s.io", "leases"),
)  # fmt: skip
_ADMIN = (
    _allow("create", "authorization.k8s.io", "localsubjectaccessreviews"),
    _allow(f"{READ} {WRITE}", GROUP, "rolebindings roles"),
)
_DISCOVERY = (
    "/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/"
)

ROLES = (
    _role(
        "cluster-admin",
        PolicyRule(verbs=["*"], apiGroups=["*"], resources=["*"]),
        PolicyRule(verbs=["*"], nonResourceURLs=["*"]),
    ),
    _role("admin", made_of="admin"),
    _role("edit", to="admin", made_of="edit"),
    _role("view", to="edit", made_of="view"),
    _role("system:aggregate-to-admin", *_ADMIN, to="admin"),
    _role("system:aggregate-to-edit", *_EDIT, to="edit"),
    _role("system:aggregate-to-view", *_VIEW, to="view"),
    _role(
        "system:basic-user",
        _allow("create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"),
        _allow("create", "authentication.k8s.io", "selfsubjectreviews"),
    ),
    _role("system:discovery", PolicyRule(verbs=["get"], nonResourceURLs=_DISCOVERY.split())),
    _role(
        "system:public-info-viewer",
        PolicyRule(verbs=["get"], nonResourceURLs=["/healthz", "/livez", "/readyz", "/version", "/version/"]),
    ),
    # Whoever checks tokens for others: aggregated API servers, proxies.
    _role(
        "system:auth-delegator",
        _allow("create", "authentication.k8s.io", "tokenreviews"),
        _allow("create", "authorization.k8s.io", "subjectaccessreviews"),
    ),
    # A machine with a join token: it may ask for a certificate, and look at what becomes of that.
    _role(
        "system:node-bootstrapper",
        _allow("create get list watch", "certificates.k8s.io", "certificatesigningrequests"),
    ),
    # Controllers and schedulers that run as processes of their own. Those of Helmling live in the server.
    _role(
        "system:kube-controller-manager",
        PolicyRule(verbs=["list", "watch"], apiGroups=["*"], resources=["*"]),
        _allow("create patch update", "", "events"),
        _allow("get create update", "coordination.k8s.io", "leases"),
        _allow("get create update delete", "", "serviceaccounts secrets"),
        _allow("create", "", "serviceaccounts/token"),
        _allow("create", "authentication.k8s.io", "tokenreviews"),
        _allow("create", "authorization.k8s.io", "subjectaccessreviews"),
    ),
    _role(
        "system:kube-scheduler",
        _allow("create patch update", "", "events"),
        _allow(READ, "", "namespaces nodes pods services"),
        _allow("create", "", "bindings pods/binding"),
        _allow("patch update", "", "pods/status"),
        _allow("delete", "", "pods"),
        _allow(READ, "apps", "replicasets statefulsets"),
        _allow(READ, "policy", "poddisruptionbudgets"),
        _allow("get create update", "coordination.k8s.io", "leases"),
    ),
    # What nodes.py gives to nodes, readable: it is bound to nobody, for which object depends on what runs there.
    _role(
        "system:node",
        _allow(f"{READ} create update patch", "", "nodes nodes/status"),
        _allow(f"{READ} delete", "", "pods"),
        _allow("patch update", "", "pods/status"),
        _allow("create", "", "pods/eviction serviceaccounts/token"),
        _allow(READ, "", "configmaps secrets services"),
        _allow("create patch update", "", "events"),
        _allow("create delete get patch update", "coordination.k8s.io", "leases"),
        _allow("create get list watch", "certificates.k8s.io", "certificatesigningrequests"),
    ),
    _role(
        "system:certificates.k8s.io:kube-apiserver-client-approver",
        _allow("approve", "certificates.k8s.io", "signers", names=("kubernetes.io/kube-apiserver-client",)),
    ),
    _role(
        "system:certificates.k8s.io:kubelet-serving-approver",
        _allow("approve", "certificates.k8s.io", "signers", names=("kubernetes.io/kubelet-serving",)),
    ),
)  # fmt: skip
BINDINGS = (
    _bound("cluster-admin", MASTERS),
    _bound("system:basic-user", AUTHENTICATED),
    _bound("system:discovery", AUTHENTICATED),
    _bound("system:public-info-viewer", AUTHENTICATED),
    _bound("kubeadm:kubelet-bootstrap", BOOTSTRAPPERS, role="system:node-bootstrapper"),
)


async def ensure(client: Client) -> None:
    """Make what is lacking, complete what is not whole, and leave the rest alone. Raises Unavailable."""
    for wanted in (*ROLES, *BINDINGS):
        for _ in range(ATTEMPTS):
            try:
                await _ensure(client, wanted)
                break
            except (AlreadyExists, Conflict, NotFound):  # another server does the same
                continue


async def _ensure(client: Client, wanted: Any) -> None:
    kind, name = type(wanted), wanted.metadata.name
    try:
        found = await client.get(kind, name)
    except NotFound:
        await client.create(wanted)
        return
    result = to_write(found, wanted)
    if result is None:
        return
    if result.replaced:
        await client.delete(kind, name)
        await client.create(result.object)
    else:
        await client.update(result.object)
    log.info("default_completed kind=%s name=%s", kind.DESCRIPTOR.name, name)


def to_write(found: Any, wanted: Any) -> Reconciled | None:
    """None: it is as it should be, or its owner wants it otherwise."""
    if found.metadata.annotations.get(AUTOUPDATE, "") != "true":
        return None
    reconcile = reconciled_role if isinstance(wanted, ClusterRole) else reconciled_binding
    result = reconcile(found, wanted)
    return result if result.changed else None
