"""Where a pod may run: node selectors, affinity, tolerations, spreading (S#52–S#54)."""

from collections.abc import Sequence

from api import names
from api.errors import Cause
from control_plane.apiserver.validation import causes
from control_plane.apiserver.validation.meta import validate_labels
from control_plane.apiserver.validation.selector import validate_selector
from proto.v1.pod_pb2 import (
    NodeSelectorRequirement,
    NodeSelectorTerm,
    PodAffinity,
    PodAffinityTerm,
    PodAntiAffinity,
    PodSpec,
    Toleration,
    TopologySpreadConstraint,
)

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def validate_scheduling(spec: PodSpec, path: str) -> list[Cause]:
    found: list[Cause] = []
    if spec.nodeSelector:
        found += validate_labels(spec.nodeSelector, f"{path}.nodeSelector")
    if spec.HasField("affinity"):
        found += _affinity(spec, f"{path}.affinity")
    for index, toleration in enumerate(spec.tolerations):
        found += _toleration(toleration, f"{path}.tolerations[{index}]")
    if spec.topologySpreadConstraints:
        found += _spread(spec.topologySpreadConstraints, f"{path}.topologySpreadConstraints")
    gates = enumerate(spec.schedulingGates)
    return found + causes.duplicates(
        (f"{path}.schedulingGates[{index}].name", gate.name) for index, gate in gates
    )


def _affinity(spec: PodSpec, path: str) -> list[Cause]:
    affinity, found = spec.affinity, []
    node, node_path = affinity.nodeAffinity, f"{path}.nodeAffinity"
    terms = node.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms
    for index, term in enumerate(terms):
        found += _node_term(term, f"{node_path}.{_REQUIRED}.nodeSelectorTerms[{index}]")
    for index, wish in enumerate(node.preferredDuringSchedulingIgnoredDuringExecution):
        found += _node_term(wish.preference, f"{node_path}.{_PREFERRED}[{index}].preference")
    if affinity.HasField("podAffinity"):
        found += _pod_affinity(affinity.podAffinity, f"{path}.podAffinity")
    if affinity.HasField("podAntiAffinity"):
        found += _pod_affinity(affinity.podAntiAffinity, f"{path}.podAntiAffinity")
    return found


def _node_term(term: NodeSelectorTerm, path: str) -> list[Cause]:
    found: list[Cause] = []
    for index, requirement in enumerate(term.matchExpressions):
        found += _expression(requirement, f"{path}.matchExpressions[{index}]")
    for index, requirement in enumerate(term.matchFields):
        found += _field(requirement, f"{path}.matchFields[{index}]")
    return found


def _expression(requirement: NodeSelectorRequirement, path: str) -> list[Cause]:
    key, operator, values = requirement.key, requirement.operator, requirement.values
    found = [causes.invalid(f"{path}.key", key, each) for each in names.qualified_name(key) if key]
    place = f"{path}.values"
    if operator in ("In", "NotIn") and not values:
        told = "must be specified when `operator` is 'In' or 'NotIn'"
        found.append(causes.required(place, told))
    if operator in ("Exists", "DoesNotExist") and values:
        told = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        found.append(causes.forbidden(place, told))
    if operator in ("Gt", "Lt"):
        found += _one_integer(values, place)
    return found


def _one_integer(values: Sequence[str], path: str) -> list[Cause]:
    if len(values) != 1:
        told = "must be specified single value when `operator` is 'Lt' or 'Gt'"
        return [causes.required(path, told)]
    digits = values[0].removeprefix("-")
    if digits.isascii() and digits.isdigit():
        return []
    return [causes.invalid(f"{path}[0]", values[0], "must be an integer for 'Lt' and 'Gt'")]


