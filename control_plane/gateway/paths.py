"""Which object, or collection, a path is about. Pure.

/api/v1/pods                                        all namespaces
/api/v1/namespaces/NS/pods[/NAME[/SUBRESOURCE]]
/apis/GROUP/VERSION/…                               the same for every group but the core
/api/v1/watch/…                                     an older way to say ?watch=true
"""

from dataclasses import dataclass

from api import kinds
from api.errors import MethodNotAllowed, NotFound
from api.kinds import Kind
from proto.v1.service_pb2 import Target

NO_RESOURCE = "the server could not find the requested resource"
NAMESPACES = "namespaces"
OF_A_NAMESPACE = ("status", "finalize")  # subresources of the namespace itself
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request is about, and which verb it means."""

    verb: str  # get, list, watch, create, update, patch, delete, deletecollection
    kind: Kind
    target: Target
    rest: str = ""  # of a proxy: the path behind it


def read(method: str, path: str, *, watch: bool = False) -> Asked:
    """Raises NotFound, MethodNotAllowed."""
    parts = [part for part in path.split("/") if part]
    group, version, where = _group(parts)
    if where and where[0] == "watch":
        watch, where = True, where[1:]
    target = _target(group, where)
    kind = kinds.by_resource(group, target.resource)
    if kind is None or kind.version != version or (target.namespace and not kind.namespaced):
        raise NotFound(NO_RESOURCE)
    rest = "/".join(where[5 if kind.namespaced else 3 :])
    return Asked(_verb(method, target, watch=watch), kind, target, rest)


def _group(parts: list[str]) -> tuple[str, str, list[str]]:
    if parts[0] == "api" and len(parts) > 2:
        return "", parts[1], parts[2:]
    if parts[0] == "apis" and len(parts) > 3:
        return parts[1], parts[2], parts[3:]
    raise NotFound(NO_RESOURCE)


def _target(group: str, where: list[str]) -> Target:
    names = ("resource", "name", "subresource")
    namespace = ""
    if where[0] == NAMESPACES and len(where) > 2 and where[2] not in OF_A_NAMESPACE:
        namespace, where = where[1], where[2:]
    return Target(group=group, namespace=namespace, **dict(zip(names, where, strict=False)))


def _verb(method: str, target: Target, *, watch: bool) -> str:
    if method in ("GET", "HEAD"):
        if watch and not target.subresource:
            return "watch"
        return "get" if target.name else "list"
    if method == "DELETE":
        return "delete" if target.name else "deletecollection"
    if method in VERBS:
        return VERBS[method]
    raise MethodNotAllowed(f"the method {method} is not supported here")
