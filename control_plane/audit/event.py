"""One line of the audit log: an Event of audit.k8s.io/v1, made from what was kept of a request.

Never a secret value. Kubernetes writes bodies of Secrets and tokens into its log if the policy says `Request`; here
what carries secrets is cut down, at every level, to what it is and the names of its keys. An error may quote what was
wrong, so of these kinds the log keeps the reason of an error and not its words.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from google.protobuf.any_pb2 import Any as Envelope

from api import kinds
from api.jsonform import to_json
from api.names import new_uid
from api.rbac import Attributes
from control_plane.apiserver.identity import User
from control_plane.audit.policy import API, LEVELS, REQUEST, RESPONSE

REDACTED = "<redacted>"
# Of these nothing is shown but what it is, whatever is asked for of them.
SECRETIVE = frozenset((
    ("", "secrets"), ("", "serviceaccounts/token"), ("authentication.k8s.io", "tokenreviews"),
    ("helmling.dev", "bootstraptokens"),
))  # fmt: skip
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
KEYED = ("data", "stringData")  # maps whose keys are no secret


@dataclass(frozen=True, slots=True)
class Outcome:
    code: int = 200
    reason: str = ""
    message: str = ""


@dataclass(slots=True)
class Record:
    """Of a request, as kept on its way: nothing here is copied or converted, that is done in the writer's thread."""

    level: int
    stage: str
    asked: Attributes
    user: User
    received: datetime
    ended: datetime
    id: str = ""
    impersonator: User | None = None
    source: str = ""
    agent: str = ""
    outcome: Outcome | None = None
    request: Any = None  # the message
    response: bytes | None = None  # an envelope
    annotations: dict[str, str] = field(default_factory=dict)


def line(record: Record) -> bytes:
    return json.dumps(event(record), separators=(",", ":")).encode() + b"\n"


def event(record: Record) -> dict[str, Any]:
    secretive = (record.asked.group, record.asked.part) in SECRETIVE
    answered = _object(record.response)
    found: dict[str, Any] = {
        "kind": "Event",
        "apiVersion": API,
        "level": LEVELS[record.level],
        "auditID": record.id or new_uid(),
        "stage": record.stage,
        "requestURI": uri(record.asked),
        "verb": record.asked.verb,
        "user": _user(record.impersonator or record.user),
    }
    if record.impersonator:
        found["impersonatedUser"] = _user(record.user)
    found["sourceIPs"] = [record.source] if record.source else []
    if record.agent:
        found["userAgent"] = record.agent
    if not record.asked.path:
        found["objectRef"] = _reference(record, answered)
    if record.outcome is not None:
        found["responseStatus"] = _status(record.outcome, secretive=secretive)
    if record.level >= REQUEST and (body := _body(record.request, secretive=secretive)) is not None:
        found["requestObject"] = body
    if record.level >= RESPONSE and answered is not None:
        found["responseObject"] = shown(to_json(answered), secretive=secretive)
    found["requestReceivedTimestamp"] = _micro(record.received)
    found["stageTimestamp"] = _micro(record.ended)
    if record.annotations:
        found["annotations"] = record.annotations
    return found


def uri(asked: Attributes) -> str:
    """The address that the request would have in Kubernetes' HTTP dialect."""
    if asked.path:
        return asked.path
    kind = kinds.by_resource(asked.group, asked.resource)
    version = kind.version if kind else "v1"
    root = f"/apis/{asked.group}/{version}" if asked.group else f"/api/{version}"
    inside = f"/namespaces/{asked.namespace}" if asked.namespace else ""
    rest = "/".join(filter(None, (asked.resource, asked.name, asked.subresource)))
    return f"{root}{inside}/{rest}"


def _user(user: User) -> dict[str, Any]:
    found: dict[str, Any] = {"username": user.name}
    if user.uid:
        found["uid"] = user.uid
    found["groups"] = list(user.groups)
    if user.extra:
        found["extra"] = {key: list(values) for key, values in user.extra.items()}
    return found


def _reference(record: Record, answered: Any) -> dict[str, Any]:
    asked = record.asked
    kind = kinds.by_resource(asked.group, asked.resource)
    meta = getattr(answered, "metadata", None)
    if meta is None and asked.verb == "create":
        meta = getattr(_object(getattr(record.request, "object", None)), "metadata", None)
    pairs = (
        ("resource", asked.resource),
        ("namespace", asked.namespace),
        ("name", asked.name or (meta.name if meta is not None else "")),
        ("uid", meta.uid if meta is not None else ""),
        ("apiGroup", asked.group),
        ("apiVersion", kind.version if kind else ""),
        ("resourceVersion", meta.resourceVersion if meta is not None else ""),
        ("subresource", asked.subresource),
    )
    return {key: value for key, value in pairs if value}


def _status(outcome: Outcome, *, secretive: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"metadata": {}}
    if outcome.code >= 400:
        found["status"] = "Failure"
        # A refusal names the user and the resource, an Invalid may name the value.
        quotes = secretive and outcome.code not in (401, 403, 404, 409)
        found["message"] = REDACTED if quotes else outcome.message
        found["reason"] = outcome.reason
    return {**found, "code": outcome.code}


def _object(packed: Any) -> Any:
    """The message in an envelope; None: there is none, or none that is known."""
    if packed is None:
        return None
    try:
        envelope = packed if isinstance(packed, Envelope) else Envelope.FromString(packed)
        kind = kinds.by_url(envelope.type_url)
        return kind.message.FromString(envelope.value) if kind else None
    except Exception:  # DecodeError: whatever it was, it is not for this log to judge
        return None


def _body(request: Any, *, secretive: bool) -> Any:
    if request is None:
        return None
    fields = request.DESCRIPTOR.fields_by_name
    if "object" in fields:
        found = _object(request.object)
        return None if found is None else shown(to_json(found), secretive=secretive)
    if "patch" in fields:
        if secretive:
            return REDACTED
        try:
            return shown(json.loads(request.patch), secretive=False)
        except ValueError:
            return None
    if "deleteOptions" in fields:
        return to_json(request.deleteOptions)
    return None


def shown(document: Any, *, secretive: bool) -> Any:
    """A body as the log may have it."""
    if not isinstance(document, dict):
        return document
    if secretive or document.get("kind") in (
        "Secret",
        "TokenRequest",
        "TokenReview",
        "BootstrapToken",
    ):
        return _cut(document)
    return document


def _cut(document: dict[str, Any]) -> dict[str, Any]:
    """What it is, and the names of its keys."""
    kept: dict[str, Any] = {
        key: document[key] for key in ("apiVersion", "kind", "type") if key in document
    }
    meta = document.get("metadata") or {}
    names = ("name", "namespace", "uid", "resourceVersion")
    kept["metadata"] = {key: meta[key] for key in names if key in meta}
    for name in KEYED:
        if isinstance(document.get(name), dict):
            kept[name] = dict.fromkeys(document[name], REDACTED)
    return kept


def _micro(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
