"""Amounts of resources: which names there are, and that requests stay within limits (S#46)."""

from collections.abc import Mapping

from api import names, quantity
from api.errors import Cause
from control_plane.apiserver.validation import causes
from proto.v1.pod_pb2 import ResourceRequirements

STANDARD = ("cpu", "memory", "ephemeral-storage")


def validate_resources(resources: ResourceRequirements, path: str) -> list[Cause]:
    limits, requests = resources.limits, resources.requests
    found = validate_amounts(limits, f"{path}.limits")
    # A request that defaulted to its limit is not blamed a second time.
    own = {name: text for name, text in requests.items() if limits.get(name) != text}
    found += validate_amounts(own, f"{path}.requests")
    for name, request in requests.items():
        limit = limits.get(name)
        if limit is not None and quantity.valid(request) and quantity.valid(limit):
            found += _within(name, request, limit, path)
        elif limit is None and _extended(name):
            told = "Limit must be set for non overcommitable resources"
            found.append(causes.required(f"{path}.limits", told))
    return found


def validate_amounts(amounts: Mapping[str, str], path: str) -> list[Cause]:
    """Names, and amounts that make no sense. The syntax of quantities is a rule of the field."""
    found: list[Cause] = []
    for name, text in amounts.items():
        place = f"{path}[{name}]"
        found += [causes.invalid(place, name, problem) for problem in _name_problems(name)]
        if quantity.valid(text):
            found += _amount(name, text, place)
    return found


def _name_problems(name: str) -> tuple[str, ...]:
    if name in STANDARD:
        return ()
    if name.startswith("hugepages-"):
        return ("huge pages are not supported here",)
    if "/" not in name:
        return (f"must be one of {', '.join(STANDARD)}, or fully qualified (e.g. example.com/gpu)",)
    if name.startswith("kubernetes.io/"):
        return ("must not be in the domain kubernetes.io",)
    return names.qualified_name(name)


def _amount(name: str, text: str, path: str) -> list[Cause]:
    amount = quantity.parse(text)
    if _extended(name) and amount.nanos % quantity.NANO:
        return [causes.invalid(path, text, "must be an integer")]
    if name in ("memory", "ephemeral-storage") and 0 < amount.nanos < quantity.NANO:
        told = '"m" means thousandths, so this is less than one byte; megabytes are "M" or "Mi"'
        return [causes.invalid(path, text, told)]
    return []


def _within(name: str, request: str, limit: str, path: str) -> list[Cause]:
    asked, most = quantity.parse(request), quantity.parse(limit)
    if _extended(name) and asked != most:
        told = f"must be equal to {name} limit of {limit}"
        return [causes.invalid(f"{path}.requests", request, told)]
    if asked > most:
        told = f"must be less than or equal to {name} limit of {limit}"
        return [causes.invalid(f"{path}.requests", request, told)]
    return []


def _extended(name: str) -> bool:
    """A resource of somebody else's making: whole numbers, and nothing to share."""
    return "/" in name
