"""Requests without a pause, and an account of every single one: for rollouts that must not drop any.

    python -m bench.load http://10.96.0.7/version [--clients 8] [--keep-alive] [--host shop.test]
                         [--requests 20000] [--seconds 10 | --until FILE]

Each client asks again as soon as it is answered. Without keep-alive every request has a connection of its own. With
it, a connection is used for as long as the server lets it be; if it turns out that the server has closed it before it
said anything, the request goes out again on a new one, as every HTTP client does it (RFC 9112, 9.3.1). That is counted
as `again` and is no failure: no answer was begun.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

PATIENCE = 10.0  # seconds for one answer


class NotAnswered(Exception):
    """The connection was closed before anything came."""


@dataclass
class Account:
    """What became of the requests."""

    answers: Counter[str] = field(default_factory=Counter)  # by what was answered
    failures: list[str] = field(default_factory=list)
    again: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def requests(self) -> int:
        return self.answers.total() + len(self.failures)

    def __str__(self) -> str:
        seconds = time.monotonic() - self.began
        answers = ", ".join(f"{count} {text!r}" for text, count in sorted(self.answers.items()))
        return (
            f"{self.requests} requests in {seconds:.1f} s ({self.requests / seconds:.0f}/s), "
            f"{len(self.failures)} failed, {self.again} sent again; answers: {answers}"
        )


class Connection:
    def __init__(self, host: str, port: int, name: str = "") -> None:
        """`name`: what is asked for, if that is not the host."""
        self._host, self._port, self._name = host, port, name or host
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    @property
    def is_open(self) -> bool:
        return self._writer is not None

    async def ask(self, path: str, *, keep: bool) -> str:
        """The body. Raises OSError, EOFError, ValueError; NotAnswered if nothing came on a connection used before."""
        used = self.is_open
        try:
            if self._writer is None or self._reader is None:
                self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
            way = "keep-alive" if keep else "close"
            request = f"GET {path} HTTP/1.1\r\nHost: {self._name}\r\nConnection: {way}\r\n\r\n"
            self._writer.write(request.encode())
            await self._writer.drain()
            head = await self._reader.readuntil(b"\r\n\r\n")
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            await self.close()
            nothing = not (isinstance(error, asyncio.IncompleteReadError) and error.partial)
            if used and nothing:
                raise NotAnswered from error
            raise
        body = await self._rest(head)
        if not keep or b"connection: close" in head.lower():
            await self.close()
        return body

    async def _rest(self, head: bytes) -> str:
        assert self._reader is not None
        status = head.split(b"\r\n", 1)[0].decode()
        if " 200 " not in f"{status} ":
            raise ValueError(status)
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
                return (await self._reader.readexactly(length)).decode().strip()
        return (await self._reader.read()).decode().strip()

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            with suppress(OSError):
                await self._writer.wait_closed()
        self._reader = self._writer = None


async def client(
    url: str, account: Account, *, keep: bool, enough: Callable[[], bool], name: str = ""
) -> None:
    """One client, until there were enough."""
    parts = urlsplit(url)
    connection = Connection(parts.hostname or "", parts.port or 80, name)
    try:
        while not enough():
            try:
                async with asyncio.timeout(PATIENCE):
                    account.answers[await connection.ask(parts.path or "/", keep=keep)] += 1
            except NotAnswered:
                account.again += 1
            except (OSError, EOFError, ValueError) as error:
                account.failures.append(f"{error!r}")
                await connection.close()
                await asyncio.sleep(0.01)
    finally:
        await connection.close()


async def load(
    url: str,
    account: Account,
    *,
    clients: int,
    keep: bool,
    enough: Callable[[], bool],
    name: str = "",
) -> None:
    """So many clients at the same time, until there were enough."""
    async with asyncio.TaskGroup() as tasks:
        for _ in range(clients):
            tasks.create_task(client(url, account, keep=keep, enough=enough, name=name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("url")
    parser.add_argument(
        "--host", default="", help="the name in the requests; default: that of the URL"
    )
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--keep-alive", action="store_true")
    parser.add_argument("--requests", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument(
        "--until", type=Path, help="go on until this file is there, and so many were asked"
    )
    given = parser.parse_args()
    account = Account()
    most, seconds = given.requests or sys.maxsize, given.seconds or float("inf")

    def enough() -> bool:
        if given.until:
            return account.requests >= given.requests and given.until.exists()
        return account.requests >= most or time.monotonic() - account.began >= seconds

    with suppress(KeyboardInterrupt):
        how = {"clients": given.clients, "keep": given.keep_alive, "name": given.host}
        work = load(given.url, account, enough=enough, **how)
        asyncio.run(work)
    print(account)
    for failure, count in Counter(account.failures).most_common(10):
        print(f"  {count} × {failure}")
    sys.exit(1 if account.failures else 0)


if __name__ == "__main__":
    main()
