"""Just enough of an HTTP client to ask whether somebody is well.

Certificates are not checked and redirects are followed only to the same host: a probe asks this pod, nobody else; a
redirect elsewhere is an answer, so the pod is well. Nothing blocks, and at most 10 KiB of an answer are read.
"""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from node_agent.probes.result import Result

USER_AGENT = "kube-probe/1.36"
MOST_BYTES, MOST_REDIRECTS = 10 * 1024, 10
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Answer:
    status: int
    location: str
    body: str


async def get(url: str, headers: Mapping[str, str], *, timeout: float) -> Result:
    """Success is a status from 200 to 399."""
    try:
        async with asyncio.timeout(timeout):
            return await _follow(url, headers)
    except TimeoutError:
        return Result(False, f'Get "{url}": no complete answer within {timeout:g} s')
    except (OSError, ValueError, asyncio.IncompleteReadError) as error:
        return Result(False, f'Get "{url}": {spoken(error)}')


async def _follow(url: str, headers: Mapping[str, str]) -> Result:
    first, at = urlsplit(url), url
    for _ in range(MOST_REDIRECTS):
        answer = await _ask(urlsplit(at), headers)
        if answer.status not in _REDIRECTS or not answer.location:
            return _judged(answer)
        at = urljoin(at, answer.location)
        if urlsplit(at).hostname != first.hostname:
            return Result(True, f"probe was redirected to another host, {at}; not followed")
    return Result(False, f'Get "{url}": stopped after {MOST_REDIRECTS} redirects')


def _judged(answer: Answer) -> Result:
    if 200 <= answer.status < 400:
        return Result(True, answer.body)
    return Result(False, f"HTTP probe failed with statuscode: {answer.status}")


async def _ask(url: SplitResult, headers: Mapping[str, str]) -> Answer:
    secure = url.scheme == "https"
    port = url.port or (443 if secure else 80)
    reader, writer = await asyncio.open_connection(
        url.hostname, port, ssl=_trusting() if secure else None, limit=MOST_BYTES
    )
    try:
        writer.write(_request(url, headers))
        return await _read(reader)
    finally:
        writer.close()
        with suppress(OSError, ssl.SSLError):
            await writer.wait_closed()


def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _request(url: SplitResult, headers: Mapping[str, str]) -> bytes:
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    own = {"Host": url.netloc, "User-Agent": USER_AGENT, "Accept": "*/*", "Connection": "close"}
    given = {name.title(): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in (own | given).items() if value]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode("latin-1", "replace")


async def _read(reader: asyncio.StreamReader) -> Answer:
    status = (await reader.readline()).decode("latin-1").split(" ", 2)
    if len(status) < 2 or not status[0].startswith("HTTP/") or not status[1].isdigit():
        raise ValueError("what answers does not speak HTTP")
    location = ""
    while line := (await reader.readline()).strip():
        name, _, value = line.decode("latin-1").partition(":")
        if name.lower() == "location":
            location = value.strip()
    body = await reader.read(MOST_BYTES)
    return Answer(int(status[1]), location, body.decode(errors="replace"))


def spoken(error: BaseException) -> str:
    """An error of the network in words."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused: nobody listens on that port"
    return str(error) or type(error).__name__
