"""The scheduler again, slowly: each node judged from the objects themselves, nothing kept, nothing shared.

Written from the rules and not from the code under test, so that the two can be held against each other. It reads the
protobuf messages directly and counts by looking at all pods, every time.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from api import quantity
from proto.v1.cluster_pb2 import Node
from proto.v1.pod_pb2 import Pod

HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
Counts = Callable[[Pod], bool]


@dataclass
class World:
    nodes: Sequence[Node]
    pods: Sequence[Pod]  # each with its nodeName
    namespaces: Mapping[str, Mapping[str, str]]

    def on(self, node: Node) -> list[Pod]:
        return [p for p in self.pods if p.spec.nodeName == node.metadata.name]

    def node_of(self, pod: Pod) -> Node | None:
        return next((n for n in self.nodes if n.metadata.name == pod.spec.nodeName), None)


def judge(pod: Pod, world: World) -> tuple[dict[str, list[str]], dict[str, int]]:
    """(node -> reasons against it, for those refused), (node -> score, for the others)."""
    refused = {n.metadata.name: why for n in world.nodes if (why := against(pod, n, world))}
    left = [n for n in world.nodes if n.metadata.name not in refused]
    total = {n.metadata.name: 0 for n in left}
    for scores in (
        [least(pod, n, world) for n in left],
        [balanced(pod, n, world) for n in left],
        [images(pod, n, world) for n in left],
        [3 * s for s in fewest([disliked(pod, n) for n in left])],
        [2 * s for s in scaled([wishes(pod, n) for n in left])],
        [2 * s for s in between([liking(pod, n, world) for n in left])],
        [2 * s for s in spreading(pod, left, world)],
    ):
        for n, score in zip(left, scores, strict=True):
            total[n.metadata.name] += score
    return refused, total


# --- filters


def against(pod: Pod, node: Node, world: World) -> list[str]:
    names = named(pod)
    if names is not None and node.metadata.name not in names:
        return ["node(s) didn't satisfy plugin(s) [NodeAffinity]"]
    if node.spec.unschedulable and not tolerates(
        pod, "node.kubernetes.io/unschedulable", "", "NoSchedule"
    ):
        return ["node(s) were unschedulable"]
    for taint in node.spec.taints:
        hard = taint.effect in ("NoSchedule", "NoExecute")
        if hard and not tolerates(pod, taint.key, taint.value, taint.effect):
            return [f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}"]
    ready = [c.status for c in node.status.conditions if c.type == "Ready"] or ["Unknown"]
    word = {"False": "not-ready", "Unknown": "unreachable"}.get(ready[0])
    if word and not tolerates(pod, f"node.kubernetes.io/{word}", "", "NoSchedule"):
        return ["node(s) were not ready"]
    if not allowed(pod, node):
        return ["node(s) didn't match Pod's node affinity/selector"]
    taken = [port for other in world.on(node) for port in ports(other)]
    if any(clash(a, b) for a in ports(pod) for b in taken):
        return ["node(s) didn't have free ports for the requested pod ports"]
    return short(pod, node, world) or uneven(pod, node, world) or company(pod, node, world)


def named(pod: Pod) -> set[str] | None:
    """The nodes that its affinity terms name; None: one of them names none."""
    affinity = pod.spec.affinity.nodeAffinity
    if not affinity.HasField("requiredDuringSchedulingIgnoredDuringExecution"):
        return None
    terms = affinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms
    names: set[str] = set()
    for term in terms:
        lists = [set(e.values) for e in term.matchFields if e.operator == "In"]
        if not lists:
            return None
        names |= set.intersection(*lists)
    return names if terms else None


def tolerates(pod: Pod, key: str, value: str, effect: str) -> bool:
    for t in pod.spec.tolerations:
        same_value = t.operator == "Exists" or t.value == value
        if t.key in ("", key) and t.effect in ("", effect) and same_value:
            return True
    return False


def allowed(pod: Pod, node: Node) -> bool:
    labels = node.metadata.labels
    if any(labels.get(k) != v for k, v in pod.spec.nodeSelector.items()):
        return False
    affinity = pod.spec.affinity.nodeAffinity
    if not affinity.HasField("requiredDuringSchedulingIgnoredDuringExecution"):
        return True
    terms = affinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms
    return any(term_holds(t, node) for t in terms)


def term_holds(term: Any, node: Node) -> bool:
    name = {"metadata.name": node.metadata.name}
    results = [expression(e, node.metadata.labels) for e in term.matchExpressions]
    results += [expression(e, name) for e in term.matchFields]
    return bool(results) and all(results)


def expression(e: Any, labels: Mapping[str, str]) -> bool:
    value = labels.get(e.key)
    match e.operator:
        case "In":
            return value in e.values
        case "NotIn":
            return value not in e.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return value is not None and value.isdigit() and int(value) > int(e.values[0])
        case "Lt":
            return value is not None and value.isdigit() and int(value) < int(e.values[0])
    raise AssertionError(e.operator)


def ports(pod: Pod) -> list[tuple[str, str, int]]:
    return [
        (p.hostIP or "0.0.0.0", p.protocol or "TCP", p.hostPort)
        for c in pod.spec.containers
        for p in c.ports
        if p.hostPort
    ]


def clash(a: tuple[str, str, int], b: tuple[str, str, int]) -> bool:
    return a[1:] == b[1:] and (a[0] == b[0] or "0.0.0.0" in (a[0], b[0]))


def amount(resource: str, text: str) -> int:
    return quantity.millis(text) if resource == "cpu" else quantity.value(text)


def request(pod: Pod, resource: str, guess: int = 0) -> int:
    def of(container: Any) -> int:
        texts = container.resources.requests
        return amount(resource, texts[resource]) if resource in texts else guess

    life = sum(of(c) for c in pod.spec.containers)
    life += sum(of(c) for c in pod.spec.initContainers if c.restartPolicy == "Always")
    start = beside = 0
    for c in pod.spec.initContainers:
        start = max(start, beside + of(c))
        beside += of(c) if c.restartPolicy == "Always" else 0
    return max(life, start) + amount(resource, pod.spec.overhead.get(resource, "0"))


def limit(node: Node, resource: str) -> int:
    return amount(resource, node.status.allocatable.get(resource, "0"))


def used(node: Node, world: World, resource: str, guess: int = 0) -> int:
    return sum(request(p, resource, guess) for p in world.on(node))


def short(pod: Pod, node: Node, world: World) -> list[str]:
    found = []
    if len(world.on(node)) >= limit(node, "pods"):
        found.append("Too many pods")
    names = {name for c in pod.spec.containers for name in c.resources.requests}
    for name in sorted(names | {"cpu", "memory", "ephemeral-storage"}):
        asked = request(pod, name)
        if asked and asked + used(node, world, name) > limit(node, name):
            found.append(f"Insufficient {name}")
    return found


def selects(selector: Any, labels: Mapping[str, str]) -> bool:
    exact = all(labels.get(k) == v for k, v in selector.matchLabels.items())
    return exact and all(expression(e, labels) for e in selector.matchExpressions)


def term_matches(term: Any, owner: Pod, other: Pod, world: World) -> bool:
    """Whether a term of `owner` means `other`."""
    place = other.metadata.namespace
    if term.HasField("namespaceSelector"):
        there = place in term.namespaces or selects(
            term.namespaceSelector, world.namespaces.get(place, {})
        )
    else:
        there = place in (list(term.namespaces) or [owner.metadata.namespace])
    mine, others = owner.metadata.labels, other.metadata.labels
    return (
        there
        and term.HasField("labelSelector")
        and selects(term.labelSelector, others)
        and all(others.get(k) == mine[k] for k in term.matchLabelKeys if k in mine)
        and all(others.get(k) != mine[k] for k in term.mismatchLabelKeys if k in mine)
    )


def required(affinity: Any) -> Sequence[Any]:
    return affinity.requiredDuringSchedulingIgnoredDuringExecution  # type: ignore[no-any-return]


def preferred(affinity: Any) -> Sequence[Any]:
    return affinity.preferredDuringSchedulingIgnoredDuringExecution  # type: ignore[no-any-return]


def together(pod: Pod, node: Node, key: str, world: World) -> bool:
    """The other pod is in the node's domain."""
    other = world.node_of(pod)
    if other is None or key not in other.metadata.labels or key not in node.metadata.labels:
        return False
    return other.metadata.labels[key] == node.metadata.labels[key]


