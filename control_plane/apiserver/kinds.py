"""The table of strategies: every hook of every kind. A new kind is one more row here and in api/kinds.py.

The registry calls the hooks in this order: metadata.prepare_create (the name is known from then on), default,
admission, prepare_create, validate; for an update: default, metadata.prepare_update, prepare_update, validate_update.
"""

from functools import lru_cache

from api import kinds
from api.errors import Cause
from api.kinds import Kind
from control_plane.apiserver import (
    access,
    autoscaling,
    batch,
    budgets,
    certificates,
    config,
    defaults,
    network,
    quotas,
    stateful,
    workloads,
)
from control_plane.apiserver.hooks import (
    changed_object,
    keep_all,
    keep_all_but_status,
    keep_status,
    metadata_fields,
    strategy,
)
from control_plane.apiserver.printers import cluster as print_cluster
from control_plane.apiserver.printers import pod as print_pod
from control_plane.apiserver.qos import qos_class
from control_plane.apiserver.strategy import Strategy, nothing
from control_plane.apiserver.validation import cluster, meta, pod, pod_update, schema
from proto.v1.cluster_pb2 import Event, Lease, Namespace, Node
from proto.v1.pod_pb2 import Pod, PodSpec

NAMESPACE_FINALIZER = "kubernetes"  # as long as it is there, the namespace may have contents


def pod_fields(obj: Pod) -> dict[str, str]:
    spec, status = obj.spec, obj.status
    return {
        **metadata_fields(obj),
        "spec.nodeName": spec.nodeName,
        "spec.restartPolicy": spec.restartPolicy,
        "spec.schedulerName": spec.schedulerName,
        "spec.hostNetwork": "true" if spec.hostNetwork else "false",
        "status.phase": status.phase,
        "status.podIP": status.podIP,
        "status.nominatedNodeName": status.nominatedNodeName,
    }


def prepare_pod(new: Pod) -> None:
    """A new pod waits: nothing has happened to it yet, whatever the client wrote into the status."""
    new.ClearField("status")
    new.status.phase = "Pending"
    new.status.qosClass = qos_class(new)
    if new.spec.schedulingGates:
        new.status.conditions.add(
            type="PodScheduled",
            status="False",
            reason="SchedulingGated",
            message="Scheduling is blocked due to non-empty scheduling gates",
        )


def pod_grace(obj: Pod) -> int | None:
    """None for a pod that no node has, or whose containers have all ended: nobody is there to wait for."""
    if not obj.spec.nodeName or obj.status.phase in ("Succeeded", "Failed"):
        return None
    return max(obj.spec.terminationGracePeriodSeconds, 0)


def node_fields(node: Node) -> dict[str, str]:
    cordoned = "true" if node.spec.unschedulable else "false"
    return {"metadata.name": node.metadata.name, "spec.unschedulable": cordoned}


def namespace_fields(namespace: Namespace) -> dict[str, str]:
    return {"metadata.name": namespace.metadata.name, "status.phase": namespace.status.phase}


def prepare_namespace(namespace: Namespace) -> None:
    namespace.ClearField("status")
    namespace.status.phase = "Active"
    if NAMESPACE_FINALIZER not in namespace.spec.finalizers:
        namespace.spec.finalizers.append(NAMESPACE_FINALIZER)


def prepare_namespace_update(new: Namespace, old: Namespace) -> None:
    keep_status(new, old)
    new.spec.ClearField("finalizers")
    new.spec.finalizers.extend(old.spec.finalizers)


def prepare_namespace_finalize(new: Namespace, old: Namespace) -> None:
    finalizers = list(new.spec.finalizers)
    keep_all(new, old)
    new.spec.ClearField("finalizers")
    new.spec.finalizers.extend(finalizers)


def event_fields(event: Event) -> dict[str, str]:
    about = event.involvedObject
    return {
        **metadata_fields(event),
        "involvedObject.kind": about.kind,
        "involvedObject.namespace": about.namespace,
        "involvedObject.name": about.name,
        "involvedObject.uid": about.uid,
        "involvedObject.apiVersion": about.apiVersion,
        "involvedObject.resourceVersion": about.resourceVersion,
        "involvedObject.fieldPath": about.fieldPath,
        "reason": event.reason,
        "reportingComponent": event.reportingComponent,
        "source": event.source.component or event.reportingComponent,
        "type": event.type,
    }


