"""Real etcd servers for tests: on free ports, in a temporary directory, gone afterwards.

with EtcdServers.started(directory) as servers: servers.endpoints, servers.kill(0), servers.start(0)
"""

import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

WITHOUT = "HELMLING_TEST_WITHOUT_ETCD"
WAIT = 60  # seconds for a server to be ready: generous, it is only for machines under load


def require_etcd() -> str:
    """The program; without it the tests fail, unless somebody said that it is meant to be missing."""
    if program := shutil.which("etcd"):
        return program
    if os.environ.get(WITHOUT):
        pytest.skip(f"NOT TESTED AGAINST ETCD: the program is missing and {WITHOUT} is set")
    pytest.fail(
        "the etcd program is not installed: apt-get install etcd-server (Debian, Ubuntu), "
        f"or set {WITHOUT}=1 to test without it",
        pytrace=False,
    )


def free_ports(count: int) -> list[int]:
    """None that the kernel gives out by itself: a server that is away for a moment finds its port free again."""
    found: list[int] = []
    for port in random.sample(range(20_000, 30_000), 1_000):
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError(f"no {count} free ports between 20000 and 30000")


class EtcdServers:
    """One cluster of `size` members. Members are named by their number."""

    def __init__(
        self, directory: Path, size: int = 1, *options: str, tls: Path | None = None
    ) -> None:
        """`tls`: where ca.crt, server.crt, server.key, client.crt and client.key are."""
        self._tls = tls
        self._program = require_etcd()
        self._directory = directory
        self._options = options
        ports = free_ports(2 * size)
        self.client_ports, self._peer_ports = ports[:size], ports[size:]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    @classmethod
    @contextmanager
    def started(
        cls,
        directory: Path,
        size: int = 1,
        *options: str,
        tls: Path | None = None,
        attempts: int = 3,
    ) -> Iterator["EtcdServers"]:
        """A cluster that answers. Somebody else may take a port first: then other ports are tried."""
        servers = cls(directory, size, *options, tls=tls)
        try:
            try:
                for member in range(size):
                    servers.start(member)
                servers.wait_ready()
            except RuntimeError:
                servers.stop()
                if attempts == 1:
                    raise
                rest = attempts - 1
                again = directory / "again"
                with cls.started(again, size, *options, tls=tls, attempts=rest) as others:
                    yield others
                return
            yield servers
        finally:
            servers.stop()

    @property
    def endpoints(self) -> tuple[str, ...]:
        return tuple(f"127.0.0.1:{port}" for port in self.client_ports)

    @property
    def url(self) -> str:
        return "etcd://" + ",".join(self.endpoints)

    def start(self, member: int) -> None:
        """Starts a member, or starts it again with the data it had."""
        self._directory.mkdir(parents=True, exist_ok=True)
        peers = [f"http://127.0.0.1:{port}" for port in self._peer_ports]
        client = self._url(member)
        with open(self._directory / f"m{member}.log", "ab") as log:
            self._processes[member] = subprocess.Popen(
                [
                    *(self._program, "--name", f"m{member}", "--log-level", "error"),
                    *("--data-dir", str(self._directory / f"m{member}")),
                    *("--listen-client-urls", client, "--advertise-client-urls", client),
                    *("--listen-peer-urls", peers[member]),
                    *("--initial-advertise-peer-urls", peers[member]),
                    "--initial-cluster",
                    ",".join(f"m{i}={peer}" for i, peer in enumerate(peers)),
                    *self._options,
                    *self._tls_options(),
                ],
                stdout=log,
                stderr=log,
                env={**os.environ, "ETCD_UNSUPPORTED_ARCH": "arm64"},
            )

    def _url(self, member: int) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.client_ports[member]}"

    def _tls_options(self) -> list[str]:
        if not self._tls:
            return []
        names = {"--cert-file": "server.crt", "--key-file": "server.key"}
        names["--trusted-ca-file"] = "ca.crt"
        files = [f"{option}={self._tls / name}" for option, name in names.items()]
        return [*files, "--client-cert-auth"]

    def signal(self, member: int, number: signal.Signals) -> None:
        self._processes[member].send_signal(number)

    def kill(self, member: int) -> None:
        self._processes[member].kill()
        self._processes[member].wait()

    def stop(self) -> None:
        for member in self._processes:
            self.kill(member)

    def wait_ready(self) -> None:
        """Until every running member answers and knows a leader."""
        deadline = time.monotonic() + WAIT
        for member, process in self._processes.items():
            while process.poll() is None and not self._healthy(member):
                if time.monotonic() > deadline:
                    raise RuntimeError(f"etcd member {member} is not ready after {WAIT} s")
                time.sleep(0.05)
            if process.returncode is not None:
                log = (self._directory / f"m{member}.log").read_text()
                raise RuntimeError(f"etcd member {member} ended by itself:\n{log}")

    def leader(self) -> int:
        """The member that leads."""
        for member in self._processes:
            answer = self._ask(member, "/v3/maintenance/status", b"{}")
            if answer["leader"] == answer["header"]["member_id"]:
                return member
        raise RuntimeError("no member leads")

    def delete_everything(self) -> None:
        """Every key; the revisions go on."""
        self._ask(0, "/v3/kv/deleterange", b'{"key": "AA==", "range_end": "AA=="}')

    def _healthy(self, member: int) -> bool:
        try:
            return bool(self._ask(member, "/health").get("health") == "true")
        except OSError:
            return False

    def _ask(self, member: int, path: str, body: bytes | None = None) -> dict[str, Any]:
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if self._tls:
            context = ssl.create_default_context(cafile=self._tls / "ca.crt")
            context.load_cert_chain(self._tls / "client.crt", self._tls / "client.key")
            handlers.append(urllib.request.HTTPSHandler(context=context))
        direct = urllib.request.build_opener(*handlers)
        with direct.open(self._url(member) + path, body, timeout=WAIT) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
