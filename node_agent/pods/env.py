"""A container's environment, and the text that refers to it. Pure.

`$(NAME)` is replaced by a variable defined before; one that is not known stays as it is written; `$$` is a plain `$`.
https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from api.configrefs import Content, Reference
from node_agent.pods.facts import ConfigError, NodeFacts, field_value, resource_value
from proto.v1.pod_pb2 import Container, EnvFromSource, EnvVar, Pod

_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")


@dataclass(frozen=True)
class Surroundings:
    """What a container's variables may tell, beside what is written in the pod."""

    node: NodeFacts
    pod_ip: str
    # The ConfigMaps and Secrets that the container names; None: there is none of that name.
    contents: Mapping[Reference, Content | None] = field(default_factory=dict, repr=False)
    services: Mapping[str, str] = field(default_factory=dict, repr=False)  # servicelinks.py


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


def environment(container: Container, pod: Pod, around: Surroundings) -> dict[str, str]:
    """All variables: of services, over them those of envFrom, then those of env, in order. Raises ConfigError."""
    known = dict(around.services)
    for source in container.envFrom:
        known |= _all_of(source, pod, around)[0]
    for variable in container.env:
        value = _value(variable, known, container, pod, around)
        if value is not None:
            known[variable.name] = value
    return known


def skipped(container: Container, pod: Pod, around: Surroundings) -> list[tuple[str, list[str]]]:
    """The objects of envFrom with keys that are no names of variables, and these keys."""
    found = []
    for source in container.envFrom:
        _, invalid = _all_of(source, pod, around)
        if invalid:
            is_map = source.HasField("configMapRef")
            name = source.configMapRef.name if is_map else source.secretRef.name
            kind = "configMap" if is_map else "secret"
            found.append((f"{kind} {pod.metadata.namespace}/{name}", invalid))
    return found


def _all_of(
    source: EnvFromSource, pod: Pod, around: Surroundings
) -> tuple[dict[str, str], list[str]]:
    """The variables that an object gives, and its keys (with the prefix) that give none."""
    is_map = source.HasField("configMapRef")
    chosen = source.configMapRef if is_map else source.secretRef
    reference = Reference("ConfigMap" if is_map else "Secret", pod.metadata.namespace, chosen.name)
    found = _look_up(reference, around, optional=chosen.optional)
    if found is None:
        return {}, []
    names = {source.prefix + key: key for key in sorted(found.data)}
    valid = {name: _text(found, key, reference) for name, key in names.items() if is_variable(name)}
    return valid, [name for name in names if name not in valid]


def is_variable(name: str) -> bool:
    """Whether shells and programs can be expected to cope with it (Kubernetes' rule)."""
    return _NAME.fullmatch(name) is not None and name != "." and not name.startswith("..")


def _value(
    variable: EnvVar,
    known: Mapping[str, str],
    container: Container,
    pod: Pod,
    around: Surroundings,
) -> str | None:
    """None: it is optional, and not there."""
    source = variable.valueFrom
    if source.HasField("fieldRef"):
        return field_value(source.fieldRef, pod, around.node, around.pod_ip)
    if source.HasField("resourceFieldRef"):
        return resource_value(source.resourceFieldRef, pod, container, around.node)
    namespace = pod.metadata.namespace
    if source.HasField("configMapKeyRef"):
        chosen = source.configMapKeyRef
        reference = Reference("ConfigMap", namespace, chosen.name)
        return _key(reference, chosen.key, around, optional=chosen.optional)
    if source.HasField("secretKeyRef"):
        hidden = source.secretKeyRef
        reference = Reference("Secret", namespace, hidden.name)
        return _key(reference, hidden.key, around, optional=hidden.optional)
    return expand(variable.value, known)


def _key(reference: Reference, key: str, around: Surroundings, *, optional: bool) -> str | None:
    found = _look_up(reference, around, optional=optional)
    if found is None:
        return None
    if key in found.data:
        return _text(found, key, reference)
    if optional:
        return None
    where = f"{reference.kind} {reference.namespace}/{reference.name}"
    raise ConfigError(f"couldn't find key {key} in {where}")


def _look_up(reference: Reference, around: Surroundings, *, optional: bool) -> Content | None:
    found = around.contents.get(reference)
    if found is None and not optional:
        raise ConfigError(f"{reference} not found")
    return found


def _text(found: Content, key: str, reference: Reference) -> str:
    """A value as a variable can hold it. What is wrong is told without the value."""
    value = found.data[key]
    try:
        text = value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ConfigError(
            f"key {key} of {reference} holds bytes that no environment variable can: mount it as a file"
        )
    return text
