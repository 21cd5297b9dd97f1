"""The rows of nodes, namespaces, events and leases, as kubectl prints them."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from control_plane.apiserver.printers.cells import AGE, NAME, NONE, UNKNOWN, age
from control_plane.apiserver.strategy import Cell, Column
from proto.v1.cluster_pb2 import Event, Lease, Namespace, Node

NODE_COLUMNS = (
    NAME,
    Column("Status", description="Whether the node is ready, and takes new pods."),
    Column("Roles", description="From the labels node-role.kubernetes.io/<role>."),
    AGE,
    Column("Version", description="The version of the node's agent."),
    Column("Internal-IP", wide=True, description="Its address in the cluster."),
    Column("External-IP", wide=True, description="Its address for the outside."),
    Column("OS-Image", wide=True),
    Column("Kernel-Version", wide=True),
    Column("Container-Runtime", wide=True),
)
NAMESPACE_COLUMNS = (NAME, Column("Status", description="Active or Terminating."), AGE)
LEASE_COLUMNS = (NAME, Column("Holder", description="Who has it."), AGE)
EVENT_COLUMNS = (
    Column("Last Seen", description="Time since it happened last."),
    Column("Type", description="Normal or Warning."),
    Column("Reason", description="One word for what happened."),
    Column("Object", description="What it happened to."),
    Column("Subobject", wide=True, description="Which part of the object."),
    Column("Source", wide=True, description="Who reports it."),
    Column("Message", description="What happened, for people."),
    Column("First Seen", wide=True, description="Time since it happened first."),
    Column("Count", "integer", wide=True, description="How often it happened."),
    Column("Name", format="name", wide=True, description="The name of the event itself."),
)

_ROLE = "node-role.kubernetes.io/"


def node_row(node: Node, now: datetime) -> Sequence[Cell]:
    about = node.status.nodeInfo
    return (
        node.metadata.name,
        ",".join(_node_status(node)),
        ",".join(sorted(set(_roles(node)))) or NONE,
        age(node.metadata.creationTimestamp, now),
        about.kubeletVersion,
        _address(node, "InternalIP"),
        _address(node, "ExternalIP"),
        about.osImage or UNKNOWN,
        about.kernelVersion or UNKNOWN,
        about.containerRuntimeVersion or UNKNOWN,
    )


def namespace_row(namespace: Namespace, now: datetime) -> Sequence[Cell]:
    created = namespace.metadata.creationTimestamp
    return namespace.metadata.name, namespace.status.phase, age(created, now)


def lease_row(lease: Lease, now: datetime) -> Sequence[Cell]:
    created = lease.metadata.creationTimestamp
    return lease.metadata.name, lease.spec.holderIdentity, age(created, now)


def event_row(event: Event, now: datetime) -> Sequence[Cell]:
    first = age(event.firstTimestamp if event.firstTimestamp.seconds else event.eventTime, now)
    last = age(event.lastTimestamp, now) if event.lastTimestamp.seconds else first
    count = event.count or 1
    if event.HasField("series"):
        last, count = age(event.series.lastObservedTime, now), event.series.count
    about = event.involvedObject
    return (
        last,
        event.type,
        event.reason,
        f"{about.kind.lower()}/{about.name}" if about.name else about.kind.lower(),
        about.fieldPath,
        _source(event),
        event.message.strip(),
        first,
        count,
        event.metadata.name,
    )


def _node_status(node: Node) -> Iterator[str]:
    ready = next((each.status for each in node.status.conditions if each.type == "Ready"), None)
    yield "Unknown" if ready is None else "Ready" if ready == "True" else "NotReady"
    if node.spec.unschedulable:
        yield "SchedulingDisabled"


def _roles(node: Node) -> Iterator[str]:
    for key, value in node.metadata.labels.items():
        if key.startswith(_ROLE) and len(key) > len(_ROLE):
            yield key.removeprefix(_ROLE)
        elif key == "kubernetes.io/role" and value:
            yield value


def _address(node: Node, kind: str) -> str:
    return next((each.address for each in node.status.addresses if each.type == kind), NONE)


def _source(event: Event) -> str:
    component = event.source.component or event.reportingComponent
    host = event.source.host or event.reportingInstance
    return f"{component}, {host}" if host else component
