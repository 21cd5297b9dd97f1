"""What `describe` says about the kinds that make pods, line by line as kubectl says it."""

from typing import Any

from cli.describe.workloads import controlled_by, describe_deployment, describe_replicaset, newest
from tests.manifests import created

LABELS = {"app": "web"}


def deployment(**spec: Any) -> Any:
    return created("Deployment", {"spec": spec})


def replicaset(name: str, image: str, seconds: int, hashed: str = "abc") -> Any:
    made = created(
        "ReplicaSet",
        {
            "metadata": {
                "name": name,
                "ownerReferences": [
                    {
                        "apiVersion": "apps/v1",
                        "kind": "Deployment",
                        "name": "web",
                        "uid": "u1",
                        "controller": True,
                    }
                ],
            },
            "spec": {
                "replicas": 3,
                "template": {
                    "metadata": {"labels": {"pod-template-hash": hashed}},
                    "spec": {"containers": [{"name": "a", "image": image}]},
                },
            },
        },
    )
    made.metadata.creationTimestamp.seconds = seconds
    made.status.replicas = 2
    return made


def test_a_deployment() -> None:
    made = deployment(replicas=3)
    made.metadata.annotations["deployment.kubernetes.io/revision"] = "2"
    status = made.status
    status.replicas, status.updatedReplicas, status.availableReplicas = 5, 2, 2
    status.unavailableReplicas = 3
    status.conditions.add(type="Progressing", status="True", reason="ReplicaSetUpdated")
    sets = [replicaset("web-2", "i:1", 20), replicaset("web-1", "i:0", 10)]
    assert describe_deployment(made, sets) == [
        "Name:                   web",
        "Namespace:              default",
        "CreationTimestamp:      Fri, 02 Jan 2026 03:03:05 +0000",
        "Labels:                 <none>",
        "Annotations:            deployment.kubernetes.io/revision: 2",
        "Selector:               app=web",
        "Replicas:               3 desired | 2 updated | 5 total | 2 available | 3 unavailable",
        "StrategyType:           RollingUpdate",
        "MinReadySeconds:        0",
        "RollingUpdateStrategy:  25% max unavailable, 25% max surge",
        *TEMPLATE,
        "Conditions:",
        "  Type          Status   Reason",
        "  ----          ------   ------",
        "  Progressing   True     ReplicaSetUpdated",
        "OldReplicaSets:  web-1 (2/3 replicas created)",
        "NewReplicaSet:   web-2 (2/3 replicas created)",
    ]


TEMPLATE = [
    "Pod Template:",
    "  Labels:  app=web",
    "  Containers:",
    "   a:",
    "    Image:      i:1",
    "    Port:       <none>",
    "    Host Port:  <none>",
    "    Environment:    <none>",
    "    Mounts:         <none>",
    "  Volumes:         <none>",
    "  Node-Selectors:  <none>",
    "  Tolerations:     <none>",
]


def test_a_deployment_that_replaces_all_at_once_and_has_made_nothing_yet() -> None:
    lines = describe_deployment(deployment(strategy={"type": "Recreate"}), [])
    assert "StrategyType:       Recreate" in lines
    assert not any(line.startswith("RollingUpdateStrategy") for line in lines)
    assert lines[-2:] == ["OldReplicaSets:  <none>", "NewReplicaSet:   <none>"]


def test_a_replicaset() -> None:
    made = replicaset("web-abc", "i:1", 10)
    pods = [created("Pod") for _ in range(3)]
    pods[0].status.phase = pods[1].status.phase = "Running"
    assert describe_replicaset(made, pods) == [
        "Name:           web-abc",
        "Namespace:      default",
        "Selector:       app=web",
        "Labels:         <none>",
        "Annotations:    <none>",
        "Controlled By:  Deployment/web",
        "Replicas:       2 current / 3 desired",
        "Pods Status:    2 Running / 1 Waiting / 0 Succeeded / 0 Failed",
        TEMPLATE[0],
        "  Labels:  app=web",
        "           pod-template-hash=abc",
        *TEMPLATE[2:],
    ]


def test_a_template_with_a_volume() -> None:
    volumes = [{"name": "data", "hostPath": {"path": "/srv"}}]
    spec = {"containers": [{"name": "a", "image": "i:1"}], "volumes": volumes}
    lines = describe_deployment(deployment(template={"spec": spec}), [])
    at = lines.index("  Volumes:")
    assert lines[at + 1] == "   data:"
    assert lines[at + 3].split() == ["Path:", "/srv"]


def test_the_newest_is_the_oldest_with_the_present_template() -> None:
    """Names and hashes do not matter, only what the pods are made from."""
    first, second = replicaset("b", "i:1", 10, "x"), replicaset("a", "i:1", 20, "y")
    assert newest(deployment(), [second, first, replicaset("c", "i:2", 1)]) is first
    assert newest(deployment(), [replicaset("c", "i:2", 1)]) is None


def test_another_owner_s_children_are_not_shown() -> None:
    mine, other = replicaset("a", "i:1", 10), replicaset("b", "i:1", 10)
    other.metadata.ownerReferences[0].uid = "u2"
    orphan = created("ReplicaSet")
    assert controlled_by(deployment(), [mine, other, orphan]) == [mine]
