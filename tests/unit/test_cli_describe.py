"""What `describe` says about the kinds that make pods, line by line as kubectl says it."""

from typing import Any

from cli.describe.batch import describe_cronjob, describe_job
from cli.describe.stateful import describe_statefulset
from cli.describe.workloads import (
    controlled_by,
    describe_daemonset,
    describe_deployment,
    describe_replicaset,
    newest,
)
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


def test_a_daemonset() -> None:
    made = created("DaemonSet", {"spec": {"template": {"spec": {"nodeSelector": {"disk": "ssd"}}}}})
    status = made.status
    status.desiredNumberScheduled, status.currentNumberScheduled = 4, 3
    status.updatedNumberScheduled, status.numberAvailable, status.numberMisscheduled = 2, 1, 5
    pods = [created("Pod") for _ in range(2)]
    pods[0].status.phase = "Running"
    assert describe_daemonset(made, pods)[:12] == [
        "Name:           web",
        "Namespace:      default",
        "Selector:       app=web",
        "Node-Selector:  disk=ssd",
        "Labels:         <none>",
        "Annotations:    <none>",
        "Desired Number of Nodes Scheduled: 4",
        "Current Number of Nodes Scheduled: 3",
        "Number of Nodes Scheduled with Up-to-date Pods: 2",
        "Number of Nodes Scheduled with Available Pods: 1",
        "Number of Nodes Misscheduled: 5",
        "Pods Status:  1 Running / 1 Waiting / 0 Succeeded / 0 Failed",
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


def test_a_job() -> None:
    made = created("Job", {"metadata": {"labels": {"app": "pi"}}, "spec": {"completions": 3}})
    status = made.status
    status.startTime.seconds = made.metadata.creationTimestamp.seconds
    status.completionTime.seconds = status.startTime.seconds + 64
    status.succeeded, status.ready = 3, 0
    status.conditions.add(type="Complete", status="True", reason="CompletionsReached")
    lines = describe_job(made)
    assert lines[:16] == [
        "Name:             pi",
        "Namespace:        default",
        "Selector:         batch.kubernetes.io/controller-uid=u1",
        "Labels:           app=pi",
        "Annotations:      <none>",
        "Parallelism:      1",
        "Completions:      3",
        "Completion Mode:  NonIndexed",
        "Suspend:          false",
        "Backoff Limit:    6",
        "Start Time:       Fri, 02 Jan 2026 03:03:05 +0000",
        "Completed At:     Fri, 02 Jan 2026 03:04:09 +0000",
        "Duration:         64s",
        "Pods Statuses:    0 Active (0 Ready) / 3 Succeeded / 0 Failed",
        "Pod Template:",
        "  Labels:  batch.kubernetes.io/controller-uid=u1",
    ]
    assert lines[-1].split() == ["Complete", "True", "CompletionsReached"]


def test_an_indexed_job_tells_which_indexes_are_through() -> None:
    spec = {"completionMode": "Indexed", "completions": 5, "activeDeadlineSeconds": 100}
    made = created("Job", {"spec": spec})
    made.status.completedIndexes = "0,2-3"
    said = [line.split(":", 1) for line in describe_job(made) if ":" in line]
    told = {label: value.strip() for label, value in said}
    assert told["Completed Indexes"] == "0,2-3"
    assert told["Active Deadline Seconds"] == "100s"


def test_a_cronjob() -> None:
    made = created("CronJob", {"spec": {"timeZone": "Europe/Berlin"}})
    made.status.active.add(name="tidy-1")
    made.status.active.add(name="tidy-2")
    lines = describe_cronjob(made)
    assert lines[:15] == [
        "Name:                          tidy",
        "Namespace:                     default",
        "Labels:                        <none>",
        "Annotations:                   <none>",
        "Schedule:                      */5 * * * *",
        "Time Zone:                     Europe/Berlin",
        "Concurrency Policy:            Allow",
        "Suspend:                       False",
        "Successful Job History Limit:  3",
        "Failed Job History Limit:      1",
        "Starting Deadline Seconds:     <unset>",
        "Selector:                      <unset>",
        "Parallelism:                   <unset>",
        "Completions:                   <unset>",
        "Pod Template:",
    ]
    assert lines[-3:] == [
        "Last Schedule Time:  <unset>",
        "Active Jobs:         tidy-1, tidy-2",
        "Recent Slots:  <none>",
    ]


def test_a_statefulset() -> None:
    rolling = {"partition": 1, "maxUnavailable": "50%"}
    made = created(
        "StatefulSet", {"spec": {"replicas": 3, "updateStrategy": {"rollingUpdate": rolling}}}
    )
    made.status.replicas = 2
    pods = [created("Pod"), created("Pod")]
    pods[0].status.phase = "Running"
    said = describe_statefulset(made, pods)
    assert said[: said.index("Pod Template:")] == [
        "Name:               web",
        "Namespace:          default",
        "CreationTimestamp:  Fri, 02 Jan 2026 03:03:05 +0000",
        "Selector:           app=web",
        "Labels:             <none>",
        "Annotations:        <none>",
        "Replicas:           3 desired | 2 total",
        "Update Strategy:    RollingUpdate",
        "  Partition:        1",
        "  MaxUnavailable:   50%",
        "Pods Status:        1 Running / 1 Waiting / 0 Succeeded / 0 Failed",
    ]


def test_a_statefulset_that_renews_only_what_is_deleted_has_no_bounds() -> None:
    made = created("StatefulSet", {"spec": {"updateStrategy": {"type": "OnDelete"}}})
    said = describe_statefulset(made, [])
    assert "Update Strategy:    OnDelete" in said
    assert not any("Partition" in line for line in said)
