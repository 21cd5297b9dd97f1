"""How a client wants something deleted: in the body, or in the query, or both. Pure."""

from typing import Any

from api import jsonform
from api.errors import BadRequest
from control_plane.gateway.parameters import Query, flag, number, write_options
from proto.v1.meta_pb2 import DeleteOptions
from proto.v1.service_pb2 import WriteOptions

# Fields of Kubernetes' DeleteOptions that say what they are, or that we keep elsewhere.
ELSEWHERE = (
    "apiVersion",
    "kind",
    "dryRun",
    "orphanDependents",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
)


def options(body: dict[str, Any], query: Query) -> tuple[DeleteOptions, WriteOptions]:
    """What the body leaves open, the query says. Raises BadRequest."""
    own = {key: value for key, value in body.items() if key not in ELSEWHERE}
    found, causes = jsonform.from_json(DeleteOptions, own)
    if causes:
        raise BadRequest(f"DeleteOptions: {'; '.join(str(cause) for cause in causes)}")
    grace = number(query, "gracePeriodSeconds")
    if grace is not None and not found.HasField("gracePeriodSeconds"):
        found.gracePeriodSeconds = grace
    found.propagationPolicy = (
        found.propagationPolicy or query.get("propagationPolicy", "") or _orphans(body, query)
    )
    write = write_options(query)
    write.dryRun = write.dryRun or dry_run(body.get("dryRun"))
    return found, write


def _orphans(body: dict[str, Any], query: Query) -> str:
    """An older way to say it."""
    if body.get("orphanDependents") is None and "orphanDependents" not in query:
        return ""
    orphan = body.get("orphanDependents") or flag(query, "orphanDependents")
    return "Orphan" if orphan else "Background"


def dry_run(said: Any) -> bool:
    """Of options in a body: a list of the stages that are dry. Raises BadRequest."""
    if said in (None, []):
        return False
    if said == ["All"]:
        return True
    raise BadRequest(f'dryRun: Unsupported value: {said!r}: supported values: "All"')