def company(pod: Pod, node: Node, world: World) -> list[str]:
    near = required(pod.spec.affinity.podAffinity)

    def wanted(other: Pod) -> bool:
        return all(term_matches(t, pod, other, world) for t in near)

    if near:
        if any(t.topologyKey not in node.metadata.labels for t in near):
            return ["node(s) didn't match pod affinity rules"]
        somewhere = any(
            wanted(p)
            and (n := world.node_of(p))
            and any(t.topologyKey in n.metadata.labels for t in near)
            for p in world.pods
        )
        here = all(
            any(wanted(p) and together(p, node, t.topologyKey, world) for p in world.pods)
            for t in near
        )
        if not here and (somewhere or not wanted(pod)):
            return ["node(s) didn't match pod affinity rules"]
    for t in required(pod.spec.affinity.podAntiAffinity):
        for p in world.pods:
            if term_matches(t, pod, p, world) and together(p, node, t.topologyKey, world):
                return ["node(s) didn't match pod anti-affinity rules"]
    for p in world.pods:
        for t in required(p.spec.affinity.podAntiAffinity):
            if term_matches(t, p, pod, world) and together(p, node, t.topologyKey, world):
                return ["node(s) didn't satisfy existing pods anti-affinity rules"]
    return []


# --- spreading


