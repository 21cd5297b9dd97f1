"""The query of a request, as the fields of the message that it becomes. Pure."""

import re
from collections.abc import Mapping

from api.errors import BadRequest
from proto.v1.service_pb2 import WriteOptions

Query = Mapping[str, str]
TRUE, FALSE = ("true", "1", "t"), ("false", "0", "f", "")


def flag(query: Query, name: str) -> bool:
    """Raises BadRequest."""
    said = query.get(name, "").lower()
    if said not in (*TRUE, *FALSE):
        raise BadRequest(f"{name} must be true or false, not {query[name]!r}")
    return said in TRUE


def number(query: Query, name: str) -> int | None:
    """None: nothing was said. Raises BadRequest."""
    said = query.get(name, "")
    if not said:
        return None
    if not re.fullmatch(r"-?[0-9]{1,18}", said):
        raise BadRequest(f"{name} must be a number, not {said!r}")
    return int(said)


def write_options(query: Query) -> WriteOptions:
    """Raises BadRequest. What was said of fields that are unknown is the reader's business (bodies.py)."""
    dry = query.get("dryRun", "")
    if dry not in ("", "All"):
        raise BadRequest(
            f'dryRun: Invalid value: Unsupported value: "{dry}": supported values: "All"'
        )
    return WriteOptions(
        dryRun=dry == "All", fieldManager=query.get("fieldManager", ""), fieldValidation="Ignore"
    )


def validation(query: Query) -> str:
    """What to do with unknown fields: Kubernetes' default is to warn. Raises BadRequest."""
    said = query.get("fieldValidation", "") or "Warn"
    if said not in ("Strict", "Warn", "Ignore"):
        raise BadRequest(
            f'fieldValidation: Unsupported value: "{said}": supported values: "Ignore", "Strict", "Warn"'
        )
    return said
