"""The gate in front of every verb: what a request is to authorization, and whether it passes.

Whoever lets requests in (gRPC, a stream, an item of a batch, an HTTP gateway) makes Attributes of them and calls
`check`. It is synchronous and takes microseconds, so there is no reason to leave it out anywhere.
"""

from collections.abc import Callable, Mapping
from typing import Any

from api import selectors
from api.errors import BadRequest
from api.rbac import Attributes
from control_plane.apiserver import notes
from control_plane.apiserver.authorization.authorizer import Authorizer
from control_plane.apiserver.authorization.decision import DECIDED, refusal
from control_plane.apiserver.identity import CALLER
from proto.v1.service_pb2 import Target


def of_object(verb: str, target: Target) -> Attributes:
    return Attributes(
        verb, target.group, target.resource, target.subresource, target.namespace, target.name
    )


def of_create(target: Target) -> Attributes:
    """A new object has no name that could be allowed: it is only known by what comes later. A part of an object has."""
    name = target.name if target.subresource else ""
    return Attributes(
        "create", target.group, target.resource, target.subresource, target.namespace, name
    )


def of_collection(verb: str, target: Target, fields: str) -> Attributes:
    """A list of the objects of one name, or on one node, is less than a list of all."""
    name = node = ""
    if fields:
        chosen = selectors.fields(fields)
        name = chosen.exact("metadata.name") or ""
        node = chosen.exact("spec.nodeName") or ""
    where = (target.group, target.resource, target.subresource, target.namespace)
    return Attributes(verb, *where, name=target.name or name, node=node)


def of_list(request: Any) -> Attributes:
    """One object as a row is no more than the object itself: who may get it may see it in a table."""
    if request.target.name:
        return of_object("get", request.target)
    return of_collection("list", request.target, request.fieldSelector)


def of_container(verb: str, subresource: str, namespace: str, pod: str) -> Attributes:
    return Attributes(verb, "", "pods", subresource, namespace, pod)


def of_path(path: str, verb: str = "get") -> Attributes:
    return Attributes(verb, path=path)


# What each call of the service is. None: its items are asked about one by one, or it asks for itself.
REQUESTS: Mapping[str, Callable[[Any], Attributes] | None] = {
    "Get": lambda request: of_object("get", request.target),
    "List": of_list,
    "Watch": lambda request: of_collection("watch", request.target, request.fieldSelector),
    "Create": lambda request: of_create(request.target),
    "Update": lambda request: of_object("update", request.target),
    "Patch": lambda request: of_object("patch", request.target),
    "Delete": lambda request: of_object("delete", request.target),
    "DeleteCollection": lambda request: of_collection(
        "deletecollection", request.target, request.fieldSelector
    ),
    "Version": lambda _: of_path("/version"),
    "Batch": None,
    "ReportMetrics": None,
    "ReportRules": None,
    "AwaitRules": None,
}
ITEMS: Mapping[str, str] = {
    "create": "Create",
    "update": "Update",
    "patch": "Patch",
    "delete": "Delete",
}


class Gate:
    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def check(self, asked: Attributes) -> None:
        """May the caller do this? Raises Forbidden."""
        caller = CALLER.get()
        decision = self._authorizer.decide(caller, asked)
        DECIDED.set(decision)
        notes.decided(asked, allowed=decision.allowed, why=decision.why)
        if not decision.allowed:
            raise refusal(caller, asked, decision.why)

    def guarded(self, verbs: Mapping[str, Any]) -> dict[str, Any]:
        """The verbs of the service behind the gate. A verb that the table does not know is a bug: KeyError."""
        return {name: self._guarded(verb, REQUESTS[name]) for name, verb in verbs.items()}

    def _guarded(self, verb: Any, attributes: Callable[[Any], Attributes] | None) -> Any:
        if attributes is None:
            return verb

        async def call(request: Any, context: Any) -> Any:
            self.check(attributes(request))
            return await verb(request, context)

        return call

    def check_item(self, verb: str, request: Any) -> None:
        """An item of a batch. Raises Forbidden, BadRequest."""
        attributes = REQUESTS[ITEMS[verb]] if verb in ITEMS else None
        if attributes is None:
            raise BadRequest("an item of a batch must be a create, update, patch or delete")
        self.check(attributes(request))
