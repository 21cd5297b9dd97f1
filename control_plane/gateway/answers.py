"""Values as HTTP responses."""

from collections.abc import Iterable
from typing import Any

import orjson
from aiohttp import web

from api.errors import ApiError
from control_plane.gateway import failures
from control_plane.gateway.negotiation import JSON, YAML

WARNING_CODE = 299
DEFAULT_RETRY = 1  # seconds, where a client ought to try again and nobody has said when


def answer(
    value: Any,
    *,
    code: int = 200,
    media: str = JSON,
    warnings: Iterable[str] = (),
    pretty: bool = False,
) -> web.Response:
    """`value`: JSON already, or what can be written as JSON."""
    body = value if isinstance(value, bytes) and not pretty else _dumps(value, pretty=pretty)
    if media == YAML:
        body = _yaml(body)
    response = web.Response(body=body, status=code, content_type=media.partition(";")[0])
    response.headers["Content-Type"] = media
    warn(response, warnings)
    return response


def failure(error: ApiError, warnings: Iterable[str] = ()) -> web.Response:
    response = answer(failures.status(error), code=error.http, warnings=warnings)
    if error.retry_after or error.http in (429, 503):
        response.headers["Retry-After"] = str(error.retry_after or DEFAULT_RETRY)
    if error.http == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="helmling"'
    return response


def warn(response: web.StreamResponse, warnings: Iterable[str]) -> None:
    """Each as a header that kubectl prints (RFC 7234: the text is quoted, and one line)."""
    for text in warnings:
        line = " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'{WARNING_CODE} - "{line}"')


def _dumps(value: Any, *, pretty: bool) -> bytes:
    if not pretty:
        return orjson.dumps(value)
    plain = orjson.loads(value if isinstance(value, bytes) else orjson.dumps(value))
    return orjson.dumps(plain, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _yaml(body: bytes) -> bytes:
    import yaml  # few ask for it

    return yaml.safe_dump(orjson.loads(body), sort_keys=False, allow_unicode=True).encode()
