"""A warning to whoever hands Secrets to programs as environment variables.

It is told where it can still be changed, when the object is written, and not by events that come again with every pod.
"""

from typing import Any

from cli.errors import CommandError
from cli.podtemplate import pod_spec

ADVICE = (
    "Warning: {}: environment variables from Secrets can be seen on the node, by whoever may inspect its containers, "
    "and are inherited by every program that the container starts; a volume keeps them in memory, for those who may "
    "read its files"
)


def warning(obj: Any) -> str:
    """For an object that was just written; "" when there is nothing to say."""
    try:
        spec = pod_spec(obj)
    except CommandError:  # it has no pods
        return ""
    places = [
        f"{group}[{index}]"
        for group in ("initContainers", "containers")
        for index, container in enumerate(getattr(spec, group))
        if _is_exposed(container)
    ]
    return ADVICE.format(", ".join(places)) if places else ""


def _is_exposed(container: Any) -> bool:
    return any(source.HasField("secretRef") for source in container.envFrom) or any(
        variable.valueFrom.HasField("secretKeyRef") for variable in container.env
    )
