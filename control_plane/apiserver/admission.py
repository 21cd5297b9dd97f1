"""What the cluster has a say in about a write: what it adds, and whether it is allowed. The order is Kubernetes':

    mutate    tolerations, priority, the ServiceAccount and its token, the defaults of the namespace's LimitRanges;
              the class of an Ingress that names none
    (then the registry validates the object: what makes no sense is not judged)
    judge     the namespace is there to stay; bounds (LimitRange); Pod Security; and last, because it takes something,
              room in the quotas (ResourceQuota)

A judgement is exact, not merely likely. It answers with the versions of what it looked at, and with what has to be
written together with the object; the transaction demands these versions. When the namespace begins to go in between,
gets another rule, or somebody else takes from the quota, the write is refused and judged again. So a namespace that is
deleted can be emptied once, and is empty then; and however many create at once, a quota is never exceeded.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from api import clock, kinds, podtemplates
from api.kinds import Kind
from control_plane.apiserver import defaults, notes, podaccount, refusals, rules
from control_plane.apiserver.defaults import KUBERNETES, Tolerance
from control_plane.apiserver.policies import ingressclass, limits, podsecurity, quota
from control_plane.apiserver.rules import NAMESPACES, Rules
from control_plane.apiserver.unreadable import opened
from control_plane.store.contract import Item, Store
from proto.v1.authentication_pb2 import ServiceAccount
from proto.v1.cluster_pb2 import Namespace
from proto.v1.limits_pb2 import LimitRange, ResourceQuota
from proto.v1.network_pb2 import Ingress, IngressClass
from proto.v1.pod_pb2 import Pod, PodSpec

# Made at the first start; whoever could delete them would break the cluster.
SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
# A new quota has to be counted by its controller. Seconds that a create waits for that, and between two looks.
PATIENCE, LOOK = 2.0, 0.02
RULES = (LimitRange, ResourceQuota)
PODS, ACCOUNTS, CLASSES = kinds.of(Pod), kinds.of(ServiceAccount), kinds.of(IngressClass)


def amend(obj: Any, tolerance: Tolerance = KUBERNETES) -> None:
    """What every object of its kind gets here, unless it says otherwise."""
    if isinstance(obj, Pod):
        defaults.default_tolerations(obj, tolerance)
        defaults.default_priority(obj)


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which a write is allowed."""

    expect: Mapping[str, int] = field(
        default_factory=dict
    )  # keys, and the revisions they must have
    write: Mapping[str, bytes] = field(default_factory=dict)  # what is written with it


FREE = Terms()


