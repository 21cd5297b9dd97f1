"""Objects as clients send them: JSON, YAML or protobuf, refused in the words that kubectl's users know (S#16)."""

import json
from collections.abc import Sequence
from typing import Any, NoReturn

from api import jsonform
from api.errors import BadRequest, Cause
from api.kinds import Kind
from control_plane.gateway import protobuf
from control_plane.gateway.negotiation import PROTOBUF, YAML

DROPPED = (
    "UnknownField",
    "FieldValueDuplicate",
)  # what the lenient leave out, and the strict refuse
# What kubectl before 1.22 says, and Kubernetes understands: evictions were called so.
FORMER = {("policy/v1beta1", "Eviction")}


def document(body: bytes, media: str, kind: Kind | None) -> tuple[dict[str, Any], list[Cause]]:
    """The object (`kind` is None: options), and the names that it gives twice. Raises BadRequest."""
    if not body:
        return {}, []
    if media == PROTOBUF:
        return protobuf.document(body, kind), []
    twice: list[Cause] = []
    try:
        found = _yaml(body) if media == YAML else json.loads(body, object_pairs_hook=_pairs(twice))
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"couldn't get version/kind; json parse error: {error}") from None
    if not isinstance(found, dict):
        raise BadRequest("couldn't get version/kind; json parse error: the body must be an object")
    return found, twice


def _yaml(body: bytes) -> Any:
    import yaml  # few send it

    try:
        return yaml.load(body, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise BadRequest(f"error converting YAML to JSON: {error}") from None


def _pairs(twice: list[Cause]) -> Any:
    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(found)
        if len(made) < len(found):
            names = [name for name, _ in found]
            repeated = (name for name in made if names.count(name) > 1)
            twice.extend(Cause(name, "", "FieldValueDuplicate") for name in repeated)
        return made

    return pairs


def read(
    kind: Kind, found: dict[str, Any], twice: Sequence[Cause], validation: str
) -> tuple[Any, list[str]]:
    """The message, and warnings. Unknown fields are refused, told in a warning, or dropped. Raises BadRequest."""
    version, name = found.get("apiVersion", kind.api_version), found.get("kind", kind.name)
    if (version, name) in FORMER:
        version = kind.api_version
        found = {**found, "apiVersion": version}
    if (version, name) != (kind.api_version, kind.name):
        raise BadRequest(
            f"the API version in the data ({version}) does not match the expected API version "
            f"({kind.api_version})"
            if name == kind.name
            else f"the object provided is unrecognized (must be of type {kind.name}): it is a {version} {name}"
        )
    obj, causes = jsonform.from_json(kind.message, found)
    causes = [*causes, *twice]
    wrong = [cause for cause in causes if cause.reason not in DROPPED]
    if wrong:
        _refuse(kind, "; ".join(str(cause) for cause in wrong))
    dropped = [_strict(cause) for cause in causes]
    if dropped and validation == "Strict":
        _refuse(kind, f"strict decoding error: {', '.join(dropped)}")
    return obj, dropped if validation == "Warn" else []


def _refuse(kind: Kind, why: str) -> NoReturn:
    raise BadRequest(
        f'{kind.name} in version "{kind.version}" cannot be handled as a {kind.name}: {why}'
    )


def _strict(cause: Cause) -> str:
    """Kubernetes' words, and after them ours, where there is advice."""
    if cause.reason == "FieldValueDuplicate":
        return f'duplicate field "{cause.field}"'
    return f'unknown field "{cause.field}"{cause.message.removeprefix("unknown field")}'