def _field(requirement: NodeSelectorRequirement, path: str) -> list[Cause]:
    key, operator, values = requirement.key, requirement.operator, requirement.values
    found = []
    if key and key != "metadata.name":
        found.append(causes.invalid(f"{path}.key", key, "not a valid field selector key"))
    if operator in ("In", "NotIn"):
        if len(values) != 1:
            told = (
                "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            )
            found.append(causes.required(f"{path}.values", told))
    elif operator:
        found.append(causes.unsupported(f"{path}.operator", operator, ("In", "NotIn")))
    for index, value in enumerate(values):
        problems = names.dns_subdomain(value)
        found += [causes.invalid(f"{path}.values[{index}]", value, each) for each in problems]
    return found


def _pod_affinity(affinity: PodAffinity | PodAntiAffinity, path: str) -> list[Cause]:
    found: list[Cause] = []
    for index, term in enumerate(affinity.requiredDuringSchedulingIgnoredDuringExecution):
        found += _pod_term(term, f"{path}.{_REQUIRED}[{index}]")
    for index, wish in enumerate(affinity.preferredDuringSchedulingIgnoredDuringExecution):
        found += _pod_term(wish.podAffinityTerm, f"{path}.{_PREFERRED}[{index}].podAffinityTerm")
    return found


def _pod_term(term: PodAffinityTerm, path: str) -> list[Cause]:
    found = []
    for name in ("labelSelector", "namespaceSelector"):
        if term.HasField(name):
            found += validate_selector(getattr(term, name), f"{path}.{name}")
    for index, namespace in enumerate(term.namespaces):
        problems = names.dns_label(namespace)
        found += [
            causes.invalid(f"{path}.namespaces[{index}]", namespace, each) for each in problems
        ]
    for name in ("matchLabelKeys", "mismatchLabelKeys"):
        found += _label_keys(term, name, path)
    for key in sorted(set(term.matchLabelKeys) & set(term.mismatchLabelKeys)):
        told = "exists in both matchLabelKeys and mismatchLabelKeys"
        found.append(causes.invalid(f"{path}.matchLabelKeys", key, told))
    return found


def _label_keys(
    owner: PodAffinityTerm | TopologySpreadConstraint, name: str, path: str
) -> list[Cause]:
    keys: Sequence[str] = getattr(owner, name)
    found = []
    if keys and not owner.HasField("labelSelector"):
        told = "must not be specified when labelSelector is not set"
        found.append(causes.forbidden(f"{path}.{name}", told))
    for index, key in enumerate(keys):
        problems = names.qualified_name(key)
        found += [causes.invalid(f"{path}.{name}[{index}]", key, each) for each in problems]
    return found


def _toleration(toleration: Toleration, path: str) -> list[Cause]:
    found, operator = [], toleration.operator
    if not toleration.key and operator != "Exists":
        told = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        found.append(causes.invalid(f"{path}.operator", operator, told))
    if toleration.HasField("tolerationSeconds") and toleration.effect != "NoExecute":
        told = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        found.append(causes.invalid(f"{path}.effect", toleration.effect, told))
    if operator == "Exists" and toleration.value:
        told = "value must be empty when `operator` is 'Exists'"
        found.append(causes.invalid(f"{path}.value", toleration.value, told))
    if operator in ("", "Equal"):
        problems = names.label_value(toleration.value)
        found += [causes.invalid(f"{path}.value", toleration.value, each) for each in problems]
    return found


def _spread(constraints: Sequence[TopologySpreadConstraint], path: str) -> list[Cause]:
    found: list[Cause] = []
    seen: set[str] = set()
    for index, each in enumerate(constraints):
        place = f"{path}[{index}]"
        pair = f"{{{each.topologyKey}, {each.whenUnsatisfiable}}}"
        if pair in seen:
            at = f"{place}.{{topologyKey, whenUnsatisfiable}}"
            found.append(causes.duplicate(at, pair))
        seen.add(pair)
        if each.HasField("minDomains") and each.whenUnsatisfiable == "ScheduleAnyway":
            told = "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway"
            found.append(causes.invalid(f"{place}.minDomains", each.minDomains, told))
        if each.HasField("labelSelector"):
            found += validate_selector(each.labelSelector, f"{place}.labelSelector")
        found += _label_keys(each, "matchLabelKeys", place)
    return found
