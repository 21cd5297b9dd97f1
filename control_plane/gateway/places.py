"""Paths that are about the server itself: what there is, which version it is, how it is, what it counts."""

import platform
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from api.errors import MethodNotAllowed, NotFound
from control_plane.apiserver.authorization.gate import of_path
from control_plane.apiserver.server import Offer
from control_plane.apiserver.service import KUBERNETES, VERSION
from control_plane.gateway import discovery, measures, negotiation, openapi
from control_plane.gateway.answers import answer
from control_plane.gateway.context import HttpContext
from control_plane.gateway.negotiation import DISCOVERY
from control_plane.gateway.objects import Objects
from control_plane.gateway.paths import NO_RESOURCE

HEALTH = ("/healthz", "/livez", "/readyz")
Place = Callable[[web.BaseRequest], web.Response]


def version() -> dict[str, str]:
    """The Kubernetes version whose behaviour is followed, and whose server it is that follows it."""
    major, minor = KUBERNETES.removeprefix("v").split(".")[:2]
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"{KUBERNETES}.0+helmling.{VERSION}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": f"CPython {platform.python_version()}",
        "platform": f"{platform.system().lower()}/{machine}",
    }


class Places:
    def __init__(self, offer: Offer, kept: Objects) -> None:
        self._reads, self._kept = offer.reads, kept
        self._gate = offer.gate
        self._checked = offer.trail.followed({"Path": self._check})["Path"]
        self._exact: Mapping[str, Place] = {
            "/api": self._core,
            "/apis": self._groups,
            "/version": lambda _: answer(version()),
            "/metrics": self._metrics,
            openapi.ROOT: lambda _: answer(openapi.index()),
        }

    def is_open(self, path: str) -> bool:
        """How the server is may be asked by everybody: whoever restarts it has no certificate."""
        return path.rstrip("/") in HEALTH or path.startswith(tuple(f"{each}/" for each in HEALTH))

    def health(self, request: web.BaseRequest) -> web.Response:
        checks = measures.checks(self._reads)
        word, _, one = request.path.strip("/").partition("/")
        if one:
            checks = {name: good for name, good in checks.items() if name == one}
            if not checks:
                raise NotFound(NO_RESOURCE)
        good = all(checks.values())
        if "verbose" in request.query or not good:
            lines = [
                f"[{'+' if ok else '-'}]{name} {'ok' if ok else 'failed'}"
                for name, ok in checks.items()
            ]
            text = "\n".join([*lines, f"{word} check {'passed' if good else 'failed'}", ""])
        else:
            text = "ok"
        return web.Response(text=text, status=200 if good else 500, content_type="text/plain")

    async def answer(
        self, request: web.BaseRequest, context: HttpContext
    ) -> web.StreamResponse | None:
        """None: this path is about objects. Raises Forbidden, MethodNotAllowed, NotFound."""
        path = request.path.rstrip("/")
        place = self._exact.get(path) or self._list_of(path)
        if place is None:
            if path.startswith(("/api/", "/apis/")):
                return None
            place = self._nowhere
        await self._checked((request.method, request.path), context)
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(
                "the server does not allow this method on the requested resource"
            )
        return place(request)

    async def _check(self, asked: tuple[str, str], _: HttpContext) -> None:
        method, path = asked
        verb = {"GET": "get", "HEAD": "head"}.get(method, method.lower())
        self._gate.check(of_path(path, verb))

    def _list_of(self, path: str) -> Place | None:
        """/api/v1, /apis/GROUP, /apis/GROUP/VERSION, and the same below /openapi/v3"""
        parts = path.strip("/").split("/")
        found: dict[str, Any] | bytes | None
        if path.startswith(f"{openapi.ROOT}/"):
            group, version = (parts[3] if len(parts) == 5 else ""), parts[-1]
            found = openapi.document(group, version)
        elif len(parts) == 2 and parts[0] == "api":
            found = discovery.resource_list("", parts[1])
        elif len(parts) == 2 and parts[0] == "apis":
            found = discovery.group(parts[1])
        elif len(parts) == 3 and parts[0] == "apis":
            found = discovery.resource_list(parts[1], parts[2])
        else:
            return None
        return (lambda _: answer(found)) if found else self._nowhere

    def _nowhere(self, _: web.BaseRequest) -> web.Response:
        raise NotFound(NO_RESOURCE)

    def _core(self, request: web.BaseRequest) -> web.Response:
        return _aggregated(request, True) or answer(discovery.core_versions(request.host))

    def _groups(self, request: web.BaseRequest) -> web.Response:
        return _aggregated(request, False) or answer(discovery.group_list())

    def _metrics(self, _: web.BaseRequest) -> web.Response:
        text = measures.exposition(self._reads, self._kept)
        return web.Response(text=text, content_type="text/plain", charset="utf-8")


def _aggregated(request: web.BaseRequest, core: bool) -> web.Response | None:
    """None: the client does not ask for it."""
    accept = ",".join(request.headers.getall("Accept", ()))
    form = negotiation.form(accept, DISCOVERY)
    if form.shape != DISCOVERY:
        return None
    media = f"{negotiation.JSON};g=apidiscovery.k8s.io;v={form.version};as={DISCOVERY}"
    return answer(discovery.aggregated(core=core, version=form.version), media=media)
