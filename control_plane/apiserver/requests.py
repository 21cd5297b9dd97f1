"""Requests as they come over the wire, turned into what the verbs understand. Whatever makes no sense is BadRequest."""

from typing import Any

from google.protobuf.any_pb2 import Any as Envelope
from google.protobuf.message import DecodeError

from api import kinds
from api.client import Delete
from api.errors import BadRequest, NotFound
from api.kinds import Kind
from control_plane.apiserver import refusals, tables
from control_plane.apiserver.registry import Place
from control_plane.apiserver.selection import Chosen, choose
from control_plane.apiserver.strategy import Strategy
from proto.v1.meta_pb2 import DeleteOptions
from proto.v1.pod_pb2 import Binding
from proto.v1.policy_pb2 import Eviction
from proto.v1.service_pb2 import ListRequest, Target, WriteOptions

VALIDATION = ("", "Strict", "Warn", "Ignore")


def kind_of(target: Target) -> Kind:
    """Raises NotFound: there is no such resource."""
    kind = kinds.by_resource(target.group, target.resource)
    if kind is None:
        known = ", ".join(each.full_name for each in kinds.KINDS)
        asked = f"{target.resource}.{target.group}" if target.group else target.resource
        raise NotFound(f'the server doesn\'t have a resource type "{asked}" (it has: {known})')
    if target.namespace and not kind.namespaced:
        raise BadRequest(f"{kind.full_name} do not live in namespaces: send no namespace")
    return kind


def stored_kind_of(target: Target) -> Kind:
    """Raises NotFound, MethodNotAllowed: it is a question, which can be asked and nothing else."""
    kind = kind_of(target)
    if kind in kinds.REVIEWS:
        raise refusals.not_allowed(kind, "anything but create")
    return kind


def place_of(target: Target) -> Place:
    """One object. Raises NotFound, BadRequest."""
    kind = stored_kind_of(target)
    if not target.name:
        raise BadRequest("resource name may not be empty")
    if kind.namespaced and not target.namespace:
        raise BadRequest(f"{kind.full_name} live in namespaces: send the namespace")
    return Place(kind, target.namespace, target.name, target.subresource)


def row_of(request: ListRequest) -> Place:
    """The one object that a list with a name is about. Raises NotFound, BadRequest."""
    if not request.asTable:
        raise BadRequest(
            "a collection has no name: select by metadata.name instead, or get the object"
        )
    if request.labelSelector or request.fieldSelector or request.continueToken:
        raise BadRequest("a table of one object has neither selectors nor pages")
    if request.target.subresource not in ("", "status"):
        raise BadRequest("a table shows objects, and not what is behind them: get it instead")
    tables.check_include(request.includeObject)
    return place_of(request.target)


def chosen_by(strategy: Strategy, request: Any) -> Chosen:
    """Of a request with a target and two selectors."""
    target = request.target
    if target.name or target.subresource:
        raise BadRequest("a collection has no name: select by metadata.name instead")
    return choose(strategy, target.namespace, request.labelSelector, request.fieldSelector)


def object_of(target: Target, kind: Kind, envelope: Envelope, options: WriteOptions) -> Any:
    """The object that is to be written, as the target says where."""
    obj = _read(kind.message, envelope, kind.name)
    if (obj.apiVersion and obj.apiVersion != kind.api_version) or obj.kind not in ("", kind.name):
        raise BadRequest(
            f"the object is a {obj.apiVersion} {obj.kind}, and the request is about {kind.full_name} "
            f"({kind.api_version} {kind.name})"
        )
    obj.apiVersion, obj.kind = kind.api_version, kind.name
    _check_unknown(obj, options)
    _place(target, kind, obj)
    return obj


def binding_of(target: Target, envelope: Envelope) -> Binding:
    binding: Binding = _read(Binding, envelope, "Binding")
    _same_pod(target, binding, "binding")
    return binding


def eviction_of(target: Target, envelope: Envelope, options: WriteOptions) -> Delete:
    """How to delete the pod, if that is granted."""
    eviction: Eviction = _read(Eviction, envelope, "Eviction")
    _same_pod(target, eviction, "eviction")
    return delete_of(eviction.deleteOptions, options)


def _same_pod(target: Target, obj: Any, what: str) -> None:
    meta = obj.metadata
    meta.name, meta.namespace = meta.name or target.name, meta.namespace or target.namespace
    if (meta.namespace, meta.name) != (target.namespace, target.name):
        raise BadRequest(
            f"the {what} is about pod {meta.namespace}/{meta.name}, "
            f"and the request about {target.namespace}/{target.name}"
        )


def _read(message: type[Any], envelope: Envelope, name: str) -> Any:
    wanted = message.DESCRIPTOR.full_name
    if envelope.type_url.rpartition("/")[2] != wanted:
        raise BadRequest(f"the object must be a {wanted}, not {envelope.type_url or 'nothing'!r}")
    try:
        return message.FromString(envelope.value)
    except DecodeError as error:
        raise BadRequest(f"the object cannot be read as a {name}: {error}") from None


def _check_unknown(obj: Any, options: WriteOptions) -> None:
    """Fields that this server does not know are dropped, and in strict mode refused (S#16)."""
    if options.fieldValidation not in VALIDATION:
        raise BadRequest(
            f"fieldValidation must be Strict, Warn or Ignore, not {options.fieldValidation!r}"
        )
    size = obj.ByteSize()
    obj.DiscardUnknownFields()
    if obj.ByteSize() != size and options.fieldValidation in ("", "Strict"):
        raise BadRequest(
            f"the {obj.kind} carries fields that this server does not know: is the client newer than the server? "
            "(fieldValidation Ignore drops them)"
        )


def _place(target: Target, kind: Kind, obj: Any) -> None:
    meta = obj.metadata
    if kind.namespaced:
        meta.namespace = meta.namespace or target.namespace
        if not meta.namespace:
            raise BadRequest("an empty namespace may not be set during creation")
        if target.namespace and meta.namespace != target.namespace:
            raise BadRequest(
                f"the namespace of the provided object does not match the namespace sent on the request: "
                f"{meta.namespace} is not {target.namespace}"
            )
    elif meta.namespace:
        raise BadRequest(
            f"{kind.full_name} do not live in namespaces: leave metadata.namespace out"
        )
    if target.name and not (meta.name or meta.generateName):
        meta.name = target.name
    if target.name and meta.name != target.name:
        raise BadRequest(
            f"the name of the object ({meta.name}) does not match the name on the request ({target.name})"
        )


def delete_of(options: DeleteOptions, write: WriteOptions) -> Delete:
    has_grace = options.HasField("gracePeriodSeconds")
    return Delete(
        grace=options.gracePeriodSeconds if has_grace else None,
        uid=options.preconditions.uid,
        version=options.preconditions.resourceVersion,
        propagation=options.propagationPolicy,
        dry_run=write.dryRun,
    )
