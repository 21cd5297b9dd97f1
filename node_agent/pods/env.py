"""A container's environment, and the text that refers to it. Pure.

`$(NAME)` is replaced by a variable defined before; one that is not known stays as it is written; `$$` is a plain `$`.
https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
"""

from collections.abc import Iterable, Mapping

from node_agent.pods.facts import NodeFacts, field_value, resource_value
from proto.v1.pod_pb2 import Container, EnvVar, Pod


def expand(text: str, known: Mapping[str, str]) -> str:
    """`text` with its references replaced."""
    done: list[str] = []
    at = 0
    while (dollar := text.find("$", at)) != -1:
        done.append(text[at:dollar])
        piece, at = _reference(text, dollar, known)
        done.append(piece)
    done.append(text[at:])
    return "".join(done)


def _reference(text: str, dollar: int, known: Mapping[str, str]) -> tuple[str, int]:
    """What stands for the `$` and what belongs to it, and where the text goes on."""
    following = text[dollar + 1 : dollar + 2]
    if following == "$":
        return "$", dollar + 2
    close = text.find(")", dollar) if following == "(" else -1
    if close == -1:
        return "$", dollar + 1
    written = text[dollar : close + 1]
    return known.get(written[2:-1], written), close + 1


def expand_all(texts: Iterable[str], known: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(expand(text, known) for text in texts)


def environment(container: Container, pod: Pod, node: NodeFacts, pod_ip: str) -> dict[str, str]:
    """All variables, in the order they are defined in. Raises ConfigError."""
    known: dict[str, str] = {}
    for variable in container.env:
        known[variable.name] = _value(variable, known, container, pod, node, pod_ip)
    return known


def _value(
    variable: EnvVar,
    known: Mapping[str, str],
    container: Container,
    pod: Pod,
    node: NodeFacts,
    pod_ip: str,
) -> str:
    source = variable.valueFrom
    if source.HasField("fieldRef"):
        return field_value(source.fieldRef, pod, node, pod_ip)
    if source.HasField("resourceFieldRef"):
        return resource_value(source.resourceFieldRef, pod, container, node)
    return expand(variable.value, known)
