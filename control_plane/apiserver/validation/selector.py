"""Label selectors inside objects."""

from api import names
from api.errors import Cause
from control_plane.apiserver.validation import causes
from control_plane.apiserver.validation.meta import validate_labels
from proto.v1.meta_pb2 import LabelSelector, LabelSelectorRequirement


def validate_selector(selector: LabelSelector, path: str) -> list[Cause]:
    found = validate_labels(selector.matchLabels, f"{path}.matchLabels")
    for index, requirement in enumerate(selector.matchExpressions):
        found += _requirement(requirement, f"{path}.matchExpressions[{index}]")
    return found


def _requirement(requirement: LabelSelectorRequirement, path: str) -> list[Cause]:
    operator, values, place = requirement.operator, requirement.values, f"{path}.values"
    if operator in ("In", "NotIn") and not values:
        return [causes.required(place, "must be specified when `operator` is 'In' or 'NotIn'")]
    if operator in ("Exists", "DoesNotExist") and values:
        told = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        return [causes.forbidden(place, told)]
    return [
        causes.invalid(f"{place}[{index}]", value, problem)
        for index, value in enumerate(values)
        for problem in names.label_value(value)
    ]