def counted(pod: Pod, c: Any, keys: set[str], nodes: Sequence[Node]) -> list[Node]:
    found = []
    for node in nodes:
        taints = any(
            t.effect in ("NoSchedule", "NoExecute") and not tolerates(pod, t.key, t.value, t.effect)
            for t in node.spec.taints
        )
        if c.nodeAffinityPolicy != "Ignore" and not allowed(pod, node):
            continue
        if c.nodeTaintsPolicy == "Honor" and taints:
            continue
        if keys <= set(node.metadata.labels):
            found.append(node)
    return found


def alike(pod: Pod, c: Any) -> Counts:
    mine = pod.metadata.labels

    def test(other: Pod) -> bool:
        extra = [k for k in c.matchLabelKeys if k in mine]
        selector = c.labelSelector
        if not selector.matchLabels and not selector.matchExpressions and not extra:
            return False
        return (
            other.metadata.namespace == pod.metadata.namespace
            and not other.metadata.HasField("deletionTimestamp")
            and c.HasField("labelSelector")
            and selects(selector, other.metadata.labels)
            and all(other.metadata.labels.get(k) == mine[k] for k in extra)
        )

    return test


def itself(pod: Pod, c: Any) -> bool:
    labels = pod.metadata.labels
    return c.HasField("labelSelector") and selects(c.labelSelector, labels)


def numbers(key: str, nodes: Sequence[Node], test: Counts, world: World) -> dict[str, int]:
    found: dict[str, int] = {}
    for node in nodes:
        if key in node.metadata.labels:
            domain = node.metadata.labels[key]
            found[domain] = found.get(domain, 0) + sum(test(p) for p in world.on(node))
    return found


def uneven(pod: Pod, node: Node, world: World) -> list[str]:
    hard = [c for c in pod.spec.topologySpreadConstraints if c.whenUnsatisfiable == "DoNotSchedule"]
    keys = {c.topologyKey for c in hard}
    words = "node(s) didn't match pod topology spread constraints"
    for c in hard:
        if c.topologyKey not in node.metadata.labels:
            return [f"{words} (missing required label)"]
        found = numbers(c.topologyKey, counted(pod, c, keys, world.nodes), alike(pod, c), world)
        emptiest = min(found.values()) if len(found) >= (c.minDomains or 1) else 0
        here = found.get(node.metadata.labels[c.topologyKey], 0)
        if here + itself(pod, c) - emptiest > c.maxSkew:
            return [words]
    return []


@dataclass
class Wish:
    """A ScheduleAnyway constraint, or a default one."""

    key: str
    skew: int
    test: Counts
    nodes: Sequence[Node]


def controller(pod: Pod) -> str:
    return next((o.uid for o in pod.metadata.ownerReferences if o.controller), "")


def soft_wishes(pod: Pod, world: World) -> list[Wish]:
    if pod.spec.topologySpreadConstraints:
        soft = [
            c for c in pod.spec.topologySpreadConstraints if c.whenUnsatisfiable == "ScheduleAnyway"
        ]
        keys = {c.topologyKey for c in soft}
        return [
            Wish(c.topologyKey, c.maxSkew, alike(pod, c), counted(pod, c, keys, world.nodes))
            for c in soft
        ]
    owner = controller(pod)
    if not owner:
        return []

    def sibling(other: Pod) -> bool:
        same = other.metadata.namespace == pod.metadata.namespace and controller(other) == owner
        return same and not other.metadata.HasField("deletionTimestamp")

    nodes = [n for n in world.nodes if allowed(pod, n)]
    return [Wish(HOSTNAME, 3, sibling, nodes), Wish(ZONE, 5, sibling, nodes)]


