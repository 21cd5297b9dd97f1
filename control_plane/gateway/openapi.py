"""/openapi/v3: one document for each group and version, made when it is first asked for, and kept as bytes.

kubectl reads from it what `explain` prints, which kinds there are, and that the server checks fields itself: then it
leaves that to the server. https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-v3
"""

import hashlib
from collections.abc import Iterator
from functools import cache
from typing import Any

import orjson

from api.kinds import REVIEWS, Kind
from control_plane.apiserver.service import KUBERNETES
from control_plane.gateway import discovery, schemas

ROOT = "/openapi/v3"
# Of writes, and of lists: name → (type, what it does).
WRITE = {
    "dryRun": ("string", "All: go all the way through validation, and store nothing."),
    "fieldManager": ("string", "A short name of whoever writes."),
    "fieldValidation": (
        "string",
        "What to do with unknown fields: Strict refuses, Warn tells, Ignore drops.",
    ),
}
LIST = {
    "allowWatchBookmarks": (
        "boolean",
        "Send a BOOKMARK now and then, with a version to resume from.",
    ),
    "continue": ("string", "The token of the page before."),
    "fieldSelector": ("string", "Only objects with these values in these fields."),
    "labelSelector": ("string", "Only objects with these labels."),
    "limit": ("integer", "At most so many items."),
    "resourceVersion": ("string", "The version to show, or to begin after."),
    "resourceVersionMatch": ("string", "Exact, or NotOlderThan."),
    "sendInitialEvents": ("boolean", "Begin a watch with the present state."),
    "timeoutSeconds": ("integer", "End a watch after so long."),
    "watch": ("boolean", "Follow the changes instead of listing."),
}
DELETE = {
    "dryRun": WRITE["dryRun"],
    "gracePeriodSeconds": ("integer", "Seconds that the object gets to end."),
    "propagationPolicy": ("string", "What becomes of dependents: Orphan, Background, Foreground."),
}
PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)


def index() -> dict[str, Any]:
    """Where the documents are; the hash changes when a document does."""
    found = {}
    for name, versions in discovery.groups().items():
        for version in versions:
            path = f"apis/{name}/{version}" if name else f"api/{version}"
            mark = hashlib.sha256(document(name, version) or b"").hexdigest()[:32].upper()
            found[path] = {"serverRelativeURL": f"{ROOT}/{path}?hash={mark}"}
    return {"paths": found}


@cache
def document(group: str, version: str) -> bytes | None:
    """None: there is no such group and version."""
    kinds = discovery.groups().get(group, {}).get(version)
    if kinds is None:
        return None
    return orjson.dumps(
        {
            "openapi": "3.0.0",
            "info": {"title": "Helmling", "version": KUBERNETES},
            "paths": {path: item for kind in kinds for path, item in _paths(kind)},
            "components": {"schemas": schemas.schemas(kinds)},
        }
    )


def _paths(kind: Kind) -> Iterator[tuple[str, dict[str, Any]]]:
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    where = (
        f"{root}/namespaces/{{namespace}}/{kind.plural}"
        if kind.namespaced
        else f"{root}/{kind.plural}"
    )
    place = (
        [_parameter("namespace", "string", "In which namespace.", "path")]
        if kind.namespaced
        else []
    )
    if kind in REVIEWS:
        yield where, {"parameters": place, "post": _operation(kind, "post", WRITE, body=True)}
        return
    collection = {"get": _operation(kind, "list", LIST, suffix="List")}
    one = {"get": _operation(kind, "get", {})}
    if kind.stored:
        collection["post"] = _operation(kind, "post", WRITE, body=True)
        collection["delete"] = _operation(kind, "deletecollection", LIST | DELETE)
        one["put"] = _operation(kind, "put", WRITE, body=True)
        one["patch"] = _patch(kind)
        one["delete"] = _operation(kind, "delete", DELETE)
    name = _parameter("name", "string", f"Of the {kind.name}.", "path")
    if kind.namespaced:
        yield f"{root}/{kind.plural}", {"get": _operation(kind, "list", LIST, suffix="List")}
    yield where, {"parameters": place, **collection}
    yield f"{where}/{{name}}", {"parameters": [name, *place], **one}


def _parameter(name: str, type: str, about: str, place: str = "query") -> dict[str, Any]:
    made = {"name": name, "in": place, "description": about, "schema": {"type": type}}
    return {**made, "required": True} if place == "path" else made


def _operation(
    kind: Kind,
    action: str,
    parameters: dict[str, tuple[str, str]],
    *,
    body: bool = False,
    suffix: str = "",
) -> dict[str, Any]:
    schema = {"$ref": f"{schemas.REF}{schemas.name_of(kind.message.DESCRIPTOR)}{suffix}"}
    content = {"application/json": {"schema": schema}}
    made = {
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": schemas.gvk(kind),
        "parameters": [_parameter(name, *about) for name, about in parameters.items()],
        "responses": {
            "200": {"description": "OK", "content": content if kind.stored or not suffix else {}}
        },
    }
    return {**made, "requestBody": {"content": content}} if body else made


def _patch(kind: Kind) -> dict[str, Any]:
    body = {media: {"schema": {"type": "object"}} for media in PATCHES}
    return {**_operation(kind, "patch", WRITE), "requestBody": {"content": body}}
