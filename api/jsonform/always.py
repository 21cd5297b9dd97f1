"""Fields that Kubernetes writes even when they are empty, per message: programs that read its JSON rely on them.

All other fields appear only when they are set. When read back, an empty value here means "not set", so that
reading what was written gives the same object.
"""

from collections.abc import Callable
from typing import Any

Zero = Callable[[], Any]  # makes a fresh empty value


def _false() -> bool:
    return False


def _null() -> None:
    return None


ALWAYS: dict[str, dict[str, Zero]] = {
    "Pod": {"metadata": dict, "spec": dict, "status": dict},
    "Node": {"metadata": dict, "spec": dict, "status": dict},
    "Namespace": {"metadata": dict, "spec": dict, "status": dict},
    "Lease": {"metadata": dict, "spec": dict},
    "ConfigMap": {"metadata": dict},
    "Secret": {"metadata": dict},
    "ReplicaSet": {"metadata": dict, "spec": dict, "status": dict},
    "Deployment": {"metadata": dict, "spec": dict, "status": dict},
    "DaemonSet": {"metadata": dict, "spec": dict, "status": dict},
    "StatefulSet": {"metadata": dict, "spec": dict, "status": dict},
    "ControllerRevision": {"metadata": dict, "revision": int},
    "Job": {"metadata": dict, "spec": dict, "status": dict},
    "CronJob": {"metadata": dict, "spec": dict, "status": dict},
    "Service": {"metadata": dict, "spec": dict, "status": lambda: {"loadBalancer": {}}},
    "ServiceStatus": {"loadBalancer": dict},
    "EndpointSlice": {"metadata": dict, "addressType": str, "endpoints": list, "ports": list},
    "Endpoint": {"addresses": list, "conditions": dict},
    "Ingress": {"metadata": dict, "spec": dict, "status": lambda: {"loadBalancer": {}}},
    "IngressStatus": {"loadBalancer": dict},
    "IngressClass": {"metadata": dict, "spec": dict},
    "NetworkPolicy": {"metadata": dict, "spec": dict},
    "NetworkPolicySpec": {"podSelector": dict},
    "PeerSlice": {"metadata": dict, "peers": dict, "addresses": list},
    "PodDisruptionBudget": {"metadata": dict, "spec": dict, "status": dict},
    "ResourceQuota": {"metadata": dict, "spec": dict, "status": dict},
    "LimitRange": {"metadata": dict, "spec": dict},
    "PodDisruptionBudgetStatus": {
        "disruptionsAllowed": int,
        "currentHealthy": int,
        "desiredHealthy": int,
        "expectedPods": int,
    },
    "JobTemplateSpec": {"metadata": dict, "spec": dict},
    "JobSpec": {"template": dict},
    "JobCondition": {"lastProbeTime": _null, "lastTransitionTime": _null},
    "Scale": {"metadata": dict, "spec": dict, "status": dict},
    "Binding": {"metadata": dict, "target": dict},
    "Event": {
        "metadata": dict,
        "involvedObject": dict,
        "source": dict,
        "firstTimestamp": _null,
        "lastTimestamp": _null,
        "eventTime": _null,
        "reportingComponent": str,
        "reportingInstance": str,
    },
    "PodTemplateSpec": {"metadata": dict, "spec": dict},
    "DeploymentSpec": {"template": dict, "strategy": dict},
    "StatefulSetSpec": {"template": dict, "serviceName": str, "updateStrategy": dict},
    "StatefulSetOrdinals": {"start": int},
    "ReplicaSetStatus": {"replicas": int},
    "DaemonSetSpec": {"template": dict, "updateStrategy": dict},
    "DaemonSetStatus": dict.fromkeys(
        ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"),
        int,
    ),
    "StatefulSetStatus": {"replicas": int, "availableReplicas": int},
    "ScaleStatus": {"replicas": int},
    "OwnerReference": {"apiVersion": str, "kind": str, "name": str, "uid": str},
    "Container": {"name": str, "resources": dict},
    "ContainerStatus": {
        "name": str,
        "state": dict,
        "lastState": dict,
        "ready": _false,
        "restartCount": int,
        "image": str,
        "imageID": str,
    },
    "ContainerStateRunning": {"startedAt": _null},
    "ContainerStateTerminated": {"exitCode": int, "startedAt": _null, "finishedAt": _null},
    "PodCondition": {"lastProbeTime": _null, "lastTransitionTime": _null},
    "NodeCondition": {"lastHeartbeatTime": _null, "lastTransitionTime": _null},
    "WorkloadCondition": {"lastTransitionTime": _null},
    "DeploymentCondition": {"lastUpdateTime": _null, "lastTransitionTime": _null},
    "Condition": {"lastTransitionTime": _null, "reason": str, "message": str},
    "NodeDaemonEndpoints": {"kubeletEndpoint": dict},
    "DaemonEndpoint": {"Port": int},
    "NodeSystemInfo": dict.fromkeys(
        (
            "machineID",
            "systemUUID",
            "bootID",
            "kernelVersion",
            "osImage",
            "containerRuntimeVersion",
            "kubeletVersion",
            "kubeProxyVersion",
            "operatingSystem",
            "architecture",
        ),
        str,
    ),
    "ContainerImage": {"names": list},
    "GRPCAction": {"service": str},
    "HostPathVolumeSource": {"type": str},
    "HTTPHeader": {"value": str},
    "SleepAction": {"seconds": int},
    "Sysctl": {"value": str},
    "TableColumn": {"name": str, "type": str, "format": str, "description": str, "priority": int},
    "TableRow": {"cells": list},
}
