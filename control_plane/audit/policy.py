"""What is written down of which request: Kubernetes' audit policy files.

The first rule that matches decides; without one, nothing is written. Levels, each with all before it:

    None · Metadata (who, what, when, how it ended) · Request (and the body) · RequestResponse (and the answer)

https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api.rbac import Attributes
from control_plane.apiserver.identity import User

LEVELS = ("None", "Metadata", "Request", "RequestResponse")
NONE, METADATA, REQUEST, RESPONSE = range(4)
STAGES = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")
API = "audit.k8s.io/v1"
Names = frozenset[str]
EVERYTHING: Names = frozenset()

# Used where there is no policy file: writes, whoever reads secrets, whoever enters a container. What nodes and other
# parts of the cluster report all the time is left out, and so are ordinary reads; a refusal is always written.
DEFAULT: dict[str, Any] = {
    "apiVersion": API,
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "resources": [{"resources": ["events"]},
                                        {"group": "coordination.k8s.io", "resources": ["leases"]},
                                        {"group": "authorization.k8s.io"}]},
        {"level": "None", "userGroups": ["system:nodes"], "verbs": ["update", "patch"],
         "resources": [{"resources": ["nodes/status", "pods/status"]}]},
        {"level": "Metadata", "resources": [
            {"resources": ["secrets", "serviceaccounts/token", "pods/exec", "pods/attach", "pods/portforward"]}]},
        {"level": "None", "verbs": ["get", "list", "watch"]},
        {"level": "Metadata"},
    ],
}  # fmt: skip


class BadPolicy(Exception):
    """The file is no policy; the message says where."""


@dataclass(frozen=True, slots=True)
class Resources:
    """Some resources of one group; empty: all of it."""

    group: str = ""
    resources: Names = EVERYTHING
    names: Names = EVERYTHING

    def has(self, asked: Attributes) -> bool:
        if self.group not in (asked.group, "*") or (self.names and asked.name not in self.names):
            return False
        if not self.resources:
            return True
        choices = (asked.part, "*", f"{asked.resource}/*", f"*/{asked.subresource}")
        return any(choice in self.resources for choice in choices if choice != "*/")


@dataclass(frozen=True, slots=True)
class Rule:
    level: int
    users: Names = EVERYTHING
    groups: Names = EVERYTHING
    verbs: Names = EVERYTHING
    resources: tuple[Resources, ...] = ()
    namespaces: Names = EVERYTHING
    urls: tuple[str, ...] = ()
    omit: Names = EVERYTHING  # stages

    def matches(self, user: User, asked: Attributes) -> bool:
        if self.users and user.name not in self.users:
            return False
        if self.groups and self.groups.isdisjoint(user.groups):
            return False
        if self.verbs and asked.verb not in self.verbs:
            return False
        return self._about(asked)

    def _about(self, asked: Attributes) -> bool:
        if asked.path:
            if self.resources or self.namespaces:
                return False
            return not self.urls or any(_covers(url, asked.path) for url in self.urls)
        if self.urls or (self.namespaces and asked.namespace not in self.namespaces):
            return False
        return not self.resources or any(each.has(asked) for each in self.resources)


def _covers(url: str, path: str) -> bool:
    return path == url or (url.endswith("*") and path.startswith(url[:-1]))


@dataclass(frozen=True)
class Policy:
    rules: tuple[Rule, ...]
    omit: Names = EVERYTHING  # stages, of all rules
    refusals: bool = False  # whoever is refused is noted, whatever the rules say
    _known: dict[Any, tuple[int, Names]] = field(default_factory=dict)

    def judge(self, user: User, asked: Attributes) -> tuple[int, Names]:
        """The level, and the stages that are left out. Remembered: there are few users, and many requests."""
        key = (user.name, user.groups, asked._replace(node=""))
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= 4096:
                self._known.clear()
            found = self._known[key] = self._decide(user, asked)
        return found

    def _decide(self, user: User, asked: Attributes) -> tuple[int, Names]:
        for rule in self.rules:
            if rule.matches(user, asked):
                return rule.level, self.omit | rule.omit
        return NONE, self.omit


def load(path: Path | None) -> Policy:
    """Raises BadPolicy."""
    if path is None:
        return parse(DEFAULT, "the default policy", refusals=True)
    import yaml

    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise BadPolicy(f"cannot read the audit policy {path}: {error}") from None
    return parse(document, str(path))


FIELDS = {"level", "users", "userGroups", "verbs", "resources", "namespaces", "nonResourceURLs", "omitStages",
          "omitManagedFields"}  # fmt: skip


def parse(document: Any, source: str, *, refusals: bool = False) -> Policy:
    """Raises BadPolicy."""
    if not isinstance(document, Mapping) or (document.get("apiVersion"), document.get("kind")) != (
        API,
        "Policy",
    ):
        raise BadPolicy(f"{source}: expected apiVersion: {API}, kind: Policy")
    rules = document.get("rules") or []
    if not isinstance(rules, list) or not rules:
        raise BadPolicy(
            f"{source}: rules: at least one is needed, or nothing would ever be written"
        )
    parsed = (_rule(rule, f"{source}: rules[{index}]") for index, rule in enumerate(rules))
    omit = _stages(document, source)
    return Policy(tuple(parsed), omit, refusals)


def _rule(plain: Any, place: str) -> Rule:
    if not isinstance(plain, Mapping):
        raise BadPolicy(f"{place}: must be a mapping with a level")
    if unknown := sorted(set(plain) - FIELDS):
        raise BadPolicy(
            f"{place}: there is no field {unknown[0]!r} (there are: {', '.join(sorted(FIELDS))})"
        )
    if plain.get("level") not in LEVELS:
        raise BadPolicy(
            f"{place}.level: must be one of {', '.join(LEVELS)}, not {plain.get('level')!r}"
        )
    resources, urls = _list(plain, "resources", place), _list(plain, "nonResourceURLs", place)
    if (resources or plain.get("namespaces")) and urls:
        raise BadPolicy(f"{place}: rules are about resources or about nonResourceURLs, not both")
    return Rule(
        level=LEVELS.index(plain["level"]),
        users=frozenset(_list(plain, "users", place)),
        groups=frozenset(_list(plain, "userGroups", place)),
        verbs=frozenset(_list(plain, "verbs", place)),
        resources=tuple(
            _resources(each, f"{place}.resources[{i}]") for i, each in enumerate(resources)
        ),
        namespaces=frozenset(_list(plain, "namespaces", place)),
        urls=tuple(urls),
        omit=_stages(plain, place),
    )


def _resources(plain: Any, place: str) -> Resources:
    if not isinstance(plain, Mapping):
        raise BadPolicy(f"{place}: must be a mapping with group and resources")
    names = (frozenset(_list(plain, name, place)) for name in ("resources", "resourceNames"))
    return Resources(str(plain.get("group") or ""), *names)


def _stages(plain: Mapping[str, Any], place: str) -> Names:
    stages = _list(plain, "omitStages", place)
    for stage in stages:
        if stage not in STAGES:
            raise BadPolicy(f"{place}.omitStages: must be of {', '.join(STAGES)}, not {stage!r}")
    return frozenset(stages)


def _list(plain: Mapping[str, Any], name: str, place: str) -> list[Any]:
    found = plain.get(name) or []
    if not isinstance(found, list):
        raise BadPolicy(f"{place}.{name}: must be a list")
    return found