def spreading(pod: Pod, left: Sequence[Node], world: World) -> list[int]:
    wishes = soft_wishes(pod, world)
    if not wishes:
        return [0] * len(left)
    explicit = bool(pod.spec.topologySpreadConstraints)
    keys = {w.key for w in wishes}
    judged = [n for n in left if not explicit or keys <= set(n.metadata.labels)]
    raw: dict[str, int] = {}
    for node in judged:
        total = 0.0
        for w in wishes:
            if w.key in node.metadata.labels:
                domains = {n.metadata.labels.get(w.key, "") for n in judged}
                size = len(judged) if w.key == HOSTNAME else len(domains)
                there = numbers(w.key, w.nodes, w.test, world)
                total += there.get(node.metadata.labels[w.key], 0) * math.log(size + 2)
                total += w.skew - 1
        raw[node.metadata.name] = math.floor(total + 0.5)
    high, low = max(raw.values(), default=0), min(raw.values(), default=0)
    return [
        0
        if n.metadata.name not in raw
        else 100 * (high + low - raw[n.metadata.name]) // high
        if high
        else 100
        for n in left
    ]


# --- other scores


def least(pod: Pod, node: Node, world: World) -> int:
    scores = []
    for name, guess in (("cpu", 100), ("memory", 200 * 2**20)):
        room = limit(node, name)
        if room:
            free = room - used(node, world, name, guess) - request(pod, name, guess)
            scores.append(max(free, 0) * 100 // room)
    return sum(scores) // len(scores) if scores else 0


def balanced(pod: Pod, node: Node, world: World) -> int:
    if not request(pod, "cpu") and not request(pod, "memory"):
        return 0
    shares = [
        min(Fraction(used(node, world, name) + request(pod, name), limit(node, name)), Fraction(1))
        for name in ("cpu", "memory")
        if limit(node, name)
    ]
    deviation = abs(shares[0] - shares[1]) / 2 if len(shares) == 2 else Fraction(0)
    return math.floor((1 - deviation) * 100)


def tagged(image: str) -> str:
    return image if ":" in image.split("/")[-1] else image + ":latest"


def images(pod: Pod, node: Node, world: World) -> int:
    def size(n: Node, wanted: str) -> int | None:
        for image in n.status.images:
            if wanted in [tagged(name) for name in image.names]:
                return image.sizeBytes
        return None

    containers = [*pod.spec.initContainers, *pod.spec.containers]
    total = 0
    for c in containers:
        there = size(node, tagged(c.image))
        if there is not None:
            share = sum(size(n, tagged(c.image)) is not None for n in world.nodes)
            total += there * share // len(world.nodes)
    low, high = 23 * 2**20, 1000 * 2**20 * len(containers)
    return 100 * (min(max(total, low), high) - low) // (high - low)


def disliked(pod: Pod, node: Node) -> int:
    return sum(
        t.effect == "PreferNoSchedule" and not tolerates(pod, t.key, t.value, t.effect)
        for t in node.spec.taints
    )


def wishes(pod: Pod, node: Node) -> int:
    return sum(
        w.weight
        for w in preferred(pod.spec.affinity.nodeAffinity)
        if term_holds(w.preference, node)
    )


def liking(pod: Pod, node: Node, world: World) -> int:
    total = 0
    for other in world.pods:
        for mine, its in ((pod, other), (other, pod)):
            affinity = mine.spec.affinity
            likes = [(w.podAffinityTerm, w.weight) for w in preferred(affinity.podAffinity)]
            likes += [(w.podAffinityTerm, -w.weight) for w in preferred(affinity.podAntiAffinity)]
            if mine is other:
                likes += [(t, 1) for t in required(affinity.podAffinity)]
            for term, weight in likes:
                if term_matches(term, mine, its, world) and together(
                    other, node, term.topologyKey, world
                ):
                    total += weight
    return total


def fewest(raw: Sequence[int]) -> list[int]:
    return [100 - 100 * r // max(raw) if max(raw) else 100 for r in raw]


def scaled(raw: Sequence[int]) -> list[int]:
    return [100 * r // max(raw) if max(raw) else 0 for r in raw]


def between(raw: Sequence[int]) -> list[int]:
    low, high = min(raw, default=0), max(raw, default=0)
    return [100 * (r - low) // (high - low) if high > low else 0 for r in raw]
