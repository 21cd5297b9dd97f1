"""How every part of Helmling talks to the API server: eight verbs, typed by the protobuf class.

There are two implementations with one contract suite: control_plane/apiserver/local.py calls the server in
the same process, api/grpc_client.py goes over the wire. Controllers, scheduler and agents only know this
protocol. All methods raise `api.errors.ApiError`.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from api.errors import ApiError
from proto.v1.apps_pb2 import Scale
from proto.v1.policy_pb2 import MetricsReport
from proto.v1.service_pb2 import RulesReport

M = TypeVar("M")  # a kind's protobuf class: Pod, Node, …

PatchType = Literal["json", "merge", "strategic"]
PATCH_TYPES: dict[PatchType, str] = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}


@dataclass(frozen=True, slots=True)
class Listing(Generic[M]):
    items: list[M]
    version: str  # the resourceVersion of the list: where a watch goes on
    continue_token: str = ""
    remaining: int | None = None


@dataclass(frozen=True, slots=True)
class WatchEvent(Generic[M]):
    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: M  # of a BOOKMARK: only metadata.resourceVersion is set


@dataclass(frozen=True, slots=True)
class Write(Generic[M]):
    """One item of a batch."""

    verb: Literal["create", "update", "delete"]
    object: M
    subresource: str = ""
    grace: int | None = None  # of a delete, seconds


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects: all fields empty selects everything."""

    namespace: str = ""
    labels: str = ""  # `app=web,tier in (a,b)`
    fields: str = ""  # `spec.nodeName=n1`


@dataclass(frozen=True, slots=True)
class Delete:
    """How to delete; see DeleteOptions in proto/v1/meta.proto."""

    grace: int | None = None  # seconds
    uid: str = ""
    version: str = ""
    propagation: str = ""
    dry_run: bool = False


EVERYTHING = Selection()
ORDINARY = Delete()


class Client(Protocol):
    """Objects that a client returns belong to the caller; objects from an informer do not (copy before changing)."""

    async def get(self, kind: type[M], name: str, namespace: str = "") -> M:
        """Raises NotFound."""
        ...

    async def list(
        self,
        kind: type[M],
        which: Selection = EVERYTHING,
        *,
        limit: int = 0,
        continue_token: str = "",
        version: str = "",
    ) -> Listing[M]:
        """One consistent snapshot. Raises Expired when the continue token is too old."""
        ...

    def watch(
        self, kind: type[M], which: Selection = EVERYTHING, *, version: str, bookmarks: bool = True
    ) -> AsyncIterator[Sequence[WatchEvent[M]]]:
        """Every change after `version`, in order, in batches. Raises Expired: list again. Unavailable: try again."""
        ...

    async def create(self, obj: M, *, dry_run: bool = False) -> M:
        """Raises AlreadyExists, Invalid, Forbidden."""
        ...

    async def update(self, obj: M, *, subresource: str = "", dry_run: bool = False) -> M:
        """With a resourceVersion: raises Conflict if it is not the latest. Without: unconditional (a uid must fit)."""
        ...

    async def patch(
        self,
        kind: type[M],
        name: str,
        namespace: str,
        patch: Mapping[str, Any] | Sequence[Any],
        *,
        patch_type: PatchType = "strategic",
        subresource: str = "",
        dry_run: bool = False,
    ) -> M:
        """Raises Conflict only if the patch names a version. Of the subresource "scale" the answer is a Scale."""
        ...

    async def get_scale(self, kind: type[Any], name: str, namespace: str) -> Scale:
        """How many pods an object of the kind has and should have. Raises NotFound, MethodNotAllowed."""
        ...

    async def update_scale(self, kind: type[Any], scale: Scale, *, dry_run: bool = False) -> Scale:
        """Sets spec.replicas of the object that scale.metadata names. Raises as `update` does, and MethodNotAllowed."""
        ...

    async def delete(
        self, kind: type[M], name: str, namespace: str = "", how: Delete = ORDINARY
    ) -> M:
        """The object as it was last, or as it is now if it takes time to go. Raises NotFound, Conflict."""
        ...

    async def bind(self, namespace: str, name: str, uid: str, node: str) -> None:
        """Puts a pod on a node. Raises Conflict if it is on one already or is another pod by now."""
        ...

    async def evict(self, namespace: str, name: str, how: Delete = ORDINARY) -> None:
        """Deletes a pod if its disruption budget allows. Raises TooManyRequests (retry later), Internal, NotFound."""
        ...

    async def batch(self, writes: Sequence[Write[Any]]) -> Sequence[Any | ApiError]:
        """Each write succeeds or fails for itself; results are in the order of the writes. Binding objects bind."""
        ...

    async def report_metrics(self, reports: Sequence[MetricsReport]) -> None:
        """For agents: what these nodes and their pods use now. It is read as the kinds NodeMetrics and PodMetrics."""
        ...

    async def report_rules(self, reports: AsyncIterator[RulesReport]) -> None:
        """For agents: how far the node's kernel is with the EndpointSlices, for as long as the reports go on.

        Raises Unavailable when the server went away: begin anew.
        """
        ...

    async def await_rules(self, version: int, timeout: float) -> Sequence[str]:
        """Until every node that reports has come as far, or for so many seconds; returns those that have not."""
        ...
