"""The rows of the kinds that make pods, as kubectl prints them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from api.selectors import LabelSelector, labels_from
from control_plane.apiserver.printers.cells import AGE, NAME, NONE, age
from control_plane.apiserver.strategy import Cell, Column
from proto.v1 import meta_pb2
from proto.v1.apps_pb2 import DaemonSet, Deployment, PodTemplateSpec, ReplicaSet

# What the template is made of; see `contents`.
CONTENTS = (
    Column("Containers", wide=True, description="The names of the template's containers."),
    Column("Images", wide=True, description="The images that they run."),
    Column("Selector", wide=True, description="The labels of the pods."),
)

REPLICASET_COLUMNS = (
    NAME,
    Column("Desired", "integer", description="How many pods there should be."),
    Column("Current", "integer", description="How many pods there are."),
    Column("Ready", "integer", description="How many of them are ready."),
    AGE,
    *CONTENTS,
)
DEPLOYMENT_COLUMNS = (
    NAME,
    Column("Ready", description="Pods that are ready, of those that there should be."),
    Column("Up-to-date", "integer", description="Pods made from the present template."),
    Column("Available", "integer", description="Pods ready for at least minReadySeconds."),
    AGE,
    *CONTENTS,
)
DAEMONSET_COLUMNS = (
    NAME,
    Column("Desired", "integer", description="Nodes that should run the pod."),
    Column("Current", "integer", description="Nodes that do."),
    Column("Ready", "integer", description="Nodes on which it is ready."),
    Column("Up-to-date", "integer", description="Nodes that run the present template."),
    Column("Available", "integer", description="Nodes on which it is ready for long enough."),
    Column("Node Selector", description="The labels of the nodes."),
    AGE,
    *CONTENTS,
)


def replicaset_row(replicaset: ReplicaSet, now: datetime) -> Sequence[Cell]:
    meta, spec, status = replicaset.metadata, replicaset.spec, replicaset.status
    return (
        meta.name,
        spec.replicas,
        status.replicas,
        status.readyReplicas,
        age(meta.creationTimestamp, now),
        *contents(spec.template, spec.selector),
    )


def deployment_row(deployment: Deployment, now: datetime) -> Sequence[Cell]:
    meta, spec, status = deployment.metadata, deployment.spec, deployment.status
    return (
        meta.name,
        f"{status.readyReplicas}/{spec.replicas}",
        status.updatedReplicas,
        status.availableReplicas,
        age(meta.creationTimestamp, now),
        *contents(spec.template, spec.selector),
    )


def daemonset_row(daemonset: DaemonSet, now: datetime) -> Sequence[Cell]:
    meta, spec, status = daemonset.metadata, daemonset.spec, daemonset.status
    return (
        meta.name,
        status.desiredNumberScheduled,
        status.currentNumberScheduled,
        status.numberReady,
        status.updatedNumberScheduled,
        status.numberAvailable,
        label_text(spec.template.spec.nodeSelector),
        age(meta.creationTimestamp, now),
        *contents(spec.template, spec.selector),
    )


def contents(template: PodTemplateSpec, selector: meta_pb2.LabelSelector) -> Sequence[Cell]:
    """Containers, images, selector."""
    containers = template.spec.containers
    return (
        ",".join(each.name for each in containers),
        ",".join(each.image for each in containers),
        selector_text(selector),
    )


def selector_text(selector: meta_pb2.LabelSelector) -> str:
    """`app=web,tier in (a,b)`, sorted by key."""
    compiled = labels_from(selector)
    ordered = sorted(compiled.requirements, key=lambda each: each.key)
    return str(LabelSelector(tuple(ordered))) or NONE


def label_text(labels: Mapping[str, str]) -> str:
    """`disk=ssd,zone=a`, sorted by key."""
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels)) or NONE
