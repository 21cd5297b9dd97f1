"""Patches of the pods that an object holds or makes: what `helmling set` changes, as pure functions.

Each returns the fields of a strategic patch for some containers; containers are found by their names, so a patch says
only what changes and does not undo what somebody else changes at the same time.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from cli.errors import CommandError, UsageError

Fields = dict[str, Any]
EVERY = "*"
LISTS = ("containers", "initContainers")


# Where a pod's spec is in what is or makes pods: a CronJob's is in the template of its Jobs.
PATHS = (
    ("spec", "jobTemplate", "spec", "template", "spec"),
    ("spec", "template", "spec"),
    ("spec",),
)


def pod_spec(obj: Any) -> Any:
    """The pod's spec, or that of the template. Raises CommandError when there is neither."""
    return _walk(obj, _path(obj))


def around(obj: Any, spec: Fields) -> Fields:
    """A patch of the pod's spec, as a patch of the object."""
    for name in reversed(_path(obj)):
        spec = {name: spec}
    return spec


def _path(obj: Any) -> tuple[str, ...]:
    for path in PATHS:
        if hasattr(_walk(obj, path), "containers"):
            return path
    raise CommandError(
        f"the object is not a pod or does not have a pod template: {obj.kind} {obj.metadata.name}"
    )


def _walk(obj: Any, path: Iterable[str]) -> Any:
    """None where the path leads nowhere."""
    for name in path:
        obj = getattr(obj, name, None)
    return obj


def images(obj: Any, wanted: Mapping[str, str]) -> Fields:
    """New images by container; `*` is every container. Raises CommandError for a container that is not there."""
    spec, patch = pod_spec(obj), {}
    there = {container.name for each in LISTS for container in getattr(spec, each)}
    for name in wanted:
        if name != EVERY and name not in there:
            raise CommandError(f'unable to find container named "{name}"')
    for each in LISTS:
        named = {
            container.name: wanted.get(container.name) or wanted.get(EVERY)
            for container in getattr(spec, each)
        }
        changed = [{"name": name, "image": image} for name, image in named.items() if image]
        if changed:
            patch[each] = changed
    return around(obj, patch)


def chosen(obj: Any, pattern: str) -> list[Any]:
    """The containers whose names match, as a shell matches. Raises CommandError when none does."""
    found = [each for each in pod_spec(obj).containers if fnmatchcase(each.name, pattern)]
    if not found:
        raise CommandError(
            f'{obj.kind} {obj.metadata.name} does not have any containers matching "{pattern}"'
        )
    return found


def to_each(containers: Iterable[Any], obj: Any, change: Callable[[Any], Fields]) -> Fields:
    return around(obj, {"containers": [{"name": c.name, **change(c)} for c in containers]})


def environment(
    container: Any, put: Mapping[str, str], remove: Sequence[str], refer: Mapping[str, Fields]
) -> Fields:
    """Variables set, referred to and taken away; one whose value came from elsewhere gets this value instead."""
    there = {each.name for each in container.env}
    changes: list[Fields] = [
        {"name": key, "value": value, **({"valueFrom": None} if key in there else {})}
        for key, value in put.items()
    ]
    changes += refer.values()
    changes += [{"name": key, "$patch": "delete"} for key in remove if key in there]
    return {"env": changes} if changes else {}


def listing(container: Any) -> list[str]:
    """The variables as a shell would set them; those that are known only in the pod as remarks."""
    lines = []
    for each in container.env:
        source = each.valueFrom
        if not each.HasField("valueFrom"):
            lines.append(f"{each.name}={each.value}")
        elif source.HasField("fieldRef"):
            lines.append(f"# {each.name} from field path {source.fieldRef.fieldPath}")
        elif source.HasField("configMapKeyRef"):
            ref = source.configMapKeyRef
            lines.append(f"# {each.name} from configmap {ref.name}, key {ref.key}")
        elif source.HasField("secretKeyRef"):
            ref = source.secretKeyRef
            lines.append(f"# {each.name} from secret {ref.name}, key {ref.key}")
        else:
            lines.append(f"# {each.name} from resource field {source.resourceFieldRef.resource}")
    return lines


def quantities(text: str) -> dict[str, str]:
    """`cpu=200m,memory=512Mi`. Raises UsageError."""
    found = {}
    for part in filter(None, text.split(",")):
        resource, equals, quantity = part.partition("=")
        if not (resource and equals and quantity):
            raise UsageError(f"Invalid argument syntax {part}, expected <resource>=<value>")
        found[resource] = quantity
    return found
