"""Who can get at a Secret, and by which path.

A Secret is not read by `get secrets` alone. Whoever may create pods in its namespace, or something that creates them,
lets a pod read it for him; whoever may exec into a pod that has it, reads it there; whoever may make tokens of a
ServiceAccount that can do any of this, is that account; whoever may impersonate everybody is everybody. And it lies on
every node that runs such a pod, so root there has it, and so has whoever breaks out of any pod there.

Everything is a function over objects as the API gives them. What is not there is not guessed: a binding to a role that
does not exist gives nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from api import configrefs, podtemplates
from api.rbac import Attributes, Rule, rules_of

MASTERS = "group system:masters"  # may do everything, whatever roles say
MAKERS = (
    ("", "pods"), ("apps", "deployments"), ("apps", "statefulsets"), ("apps", "daemonsets"), ("apps", "replicasets"),
    ("batch", "jobs"), ("batch", "cronjobs"),
)  # fmt: skip
OVER = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One path: who, what, and through which binding and role."""

    who: str  # `user anna`, `group dev`, `service account shop/web`
    can: str  # "get, list"
    by: str  # `RoleBinding shop/readers → ClusterRole view`


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """A pod that has the Secret."""

    pod: str
    how: str  # "variable DB_PASSWORD of container app", "volume keys, mounted in app"
    node: str = ""  # empty: it is on none yet


@dataclass(frozen=True)
class Exposure:
    name: str
    readers: Sequence[Grant] = ()  # of the object itself
    makers: Sequence[Grant] = ()  # of pods that could mount it
    visitors: Sequence[Grant] = ()  # of containers that have it
    tokens: Sequence[Grant] = ()  # of service accounts that are among those above
    impersonators: Sequence[Grant] = ()
    uses: Sequence[Use] = ()
    templates: Sequence[str] = ()  # workloads that will make more such pods

    @property
    def nodes(self) -> list[str]:
        return sorted({use.node for use in self.uses if use.node})

    @property
    def in_variables(self) -> bool:
        return any("variable" in use.how for use in self.uses)


@dataclass
class World:
    """What there is to look at, as listed."""

    roles: Sequence[Any] = ()
    cluster_roles: Sequence[Any] = ()
    bindings: Sequence[Any] = ()
    cluster_bindings: Sequence[Any] = ()
    pods: Sequence[Any] = ()
    workloads: Sequence[Any] = ()
    _rules: dict[tuple[str, str, str], list[Rule]] = field(default_factory=dict)

    def rules(self, kind: str, namespace: str, name: str) -> list[Rule]:
        if not self._rules:
            for role in self.roles:
                key = ("Role", role.metadata.namespace, role.metadata.name)
                self._rules[key] = rules_of(role.rules)
            for role in self.cluster_roles:
                self._rules["ClusterRole", "", role.metadata.name] = rules_of(role.rules)
        return self._rules.get((kind, namespace if kind == "Role" else "", name), [])


def exposure(world: World, namespace: str, name: str) -> Exposure:
    uses = sorted(_uses(world.pods, namespace, name))
    pods = sorted({use.pod for use in uses})
    at = ("", "secrets", "", namespace, name)
    readers = _granted(world, namespace, [("get", *at), ("list", *at), ("watch", *at)])
    makers = _granted(world, namespace, [
        (verb, group, resource, "", namespace, "")
        for group, resource in MAKERS
        for verb in (("create",) if resource == "pods" else ("create", "update", "patch"))
    ])  # fmt: skip
    visits = [
        ("create", "", "pods", part, namespace, pod) for pod in pods for part in ("exec", "attach")
    ]
    visitors = _granted(world, namespace, visits)
    able = {grant.who for grant in (*readers, *makers, *visitors)}
    return Exposure(
        f"{namespace}/{name}",
        readers,
        makers,
        visitors,
        _tokens(world, able),
        _granted(world, namespace, [("impersonate", "", part) for part in ("users", "groups")]),
        uses,
        sorted(_templates(world.workloads, namespace, name)),
    )


def _granted(world: World, namespace: str, asked: Iterable[Sequence[str]]) -> list[Grant]:
    """Who may do some of this; what may be done of it is put together."""
    wanted = [Attributes(*each) for each in asked]
    found = []
    for binding in (*world.bindings, *world.cluster_bindings):
        home = binding.metadata.namespace
        if home not in ("", namespace):
            continue
        ref = binding.roleRef
        rules = world.rules(ref.kind, home, ref.name)
        # A right that is bound to a namespace is none over what lives in no namespace.
        inside = [each for each in wanted if not home or each.namespace]
        able = [each for each in inside if any(rule.allows(each) for rule in rules)]
        if able:
            kind = "RoleBinding" if home else "ClusterRoleBinding"
            bound = f"{kind} {f'{home}/' if home else ''}{binding.metadata.name}"
            by = f"{bound} → {ref.kind} {ref.name}"
            found += [Grant(_subject(each, home), _verbs(able), by) for each in binding.subjects]
    return sorted(set(found))


