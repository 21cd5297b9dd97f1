"""Who is who in a StatefulSet: a pod's ordinal is in its name, and the name is all there is to an identity."""

from control_plane.controllers.newpod import pod_of
from control_plane.controllers.revisions import POD_LABEL
from proto.v1.apps_pb2 import PodTemplateSpec, StatefulSet
from proto.v1.pod_pb2 import Pod

# Labels, so that a Service or a person can choose a single pod.
NAME_LABEL = "statefulset.kubernetes.io/pod-name"
INDEX_LABEL = "apps.kubernetes.io/pod-index"


def ordinals(sts: StatefulSet) -> range:
    """Those that should have a pod."""
    first = sts.spec.ordinals.start
    return range(first, first + sts.spec.replicas)


def ordinal_of(sts: StatefulSet, pod: Pod) -> int | None:
    """None: it is not called like one of the set's pods."""
    owner, _, number = pod.metadata.name.rpartition("-")
    ours = owner == sts.metadata.name and number.isdecimal() and str(int(number)) == number
    return int(number) if ours else None


def revision_of(pod: Pod) -> str:
    return str(pod.metadata.labels.get(POD_LABEL, ""))


def is_made(pod: Pod) -> bool:
    """It exists: it is no draft of ours."""
    return bool(pod.metadata.uid)


def is_labelled(pod: Pod) -> bool:
    return bool(pod.metadata.labels.get(NAME_LABEL) == pod.metadata.name)


def labelled(pod: Pod) -> Pod:
    """A copy that says who it is. (A pod that was adopted may not.)"""
    copy = Pod()
    copy.CopyFrom(pod)
    _label(copy)
    return copy


def _label(pod: Pod) -> None:
    name = pod.metadata.name
    pod.metadata.labels[NAME_LABEL] = name
    pod.metadata.labels[INDEX_LABEL] = name.rpartition("-")[2]


def new_pod(sts: StatefulSet, ordinal: int, template: PodTemplateSpec, revision: str) -> Pod:
    """A draft. `revision`: the name of the template's revision."""
    pod = pod_of(sts, template, f"{sts.metadata.name}-{ordinal}")
    pod.metadata.labels[POD_LABEL] = revision
    _label(pod)
    pod.spec.hostname, pod.spec.subdomain = pod.metadata.name, sts.spec.serviceName
    return pod
