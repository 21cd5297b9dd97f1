"""The table of strategies: every hook of every kind. A new kind is one more row here and in api/kinds.py.

The registry calls the hooks in this order: metadata.prepare_create (the name is known from then on), default, admission,
prepare_create, validate; for an update: default, metadata.prepare_update, prepare_update, validate_update.
"""

from typing import Any

from api import kinds
from api.kinds import Kind
from control_plane.apiserver import defaults
from control_plane.apiserver.qos import qos_class
from control_plane.apiserver.strategy import Strategy
from proto.v1.cluster_pb2 import Event, Lease, Namespace, Node
from proto.v1.pod_pb2 import Pod

NAMESPACE_FINALIZER = "kubernetes"  # as long as it is there, the namespace may have contents


def keep_status(new: Any, old: Any) -> None:
    """An update of the object does not touch its status (S#12)."""
    new.ClearField("status")
    if old.HasField("status"):
        new.status.CopyFrom(old.status)


def keep_all_but_status(new: Any, old: Any) -> None:
    """A write through the subresource "status" touches nothing else; uid and version stay, as preconditions."""
    status, had_status = type(new.status)(), new.HasField("status")
    status.CopyFrom(new.status)
    _keep_all(new, old)
    new.ClearField("status")
    if had_status:
        new.status.CopyFrom(status)


def _keep_all(new: Any, old: Any) -> None:
    uid, version = new.metadata.uid, new.metadata.resourceVersion
    new.CopyFrom(old)
    new.metadata.uid, new.metadata.resourceVersion = uid or old.metadata.uid, version


def metadata_fields(obj: Any) -> dict[str, str]:
    meta = obj.metadata
    return {"metadata.name": meta.name, "metadata.namespace": meta.namespace}


def pod_fields(pod: Pod) -> dict[str, str]:
    spec, status = pod.spec, pod.status
    return {
        **metadata_fields(pod),
        "spec.nodeName": spec.nodeName,
        "spec.restartPolicy": spec.restartPolicy,
        "spec.schedulerName": spec.schedulerName,
        "spec.hostNetwork": "true" if spec.hostNetwork else "false",
        "status.phase": status.phase,
        "status.podIP": status.podIP,
        "status.nominatedNodeName": status.nominatedNodeName,
    }


def prepare_pod(pod: Pod) -> None:
    """A new pod waits: nothing has happened to it yet, whatever the client wrote into the status."""
    pod.ClearField("status")
    pod.status.phase = "Pending"
    pod.status.qosClass = qos_class(pod)
    if pod.spec.schedulingGates:
        pod.status.conditions.add(
            type="PodScheduled",
            status="False",
            reason="SchedulingGated",
            message="Scheduling is blocked due to non-empty scheduling gates",
        )


def pod_grace(pod: Pod) -> int | None:
    """None for a pod that no node has, or whose containers have all ended: nobody is there to wait for."""
    if not pod.spec.nodeName or pod.status.phase in ("Succeeded", "Failed"):
        return None
    return max(pod.spec.terminationGracePeriodSeconds, 0)


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
    _keep_all(new, old)
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


STRATEGIES: dict[Kind, Strategy] = {
    strategy.kind: strategy
    for strategy in (
        Strategy(
            kinds.of(Pod),
            default=defaults.default_pod,
            prepare_create=prepare_pod,
            prepare_update=keep_status,
            prepare_status=keep_all_but_status,
            selectable=pod_fields,
            grace=pod_grace,
        ),
        Strategy(
            kinds.of(Node),
            default=defaults.default_node,
            # Its agent creates a node together with its status.
            prepare_update=keep_status,
            prepare_status=keep_all_but_status,
            selectable=node_fields,
        ),
        Strategy(
            kinds.of(Namespace),
            default=defaults.default_namespace,
            prepare_create=prepare_namespace,
            prepare_update=prepare_namespace_update,
            prepare_status=keep_all_but_status,
            prepare_finalize=prepare_namespace_finalize,
            selectable=namespace_fields,
        ),
        Strategy(kinds.of(Event), default=defaults.default_type, selectable=event_fields),
        Strategy(kinds.of(Lease), default=defaults.default_type, selectable=metadata_fields),
    )
}