class Admission:
    """Remembers the rules of each namespace; a refused transaction tells it that they have changed."""

    def __init__(
        self, store: Store, tolerance: Tolerance = KUBERNETES, *, mount_tokens: bool = False
    ) -> None:
        """`mount_tokens`: there is somebody who makes them (control_plane/pki/serviceaccounts.py)."""
        self._store, self._tolerance = store, tolerance
        self._mount_tokens = mount_tokens
        self._rules: dict[str, Rules] = {}  # by namespace
        # Those who are charged to a namespace's quotas take turns: together they would only refuse each other.
        self._turns: dict[str, asyncio.Lock] = {}

    def amend(self, obj: Any) -> None:
        """See `amend`."""
        amend(obj, self._tolerance)

    async def mutate(self, kind: Kind, obj: Any) -> None:
        """Add to a new object. Raises NotFound, Forbidden: the namespace, the account."""
        self.amend(obj)
        if kind.namespaced:
            home = await self._home(kind, obj)
            if isinstance(obj, Pod):
                await self._account(obj)
                limits.give_defaults(home.limits, obj)
        if isinstance(obj, Ingress) and ingressclass.wants_default(obj):
            found = await self._store.list(CLASSES.prefix)
            classes = (IngressClass.FromString(opened(item)) for item in found.items)
            if name := ingressclass.default_of(classes):
                obj.spec.ingressClassName = name

    async def _account(self, pod: Pod) -> None:
        """The pod gets what its ServiceAccount gives. Raises Forbidden: there is none.

        `default` may still be on its way into a new namespace; nobody waits for it, since nothing is in it yet.
        """
        podaccount.name_account(pod)
        namespace, name = pod.metadata.namespace, pod.spec.serviceAccountName
        item = await self._store.get(kinds.key(ACCOUNTS, namespace, name))
        if item is None and name != podaccount.DEFAULT:
            told = (
                f"error looking up service account {namespace}/{name}: "
                f'serviceaccount "{name}" not found'
            )
            raise refusals.forbidden(kinds.of(Pod), pod.metadata.name, told)
        account = ServiceAccount() if item is None else ServiceAccount.FromString(item.value)
        if self._mount_tokens:
            podaccount.complete(pod, account)

    @asynccontextmanager
    async def turn(self, kind: Kind, obj: Any) -> AsyncIterator[None]:
        """Wait until nobody else is being charged to the same quotas."""
        namespace = obj.metadata.namespace
        known = self._rules.get(namespace)
        if known is None or not any(_quotas(known, kind, obj)):
            yield
            return
        await self._counted(kind, obj)
        async with self._turns.setdefault(namespace, asyncio.Lock()):
            yield

    async def create(self, kind: Kind, obj: Any) -> Terms:
        """Raises NotFound, Forbidden."""
        if not kind.namespaced:
            return FREE
        home = await self._home(kind, obj)
        if isinstance(obj, Pod) and (told := limits.violations(home.limits, obj)):
            raise refusals.forbidden(kind, obj.metadata.name, limits.refusal(told))
        _judge_security(home, kind, obj)
        charges = await self._charge(home, kind, obj)
        item = home.item
        touched = {item.key: item.value} if kind.message in RULES else {}
        return Terms({**charges.expect, item.key: item.revision}, {**charges.write, **touched})

    async def change(self, kind: Kind, new: Any, old: Any) -> Terms:
        """Of an update; `new` is None: the object leaves. Raises Forbidden."""
        if kind.message in RULES:
            return await self._touch(old.metadata.namespace)
        if isinstance(new, Namespace):
            await self._warn_of_pods(new, old)
        if new is None or not kind.namespaced:
            return FREE
        home = await self._known(new.metadata.namespace)
        if home is None:
            return FREE
        _judge_security(home, kind, new, old)
        return await self._charge(home, kind, new, old)

    async def _warn_of_pods(self, new: Namespace, old: Namespace) -> None:
        """Whoever makes a namespace stricter is told which of its pods could not be made any more."""
        level = podsecurity.policy_of(new.metadata.labels).enforce
        before = podsecurity.policy_of(old.metadata.labels).enforce
        if podsecurity.is_stricter(level, before):
            name = new.metadata.name
            found = await self._store.list(f"{PODS.prefix}{name}/")
            pods = [Pod.FromString(opened(item)) for item in found.items]
            for line in podsecurity.existing(level, name, pods):
                notes.warn(line)

    async def _touch(self, namespace: str) -> Terms:
        """Its rules change. (A namespace that is gone has no use for them.)"""
        home = await self._known(namespace)
        if home is None:
            return FREE
        item = home.item
        return Terms({item.key: item.revision}, {item.key: item.value})

    async def _charge(self, home: Rules, kind: Kind, new: Any, old: Any = None) -> Terms:
        try:
            return _charges(home, kind, new, old)
        except quota.Exceeded:
            fresh = await self._look(new.metadata.namespace)  # there may be room again
        try:
            return _charges(fresh or home, kind, new, old)
        except quota.Exceeded as refused:
            raise refusals.forbidden(kind, new.metadata.name, str(refused)) from None

    async def _counted(self, kind: Kind, obj: Any) -> None:
        """Wait a little for the controller, if the quotas are new."""
        namespace = obj.metadata.namespace
        for _ in range(int(PATIENCE / LOOK)):
            known = await self._known(namespace)
            if known is None or all(map(quota.is_counted, _quotas(known, kind, obj))):
                return
            self._rules.pop(namespace, None)
            await asyncio.sleep(LOOK)

    async def _home(self, kind: Kind, obj: Any) -> Rules:
        namespace = obj.metadata.namespace
        home = await self._known(namespace)
        if home is not None and home.terminating:  # it may be back, under the same name
            home = await self._look(namespace)
        if home is None:
            raise refusals.not_found(NAMESPACES, namespace)
        if home.terminating:
            name = obj.metadata.name or obj.metadata.generateName
            raise refusals.namespace_terminating(kind, name, namespace)
        return home

    async def _known(self, namespace: str) -> Rules | None:
        return self._rules.get(namespace) or await self._look(namespace)

    async def _look(self, namespace: str) -> Rules | None:
        found = await rules.read(self._store, namespace)
        if found is None:
            self._rules.pop(namespace, None)
            self._turns.pop(namespace, None)
        else:
            self._rules[namespace] = found
        return found

    def written(self, terms: Terms, revision: int) -> None:
        """It has happened as allowed: what was written with it is known without reading it."""
        for key, value in terms.write.items():
            known = self._rules.get(rules.namespace_of(key))
            if known is not None and key in known.quotas:
                known.quotas[key] = ResourceQuota.FromString(value), revision
            else:  # the namespace: it has other rules now
                self._rules.pop(rules.namespace_of(key), None)

    def refused(self, found: Mapping[str, Item | None]) -> None:
        """Somebody was quicker: what is remembered of these namespaces is out of date."""
        for key in found:
            if key.startswith((NAMESPACES.prefix, rules.QUOTAS.prefix)):
                self._rules.pop(rules.namespace_of(key), None)


def _judge_security(home: Rules, kind: Kind, new: Any, old: Any = None) -> None:
    """Raises Forbidden. What makes pods is let through, with a warning: its pods will be judged."""
    policy, spec = home.security, podtemplates.spec_of(new)
    if policy == podsecurity.PRIVILEGED or spec is None:
        return
    if isinstance(new, Pod):
        if old is not None and not podsecurity.is_judged_again(new, old):
            return
        if told := podsecurity.refusal(policy.enforce, spec):
            _annotate(policy, spec)
            raise refusals.forbidden(kind, new.metadata.name, f"violates {told}")
        notes.annotate(f"{podsecurity.PREFIX}enforce-policy", str(policy.enforce))
    _annotate(policy, spec)
    if told := podsecurity.refusal(policy.warn, spec):
        notes.warn(f"would violate {told}")


def _annotate(policy: podsecurity.Policy, spec: PodSpec) -> None:
    if told := podsecurity.refusal(policy.audit, spec):
        notes.annotate(f"{podsecurity.PREFIX}audit-violations", f"would violate {told}")


def _quotas(home: Rules, kind: Kind, new: Any, old: Any = None) -> Iterable[ResourceQuota]:
    return (each for each, _ in home.quotas.values() if quota.concerns(each, kind, new, old))


def _charges(home: Rules, kind: Kind, new: Any, old: Any) -> Terms:
    """Raises Exceeded."""
    expect, write, now = {}, {}, clock.now()
    for key, (each, revision) in home.quotas.items():
        if quota.concerns(each, kind, new, old):
            after = quota.charge(each, kind, new, old, now)
            if after is not each:
                expect[key], write[key] = revision, after.SerializeToString()
    return Terms(expect, write)
