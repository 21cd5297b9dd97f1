"""What is right in roles, bindings and ServiceAccounts.

The rules and sentences are Kubernetes' own (pkg/apis/rbac/validation).
"""

from collections.abc import Iterable
from typing import Any

from api import names
from api.errors import Cause
from api.rbac import GROUP
from control_plane.apiserver.validation import causes
from control_plane.apiserver.validation.selector import validate_selector
from proto.v1.rbac_pb2 import ClusterRole, PolicyRule, Role, RoleRef, Subject

ROLES, CLUSTER_ROLES = ("Role", "ClusterRole"), ("ClusterRole",)


def validate_role(role: Role) -> list[Cause]:
    return _rules(role.rules, namespaced=True)


def validate_cluster_role(role: ClusterRole) -> list[Cause]:
    found = _rules(role.rules, namespaced=False)
    path = "aggregationRule.clusterRoleSelectors"
    for index, selector in enumerate(role.aggregationRule.clusterRoleSelectors):
        found += validate_selector(selector, f"{path}[{index}]")
    return found


def _rules(rules: Iterable[PolicyRule], *, namespaced: bool) -> list[Cause]:
    return [
        cause
        for index, rule in enumerate(rules)
        for cause in _rule(rule, f"rules[{index}]", namespaced)
    ]


def _rule(rule: PolicyRule, path: str, namespaced: bool) -> list[Cause]:
    found, urls = [], list(rule.nonResourceURLs)
    if not rule.verbs:
        found.append(causes.required(f"{path}.verbs", "verbs must contain at least one value"))
    if urls:
        if namespaced:
            told = "namespaced rules cannot apply to non-resource URLs"
            found.append(causes.invalid(f"{path}.nonResourceURLs", urls, told))
        if rule.apiGroups or rule.resources or rule.resourceNames:
            told = "rules cannot apply to both regular resources and non-resource URLs"
            found.append(causes.invalid(f"{path}.nonResourceURLs", urls, told))
        return found
    if not rule.apiGroups:
        told = "resource rules must supply at least one api group"
        found.append(causes.required(f"{path}.apiGroups", told))
    if not rule.resources:
        told = "resource rules must supply at least one resource"
        found.append(causes.required(f"{path}.resources", told))
    return found


def validate_role_binding(binding: Any) -> list[Cause]:
    return [*_role_ref(binding, ROLES), *_subjects(binding.subjects, namespaced=True)]


def validate_cluster_role_binding(binding: Any) -> list[Cause]:
    found = _role_ref(binding, CLUSTER_ROLES)
    return [*found, *_subjects(binding.subjects, namespaced=False)]


def validate_binding_update(new: Any, old: Any) -> list[Cause]:
    if new.roleRef == old.roleRef:
        return []
    return [causes.invalid("roleRef", new.roleRef, "cannot change roleRef")]


def _role_ref(binding: Any, allowed: tuple[str, ...]) -> list[Cause]:
    if not binding.HasField("roleRef"):
        return []  # the schema says that it must be there
    ref: RoleRef = binding.roleRef
    found = []
    if ref.apiGroup != GROUP:
        found.append(causes.unsupported("roleRef.apiGroup", ref.apiGroup, [GROUP]))
    if ref.kind not in allowed and ref.kind in ROLES:  # others: the schema has said so
        found.append(causes.unsupported("roleRef.kind", ref.kind, allowed))
    problems = names.path_segment(ref.name)
    return found + [causes.invalid("roleRef.name", ref.name, each) for each in problems]


def _subjects(subjects: Iterable[Subject], *, namespaced: bool) -> list[Cause]:
    return [
        cause
        for index, subject in enumerate(subjects)
        for cause in _subject(subject, f"subjects[{index}]", namespaced)
    ]


def _subject(subject: Subject, path: str, namespaced: bool) -> list[Cause]:
    found = []
    if subject.kind == "ServiceAccount":
        if subject.name:
            problems = names.dns_subdomain(subject.name)
            found += [causes.invalid(f"{path}.name", subject.name, each) for each in problems]
        if subject.apiGroup:
            found.append(causes.unsupported(f"{path}.apiGroup", subject.apiGroup, [""]))
        if not namespaced and not subject.namespace:
            found.append(causes.required(f"{path}.namespace"))
    elif subject.kind in ("User", "Group") and subject.apiGroup != GROUP:
        found.append(causes.unsupported(f"{path}.apiGroup", subject.apiGroup, [GROUP]))
    return found
