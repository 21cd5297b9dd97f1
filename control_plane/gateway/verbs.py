"""The verbs over HTTP: a request becomes the message that gRPC would have brought, and the answer becomes JSON."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from api import clock, kinds, rpc
from api.errors import MethodNotAllowed
from api.kinds import Kind
from control_plane.apiserver.reads import Page
from control_plane.apiserver.server import Offer
from control_plane.apiserver.stored import Stored
from control_plane.gateway import bodies, deleting, failures, negotiation, objects, parameters
from control_plane.gateway.answers import answer
from control_plane.gateway.context import HttpContext
from control_plane.gateway.negotiation import PARTIAL, PARTIAL_LIST, TABLE, Form
from control_plane.gateway.objects import Objects
from control_plane.gateway.paths import Asked
from control_plane.gateway.rows import Rows
from control_plane.gateway.watching import watch
from proto.v1 import service_pb2 as pb
from proto.v1.pod_pb2 import Binding
from proto.v1.policy_pb2 import Eviction

# What is written to subresources and is no kind of its own.
PARTS: dict[tuple[str, str], Kind] = {
    ("pods", "binding"): Kind(Binding, "", "v1", "bindings", status=False),
    ("pods", "eviction"): Kind(Eviction, "policy", "v1", "evictions", status=False),
    ("serviceaccounts", "token"): kinds.TOKEN_REQUEST,
}
Answer = Callable[[Asked, web.BaseRequest, HttpContext], Awaitable[web.StreamResponse]]


def content(asked: Asked) -> Kind:
    """What is read and written there."""
    where = (asked.kind.plural, asked.target.subresource)
    return kinds.SCALE if where[1] == "scale" else PARTS.get(where, asked.kind)


class Verbs:
    """Answers whatever is about objects."""

    def __init__(self, offer: Offer, kept: Objects) -> None:
        self._verbs, self._reads, self._objects = offer.resources, offer.reads, kept
        self._answers: dict[str, Answer] = {
            "get": self._get,
            "list": self._list,
            "watch": self._watch,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_collection,
        }

    async def answer(
        self, asked: Asked, request: web.BaseRequest, context: HttpContext
    ) -> web.StreamResponse:
        return await self._answers[asked.verb](asked, request, context)

    # Reading

    async def _get(
        self, asked: Asked, request: web.BaseRequest, context: HttpContext
    ) -> web.Response:
        form = negotiation.form(_accept(request), TABLE, PARTIAL)
        stored = await self._verbs["Get"](pb.GetRequest(target=asked.target), context)
        return self._shown(stored, form, request, context)

    async def _list(
        self, asked: Asked, request: web.BaseRequest, context: HttpContext
    ) -> web.Response:
        form, query = negotiation.form(_accept(request), TABLE, PARTIAL_LIST), request.query
        message = pb.ListRequest(
            target=asked.target,
            labelSelector=query.get("labelSelector", ""),
            fieldSelector=query.get("fieldSelector", ""),
            limit=parameters.number(query, "limit") or 0,
            continueToken=query.get("continue", ""),
            resourceVersion=query.get("resourceVersion", ""),
            resourceVersionMatch=query.get("resourceVersionMatch", ""),
        )
        page: Page = await self._verbs["List"](message, context)
        if form.shape == TABLE:
            rows = self._rows(asked.kind, request)
            value = rows.table(page.items, objects.list_meta(page), clock.now())
        elif form.shape:
            value = objects.partial_listing(page)
        else:
            value = objects.listing(asked.kind, page, self._objects.fragment)
        return _answer(value, request, context, form=form)

    def _rows(self, kind: Kind, request: web.BaseRequest) -> Rows:
        strategy = self._reads.cache_of(kind).strategy
        return Rows(strategy, self._objects, request.query.get("includeObject", ""))

    async def _watch(
        self, asked: Asked, request: web.BaseRequest, context: HttpContext
    ) -> web.StreamResponse:
        form = negotiation.form(_accept(request), TABLE, PARTIAL, PARTIAL_LIST)
        rows = self._rows(asked.kind, request) if form.shape == TABLE else None
        show = objects.partial if form.shape else self._objects.fragment
        return await watch(self._verbs["Watch"], asked, request, context, rows or show)

    # Writing

    async def _create(
        self, asked: Asked, request: web.BaseRequest, context: HttpContext
    ) -> web.Response:
        form, options = _writing(request)
        obj = await self._body(asked, request, context, options)
        message = pb.CreateRequest(target=asked.target, object=obj, options=options)
        stored = await self._verbs["Create"](message, context)
        if content(asked).message in (Binding, Eviction):
            return _answer(failures.success(), request, context, code=201, form=form)
        return self._shown(stored, form, request, context, code=201)

    async def _update(
        self, asked: Asked, request: web.BaseRequest, context: HttpContext
    ) -> web.Response:
        _named(asked, request)
        form, options = _writing(request)
        obj = await self._body(asked, request, context, options)
        message = pb.UpdateRequest(target=asked.target, object=obj, options=options)
        return self._shown(await self._verbs["Update"](message, context), form, request, context)

    async def _patch(
        self, asked: Asked, request: web.BaseRequest, context: HttpContext
    ) -> web.Response:
        _named(asked, request)
        form, options = _writing(request)
        options.fieldValidation = parameters.validation(request.query)
        message = pb.PatchRequest(
            target=asked.target,
            patchType=request.headers.get("Content-Type", ""),
            patch=await request.read(),
            options=options,
        )
        return self._shown(await self._verbs["Patch"](message, context), form, request, context)

    async def _delete(
        self, asked: Asked, request: web.BaseRequest, context: HttpContext
    ) -> web.Response:
        form, _ = _writing(request)
        how, options = await _how(request)
        message = pb.DeleteRequest(target=asked.target, deleteOptions=how, options=options)
        stored: Stored = await self._verbs["Delete"](message, context)
        meta = stored.decode().metadata
        if meta.HasField("deletionTimestamp") or asked.kind.plural == "pods":
            return self._shown(stored, form, request, context)
        group = {"group": asked.kind.group} if asked.kind.group else {}
        told = failures.success(name=meta.name, **group, kind=asked.kind.plural, uid=meta.uid)
        return _answer(told, request, context, form=form)

    async def _delete_collection(
        self, asked: Asked, request: web.BaseRequest, context: HttpContext
    ) -> web.Response:
        form, _ = _writing(request)
        how, options = await _how(request)
        message = pb.DeleteCollectionRequest(
            target=asked.target,
            labelSelector=request.query.get("labelSelector", ""),
            fieldSelector=request.query.get("fieldSelector", ""),
            deleteOptions=how,
            options=options,
        )
        page = await self._verbs["DeleteCollection"](message, context)
        value = objects.listing(asked.kind, page, self._objects.fragment)
        return _answer(value, request, context, form=form)

    async def _body(
        self, asked: Asked, request: web.BaseRequest, context: HttpContext, options: pb.WriteOptions
    ) -> Any:
        """The object that was sent, as it travels."""
        kind = content(asked)
        media = negotiation.sent(request.headers.get("Content-Type", ""))
        found, twice = bodies.document(await request.read(), media, kind)
        if kind.message is Eviction:
            _prepare_eviction(found, options)
        obj, warnings = bodies.read(kind, found, twice, parameters.validation(request.query))
        context.warnings += warnings
        return rpc.pack(obj)

    def _shown(
        self,
        stored: Stored,
        form: Form,
        request: web.BaseRequest,
        context: HttpContext,
        *,
        code: int = 200,
    ) -> web.Response:
        """One object, in the form that was asked for."""
        if form.shape == TABLE:
            rows = Rows(stored.strategy, self._objects, request.query.get("includeObject", ""))
            meta = {"resourceVersion": str(stored.revision)}
            value: Any = rows.table([stored], meta, clock.now())
        elif form.shape:
            value = objects.partial(stored)
        else:
            value = self._objects.json(stored)
        return _answer(value, request, context, code=code, form=form)


def _answer(
    value: Any, request: web.BaseRequest, context: HttpContext, *, form: Form, code: int = 200
) -> web.Response:
    pretty = parameters.flag(request.query, "pretty")
    return answer(value, code=code, media=form.media, warnings=context.warnings, pretty=pretty)


def _accept(request: web.BaseRequest) -> str:
    return ",".join(request.headers.getall("Accept", ()))


def _writing(request: web.BaseRequest) -> tuple[Form, pb.WriteOptions]:
    """Everything that can be refused before the body is read."""
    form = negotiation.form(_accept(request), TABLE, PARTIAL)
    return form, parameters.write_options(request.query)


def _named(asked: Asked, request: web.BaseRequest) -> None:
    if not asked.target.name:
        raise MethodNotAllowed("the server does not allow this method on the requested resource")


async def _how(request: web.BaseRequest) -> Any:
    body = await request.read()
    media = negotiation.sent(request.headers.get("Content-Type", "")) if body else ""
    found, _ = bodies.document(body, media, None)
    return deleting.options(found, request.query)


def _prepare_eviction(found: dict[str, Any], options: pb.WriteOptions) -> None:
    """Its options for deleting are Kubernetes', which say more than ours."""
    inner = found.get("deleteOptions")
    if isinstance(inner, dict):
        options.dryRun = options.dryRun or deleting.dry_run(inner.get("dryRun"))
        found["deleteOptions"] = {
            key: value for key, value in inner.items() if key not in deleting.ELSEWHERE
        }
