"""From the engine's inspections to our records. Pure, but for one small file.

Docker says "created" of a container that could not start and remembers why; we call that exited,
reason `StartError`, as Kubernetes does. The termination message is read from the file on the host
that was mounted into the container; it is the only thing Docker does not keep for us.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from node_agent.runtime import names
from node_agent.runtime.model import (
    ContainerState,
    ContainerStatus,
    Namespaces,
    Sandbox,
)

Inspection: TypeAlias = Mapping[str, Any]
TERMINATION_MESSAGE_BYTES = 4096
_FRACTION = re.compile(r"(\.\d{1,6})\d*")


def time(text: str) -> datetime | None:
    """Docker's RFC 3339; None for its zero time, the year 1. Nanoseconds are cut to micro-."""
    if text.startswith("0001-"):
        return None
    return datetime.fromisoformat(_FRACTION.sub(r"\1", text)).astimezone(UTC)


def record(seen: Inspection) -> Sandbox | ContainerStatus:
    """What an inspected container is."""
    is_sandbox = seen["Config"]["Labels"].get(names.KIND) == "sandbox"
    return sandbox(seen) if is_sandbox else container(seen)


def sandbox(seen: Inspection) -> Sandbox:
    labels = seen["Config"]["Labels"]
    return Sandbox(
        pod_uid=labels[names.POD_UID],
        pod_name=labels[names.POD_NAME],
        pod_namespace=labels[names.POD_NAMESPACE],
        attempt=int(labels[names.ATTEMPT]),
        id=seen["Id"],
        state="ready" if seen["State"]["Running"] else "notready",
        created_at=_created(seen),
        ip=labels[names.IP],
        namespaces=Namespaces(**json.loads(labels[names.NAMESPACES])),
        cgroup_parent=labels[names.CGROUP_PARENT],
        labels=json.loads(labels[names.LABELS]),
        annotations=json.loads(labels[names.ANNOTATIONS]),
    )


def container(seen: Inspection) -> ContainerStatus:
    labels, state = seen["Config"]["Labels"], seen["State"]
    status = _state(state)
    ended = status == "exited"
    return ContainerStatus(
        pod_uid=labels[names.POD_UID],
        name=labels[names.CONTAINER],
        attempt=int(labels[names.ATTEMPT]),
        id=seen["Id"],
        image=seen["Config"]["Image"],
        image_id=seen["Image"],
        state=status,
        created_at=_created(seen),
        started_at=time(state["StartedAt"]),
        finished_at=(time(state["FinishedAt"]) or _created(seen)) if ended else None,
        exit_code=state["ExitCode"] if ended else None,
        oom_killed=ended and state["OOMKilled"],
        reason=_reason(state) if ended else "",
        message=state["Error"],
        termination_message=_termination_message(labels) if ended else "",
        log_path=seen["LogPath"],
        spec_hash=labels[names.SPEC_HASH],
        labels=json.loads(labels[names.LABELS]),
    )


def _state(state: Inspection) -> ContainerState:
    if state["Running"]:  # a paused one too
        return "running"
    if state["Status"] == "created" and not state["Error"]:
        return "created"
    return "exited"


def _reason(state: Inspection) -> str:
    if time(state["StartedAt"]) is None:
        return "StartError"
    if state["OOMKilled"]:
        return "OOMKilled"
    return "Completed" if state["ExitCode"] == 0 else "Error"


def _created(seen: Inspection) -> datetime:
    return datetime.fromisoformat(_FRACTION.sub(r"\1", seen["Created"])).astimezone(UTC)


def _termination_message(labels: Mapping[str, str]) -> str:
    path = labels[names.TERMINATION_FILE]
    if not path:
        return ""
    try:
        with open(path, "rb") as file:
            return file.read(TERMINATION_MESSAGE_BYTES).decode(errors="replace")
    except FileNotFoundError:
        return ""  # removed together with its sandbox