def prepare_pod_status(new: Pod, old: Pod) -> None:
    """A node reports what it sees; the class of service is fixed, and podIP is always the first of podIPs."""
    keep_all_but_status(new, old)
    status = new.status
    status.qosClass = status.qosClass or old.status.qosClass
    for one, several in ((status.podIP, status.podIPs), (status.hostIP, status.hostIPs)):
        if one and not several:
            several.add(ip=one)
    if status.podIPs:
        status.podIP = status.podIPs[0].ip
    if status.hostIPs:
        status.hostIP = status.hostIPs[0].ip


@lru_cache(maxsize=1024)
def _judge_spec(spec: bytes) -> tuple[Cause, ...]:
    """All that is wrong with the spec of a new pod.

    Most pods are replicas, which differ in their names: a spec that was judged once is not judged again, and that is
    most of what a create would cost.
    """
    read = PodSpec.FromString(spec)
    return (*schema.check(read, "spec"), *pod.validate_new_pod(read))


def new_pod(obj: Pod) -> list[Cause]:
    """Checks a pod that is to be created; its status is empty still."""
    found = [*schema.check(obj.metadata, "metadata"), *meta.validate_metadata(obj, kinds.of(Pod))]
    return [*found, *_judge_spec(obj.spec.SerializeToString())]


def changed_pod(new: Pod, old: Pod) -> list[Cause]:
    """A pod that was once accepted is not judged again, only what changes."""
    found = meta.validate_metadata_update(new, old)
    found += schema.check(new.metadata, "metadata")
    found += meta.validate_metadata(new, kinds.of(Pod))
    if new.spec != old.spec:
        found += schema.check(new.spec, "spec")
        found += pod_update.validate_pod_update(new, old)
    return found


_ALL = (
    strategy(
        Pod,
        status=pod_update.validate_pod_status,
        default=defaults.default_pod,
        prepare_create=prepare_pod,
        prepare_status=prepare_pod_status,
        validate=new_pod,
        validate_update=changed_pod,
        selectable=pod_fields,
        grace=pod_grace,
        columns=print_pod.COLUMNS,
        row=print_pod.row,
    ),
    strategy(
        Node,
        cluster.validate_node,
        cluster.validate_node_update,
        status=lambda new, old: cluster.validate_node_status(new),
        default=defaults.default_node,
        prepare_create=nothing,  # its agent creates it together with its status
        selectable=node_fields,
        columns=print_cluster.NODE_COLUMNS,
        row=print_cluster.node_row,
    ),
    strategy(
        Namespace,
        cluster.validate_new_namespace,
        status=cluster.validate_namespace_status,
        default=defaults.default_namespace,
        prepare_create=prepare_namespace,
        prepare_update=prepare_namespace_update,
        prepare_finalize=prepare_namespace_finalize,
        validate_update=changed_object(
            kinds.of(Namespace), cluster.validate_namespace, cluster.validate_namespace_update
        ),
        selectable=namespace_fields,
        columns=print_cluster.NAMESPACE_COLUMNS,
        row=print_cluster.namespace_row,
    ),
    strategy(
        Event,
        cluster.validate_event,
        selectable=event_fields,
        columns=print_cluster.EVENT_COLUMNS,
        row=print_cluster.event_row,
    ),
    strategy(Lease, columns=print_cluster.LEASE_COLUMNS, row=print_cluster.lease_row),
    *workloads.STRATEGIES,
    *stateful.STRATEGIES,
    *batch.STRATEGIES,
    *network.STRATEGIES,
    *budgets.STRATEGIES,
    *quotas.STRATEGIES,
    *certificates.STRATEGIES,
    *access.STRATEGIES,
    *config.STRATEGIES,
    *autoscaling.STRATEGIES,
)
STRATEGIES: dict[Kind, Strategy] = {each.kind: each for each in _ALL}
