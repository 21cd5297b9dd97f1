"""Every request passes here: who asks, what about, who answers, and how a failure is told."""

from aiohttp import web

from api.errors import ApiError
from api.grpc_server import internal
from control_plane.apiserver.server import Offer
from control_plane.gateway import paths
from control_plane.gateway.answers import failure
from control_plane.gateway.context import HttpContext
from control_plane.gateway.objects import Objects
from control_plane.gateway.parameters import flag
from control_plane.gateway.places import Places
from control_plane.gateway.streaming import Streaming
from control_plane.gateway.verbs import Verbs


class TooLarge(ApiError):
    code, http, reason = "INVALID_ARGUMENT", 413, "RequestEntityTooLarge"


class Gateway:
    def __init__(self, offer: Offer) -> None:
        self._admit = offer.admit
        kept = Objects()
        self._verbs = Verbs(offer, kept)
        self._places = Places(offer, kept)
        self._streaming = Streaming(offer)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Never raises, but for what ends the connection."""
        context = HttpContext(request)
        try:
            return await self._answer(request, context)
        except ApiError as error:
            return failure(error, context.warnings)
        except web.HTTPRequestEntityTooLarge as error:
            return failure(TooLarge(f"Request entity too large: {error.text}"))
        except ConnectionError:
            raise
        except Exception as error:
            return failure(internal(error))

    async def _answer(self, request: web.BaseRequest, context: HttpContext) -> web.StreamResponse:
        if self._places.is_open(request.path):
            return self._places.health(request)
        await self._admit(context)
        found = await self._places.answer(request, context)
        if found is not None:
            return found
        asked = paths.read(request.method, request.path, watch=flag(request.query, "watch"))
        if self._streaming.takes(asked):
            return await self._streaming.answer(asked, request, context)
        return await self._verbs.answer(asked, request, context)