def _verbs(able: Iterable[Attributes]) -> str:
    """`get, list secrets`, `create pods; create, update deployments`."""
    verbs: dict[str, list[str]] = {}
    for each in able:
        said = verbs.setdefault(each.part, [])
        if each.verb not in said:
            said.append(each.verb)
    return "; ".join(f"{', '.join(said)} {part}" for part, said in verbs.items())


def _subject(subject: Any, home: str) -> str:
    if subject.kind == "ServiceAccount":
        return f"service account {subject.namespace or home}/{subject.name}"
    return f"{subject.kind.lower()} {subject.name}"


def _tokens(world: World, able: Iterable[str]) -> list[Grant]:
    """Who may make a token of an account that can: then he can, too."""
    found: list[Grant] = []
    for who in sorted(able):
        if not who.startswith("service account "):
            continue
        namespace, _, name = who.removeprefix("service account ").partition("/")
        asked = [("create", "", "serviceaccounts", "token", namespace, name)]
        found += [
            Grant(g.who, f"{g.can} of {namespace}/{name}", g.by)
            for g in _granted(world, namespace, asked)
        ]
    return found


def _uses(pods: Iterable[Any], namespace: str, name: str) -> Iterator[Use]:
    for pod in pods:
        if pod.metadata.namespace == namespace and pod.status.phase not in OVER:
            for how in _ways(pod.spec, name):
                yield Use(pod.metadata.name, how, pod.spec.nodeName)


def _ways(spec: Any, name: str) -> Iterator[str]:
    wanted = configrefs.Reference("Secret", "", name)
    containers = (*spec.initContainers, *spec.containers)
    for container in containers:
        for variable in container.env:
            if variable.valueFrom.secretKeyRef.name == name:
                yield f"variable {variable.name} of container {container.name}"
        if any(source.secretRef.name == name for source in container.envFrom):
            yield f"all keys as variables of container {container.name}"
    for volume in spec.volumes:
        if wanted in configrefs.of_volume(volume, ""):
            users = [
                c.name for c in containers if any(m.name == volume.name for m in c.volumeMounts)
            ]
            yield f"volume {volume.name}, mounted in {', '.join(users) or 'no container'}"
    if wanted in configrefs.of_pulls(spec, ""):
        yield "login for pulling images (on the node, not in the containers)"


def _templates(workloads: Iterable[Any], namespace: str, name: str) -> Iterator[str]:
    for workload in workloads:
        spec = podtemplates.spec_of(workload)
        managed = any(owner.controller for owner in workload.metadata.ownerReferences)
        if (
            workload.metadata.namespace == namespace
            and spec is not None
            and not managed
            and any(_ways(spec, name))
        ):
            yield f"{workload.kind.lower()} {workload.metadata.name}"


def lines(found: Exposure) -> list[str]:
    """For people."""
    told = [f"Secret {found.name} can be reached by:", ""]
    sections: Mapping[str, Sequence[Grant]] = {
        "Reading it through the API": [Grant(MASTERS, "everything", "built in"), *found.readers],
        "Making a pod that has it": found.makers,
        "Entering a container that has it": found.visitors,
        "Making a token of one of these accounts": found.tokens,
        "Asking in the name of somebody else": found.impersonators,
    }
    for title, grants in sections.items():
        told += _section(title, [f"{each.who}: {each.can}  ({each.by})" for each in grants])
    uses = [
        f"pod {use.pod}: {use.how}{f', on node {use.node}' if use.node else ''}"
        for use in found.uses
    ]
    told += _section("Being in a pod that has it", uses)
    told += _section(
        "Pods to come", [f"{each} makes pods that have it" for each in found.templates]
    )
    told += _section("Being root on a node where it lies", [f"node {each}" for each in found.nodes])
    if found.in_variables:
        told += [
            "Variables are kept by the container engine on the node's disk, in clear. A volume is kept in memory only.",
        ]
    return told


def _section(title: str, rows: Sequence[str]) -> list[str]:
    return [f"{title}:", *(f"  {row}" for row in rows or ["-"]), ""]
