"""Two looks become a report: what was used between them.

The kernel counts the nanoseconds of cpu that a group has had since it began; only the difference of two readings says
what it uses. As with Kubernetes' metrics server, a pod is reported when all its running containers were seen twice,
and a container that began in between counts from its beginning, once that is long enough ago to mean anything.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from api import clock, measures
from node_agent.runtime.model import Usage
from proto.v1.cluster_pb2 import Node
from proto.v1.pod_pb2 import Pod
from proto.v1.policy_pb2 import MetricsReport, PodMetrics

SHORTEST = 10.0  # seconds of life after which a new container is measured
_SECOND = 1_000_000_000  # nanoseconds


@dataclass(frozen=True, slots=True)
class Reading:
    """One running container."""

    id: str
    usage: Usage
    started_at: datetime | None


@dataclass(frozen=True, slots=True)
class PodReading:
    pod: Pod
    containers: Mapping[str, Reading]  # by name


@dataclass(frozen=True, slots=True)
class Look:
    """All that was read at one moment."""

    at: datetime
    machine: Usage | None  # None: nobody can measure it; it uses what its pods use
    pods: Mapping[str, PodReading]  # by uid


@dataclass(frozen=True, slots=True)
class Rate:
    nanocores: int
    memory: int  # bytes
    window: float  # seconds


def report(node: Node, before: Look, now: Look) -> MetricsReport:
    """What the node and its pods have used between the two."""
    made = MetricsReport(node=node.metadata.name)
    every: list[Rate] = []
    stamp = clock.timestamp(now.at)
    for uid, reading in now.pods.items():
        earlier = before.pods.get(uid)
        rates = pod_rates(earlier.containers if earlier else {}, reading.containers, before, now)
        if rates:
            made.pods.append(_pod_metrics(reading.pod, rates, stamp))
            every += rates.values()
    window = _seconds(before, now)
    if window <= 0:
        return made
    whole = _machine(before, now, window) or _sum(every, window)
    machine = made.machine
    machine.metadata.name = node.metadata.name
    machine.metadata.labels.update(node.metadata.labels)
    machine.metadata.creationTimestamp.CopyFrom(stamp)
    machine.timestamp.CopyFrom(stamp)
    machine.window = measures.window(window)
    machine.usage.update(measures.usage(whole.nanocores, whole.memory))
    return made


def pod_rates(
    before: Mapping[str, Reading], now: Mapping[str, Reading], earlier: Look, look: Look
) -> dict[str, Rate]:
    """Per container; empty as long as one of them cannot be told."""
    found: dict[str, Rate] = {}
    for name, reading in now.items():
        rate = _container(before.get(name), reading, earlier, look)
        if rate is None:
            return {}
        found[name] = rate
    return found


def _container(before: Reading | None, now: Reading, earlier: Look, look: Look) -> Rate | None:
    if before is not None and before.id == now.id:
        return _rate(now.usage, before.usage.cpu_nanoseconds, _seconds(earlier, look))
    if now.started_at is None or now.started_at < earlier.at:
        return None  # we have not looked then: nobody knows how much of it is recent
    age = (look.at - now.started_at).total_seconds()
    return _rate(now.usage, 0, age) if age >= SHORTEST else None


def _rate(usage: Usage, spent_before: int, window: float) -> Rate | None:
    spent = usage.cpu_nanoseconds - spent_before
    if window <= 0 or spent < 0:  # a clock, or a counter, that was put back
        return None
    return Rate(round(spent / window), usage.memory_working_set_bytes, window)


def _machine(before: Look, now: Look, window: float) -> Rate | None:
    if before.machine is None or now.machine is None:
        return None
    return _rate(now.machine, before.machine.cpu_nanoseconds, window)


def _sum(rates: Iterable[Rate], window: float) -> Rate:
    every = list(rates)
    return Rate(sum(each.nanocores for each in every), sum(each.memory for each in every), window)


def _seconds(before: Look, now: Look) -> float:
    return (now.at - before.at).total_seconds()


def _pod_metrics(pod: Pod, rates: Mapping[str, Rate], stamp: Timestamp) -> PodMetrics:
    """The longest window of its containers is the pod's."""
    meta = pod.metadata
    made = PodMetrics(window=measures.window(max(rate.window for rate in rates.values())))
    made.metadata.name, made.metadata.namespace = meta.name, meta.namespace
    made.metadata.labels.update(meta.labels)
    made.metadata.creationTimestamp.CopyFrom(stamp)
    made.timestamp.CopyFrom(stamp)
    for name, rate in rates.items():
        usage = measures.usage(rate.nanocores, rate.memory)
        made.containers.add(name=name, usage=usage)
    return made
