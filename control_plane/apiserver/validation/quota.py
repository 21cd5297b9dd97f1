"""ResourceQuotas: which resources can be limited, and within which scopes (S#26)."""

from api import names, quantity, quotas
from api.errors import Cause
from control_plane.apiserver.validation import causes
from proto.v1.limits_pb2 import ResourceQuota, ScopedResourceSelectorRequirement

STANDARD = (
    *quotas.BY_NAME, *quotas.COMPUTE, quotas.NODE_PORTS, quotas.LOAD_BALANCERS,
    *(f"requests.{name}" for name in (*quotas.COMPUTE, "storage")),
    *(f"limits.{name}" for name in quotas.COMPUTE),
)  # fmt: skip
OF_PODS = (
    "pods", *quotas.COMPUTE,
    *(f"{part}.{name}" for part in ("requests", "limits") for name in quotas.COMPUTE),
)  # fmt: skip
WHOLE = (*quotas.BY_NAME, quotas.NODE_PORTS, quotas.LOAD_BALANCERS)  # counted in pieces


def validate_quota(quota: ResourceQuota) -> list[Cause]:
    found: list[Cause] = []
    for name, text in quota.spec.hard.items():
        found += _resource(name, text, f"spec.hard[{name}]")
    return [*found, *_scopes(quota), *_selector(quota)]


def _resource(name: str, text: str, path: str) -> list[Cause]:
    found = [causes.invalid(path, name, problem) for problem in names.qualified_name(name)]
    if not found and "/" not in name and name not in STANDARD:
        told = "must be a standard resource for quota"
        return [causes.invalid(path, name, told)]
    whole = name in WHOLE or name.startswith(quotas.COUNT)
    if whole and quantity.valid(text) and quantity.parse(text).nanos % quantity.NANO:
        found.append(causes.invalid(path, text, "must be an integer"))
    return found


def _scopes(quota: ResourceQuota) -> list[Cause]:
    spec, found = quota.spec, []
    for index, scope in enumerate(spec.scopes):
        if scope not in quotas.SCOPES:
            told = "unsupported scope"
            found.append(causes.invalid(f"spec.scopes[{index}]", scope, told))
        elif any(not _fits(scope, name) for name in spec.hard):
            told = "unsupported scope applied to resource"
            found.append(causes.invalid("spec.scopes", list(spec.scopes), told))
    return found + _contradictions(list(spec.scopes), "spec.scopes")


def _fits(scope: str, name: str) -> bool:
    """Best-effort pods ask for nothing, so nothing but their number can be limited."""
    if scope == "BestEffort":
        return name == "pods"
    extended = name.startswith("requests.") and "/" in name
    return name in OF_PODS or extended


def _contradictions(scopes: list[str], path: str) -> list[Cause]:
    told = "conflicting scopes"
    return [
        causes.invalid(path, scopes, told)
        for pair in quotas.CONTRADICTIONS
        if set(pair) <= set(scopes)
    ]


def _selector(quota: ResourceQuota) -> list[Cause]:
    path, found = "spec.scopeSelector.matchExpressions", []
    terms = quota.spec.scopeSelector.matchExpressions
    for index, term in enumerate(terms):
        found += _term(term, f"{path}[{index}]")
        if term.scopeName in quotas.SCOPES and any(
            not _fits(term.scopeName, name) for name in quota.spec.hard
        ):
            told = "unsupported scope applied to resource"
            found.append(causes.invalid(path, term.scopeName, told))
    return found + _contradictions([term.scopeName for term in terms], path)


def _term(term: ScopedResourceSelectorRequirement, path: str) -> list[Cause]:
    if term.scopeName not in quotas.SCOPES:
        return [causes.invalid(f"{path}.scopeName", term.scopeName, "unsupported scope")]
    if term.scopeName != "PriorityClass" and term.operator != "Exists":
        told = "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
        told += "ResourceQuotaScopeBestEffort and ResourceQuotaScopeNotBestEffort"
        return [causes.invalid(f"{path}.operator", term.operator, told)]
    named = term.operator in ("In", "NotIn")
    if named and not term.values:
        told = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
        return [causes.required(f"{path}.values", told)]
    if not named and term.values:
        told = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
        return [causes.invalid(f"{path}.values", list(term.values), told)]
    return []


def validate_quota_update(new: ResourceQuota, old: ResourceQuota) -> list[Cause]:
    """What it is about may not change: what was counted would mean something else."""
    if sorted(new.spec.scopes) == sorted(old.spec.scopes):
        return []
    return [causes.invalid("spec.scopes", list(new.spec.scopes), "field is immutable")]


def validate_quota_status(new: ResourceQuota, _old: ResourceQuota) -> list[Cause]:
    return [
        cause
        for part in ("hard", "used")
        for name, text in getattr(new.status, part).items()
        for cause in _resource(name, text, f"status.{part}[{name}]")
    ]
