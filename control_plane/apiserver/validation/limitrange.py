"""LimitRanges: bounds that something can be within (S#27)."""

from collections.abc import Iterator

from api import quantity
from api.errors import Cause
from api.quantity import Quantity
from control_plane.apiserver.validation import causes
from control_plane.apiserver.validation.resources import validate_amounts
from proto.v1.limits_pb2 import LimitRange, LimitRangeItem

FIELDS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
CLAIM = "PersistentVolumeClaim"
TYPES = ("Pod", "Container", CLAIM)
# (smaller, greater, the field that is blamed, what each is called): pairs that must be in order.
ORDER = (
    ("min", "max", "min", "min value {} is greater than max value {}"),
    ("min", "defaultRequest", "defaultRequest",
     "min value {} is greater than default request value {}"),
    ("defaultRequest", "max", "defaultRequest",
     "default request value {} is greater than max value {}"),
    ("defaultRequest", "default", "defaultRequest",
     "default request value {} is greater than default limit value {}"),
    ("min", "default", "default", "min value {} is greater than default value {}"),
    ("default", "max", "default", "default value {} is greater than max value {}"),
)  # fmt: skip


def validate_limits(limits: LimitRange) -> list[Cause]:
    found: list[Cause] = []
    seen: set[str] = set()
    for index, item in enumerate(limits.spec.limits):
        path = f"spec.limits[{index}]"
        if item.type in seen:
            found.append(causes.duplicate(f"{path}.type", item.type))
        seen.add(item.type)
        if item.type and item.type not in TYPES and "/" not in item.type:
            told = "must be a standard limit type or fully qualified"
            found.append(causes.invalid(f"{path}.type", item.type, told))
        found += [*_names(item, path), *_shape(item, path), *_order(item, path)]
    return found


def _names(item: LimitRangeItem, path: str) -> Iterator[Cause]:
    for field in FIELDS:
        amounts = getattr(item, field)
        if item.type == CLAIM:
            amounts = {name: text for name, text in amounts.items() if name != "storage"}
        yield from validate_amounts(amounts, f"{path}.{field}")


def _shape(item: LimitRangeItem, path: str) -> Iterator[Cause]:
    if item.type == "Pod":
        for field in ("default", "defaultRequest"):
            if getattr(item, field):
                told = "may not be specified when `type` is 'Pod'"
                yield causes.forbidden(f"{path}.{field}", told)
    if item.type == CLAIM and "storage" not in item.min and "storage" not in item.max:
        told = "either minimum or maximum storage value is required, but neither was provided"
        yield causes.required(f"{path}.limits", told)


def _order(item: LimitRangeItem, path: str) -> Iterator[Cause]:
    for name in sorted({name for field in FIELDS for name in getattr(item, field)}):
        for low, high, blamed, told in ORDER:
            less, more = _amount(item, low, name), _amount(item, high, name)
            if less is not None and more is not None and less > more:
                culprit = getattr(item, blamed)[name]
                yield causes.invalid(f"{path}.{blamed}[{name}]", culprit, told.format(less, more))
        yield from _ratio(item, path, name)


def _ratio(item: LimitRangeItem, path: str, name: str) -> Iterator[Cause]:
    ratio, place = (
        _amount(item, "maxLimitRequestRatio", name),
        f"{path}.maxLimitRequestRatio[{name}]",
    )
    if ratio is None:
        return
    if ratio.nanos < quantity.NANO:
        yield causes.invalid(place, str(ratio), f"ratio {ratio} is less than 1")
    least, greatest = _amount(item, "min", name), _amount(item, "max", name)
    if least and greatest and least.nanos:
        widest = greatest.nanos / least.nanos
        if ratio.nanos / quantity.NANO > widest:
            told = f"ratio {ratio} is greater than max/min = {widest:f}"
            yield causes.invalid(place, str(ratio), told)


def _amount(item: LimitRangeItem, field: str, name: str) -> Quantity | None:
    text = getattr(item, field).get(name, "")
    return quantity.parse(text) if quantity.valid(text) else None
