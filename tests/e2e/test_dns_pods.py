"""Pods that look up names, with their own C library, in real containers (S#83, S#88)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import pytest
from dnslib import RR, DNSRecord

from proto.v1.pod_pb2 import Pod
from tests.agent_node import AgentProcess, RealNode, is_ready, on_node, pod
from tests.dns_objects import external, headless, service, slice_of

pytestmark = [pytest.mark.docker, pytest.mark.root]
WEB = "10.96.7.80"
UPSTREAM = "127.53.0.1"  # on the loopback device; the node asks it, so it must be at port 53


@asynccontextmanager
async def upstream() -> AsyncIterator[list[str]]:
    """The node's own resolver: knows addresses of *.example.com only. What it is asked, is told."""
    heard: list[str] = []

    class Fake(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            question = DNSRecord.parse(data)
            name = str(question.q.qname).rstrip(".")
            heard.append(name)
            made = question.reply(aa=0)
            if not name.endswith("example.com"):
                made.header.rcode = 3
            elif question.q.qtype == 1:
                made.add_answer(*RR.fromZone(f"{name}. 20 A 192.0.2.1"))
            self.transport.sendto(made.pack(), addr)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Fake, (UPSTREAM, 53))
    try:
        yield heard
    finally:
        transport.close()


def options(folder: Path) -> dict[str, Any]:
    path = folder / "resolv.conf"
    path.write_text(f"nameserver {UPSTREAM}\nsearch example.com\noptions timeout:1\n")
    return {"resolv_conf": path, "cluster_domain": "lab.test"}


class Lookups:
    """What a pod finds."""

    def __init__(self, node: RealNode, name: str) -> None:
        self._node, self._name = node, name

    async def addresses(self, name: str) -> list[str]:
        """By getaddrinfo."""
        _, output = await self._node.run("getent", "ahostsv4", name, pod=self._name)
        return list(dict.fromkeys(line.split()[0] for line in output.splitlines()))

    async def records(self, name: str, type: str) -> str:
        """By a program that sends just this question."""
        _, output = await self._node.run("nslookup", f"-type={type}", f"{name}.", pod=self._name)
        return output

    async def until(self, name: str, holds: Callable[[list[str]], bool]) -> list[str]:
        while True:
            found = await self.addresses(name)
            if holds(found):
                return found
            await asyncio.sleep(0.1)

    async def file(self, path: str) -> str:
        return (await self._node.run("cat", path, pod=self._name))[1]


async def running(node: RealNode, *pods: Pod) -> list[str]:
    """Their addresses."""
    for each in pods:
        await node.create(each)
    return [(await node.until(is_ready, each.metadata.name)).status.podIP for each in pods]


def test_names_in_a_pod(tmp_path: Path) -> None:
    """A service by its short name, a headless one's pods, a pod of its own, a port, an address; and others' names."""

    async def scenario(node: RealNode) -> None:
        async with upstream() as heard:
            await node.create(service("shop", WEB))
            await node.create(headless("db"))
            await node.create(external("far", "far.example.com"))
            members = [pod(name=name, hostname=name, subdomain="db") for name in ("db-0", "db-1")]
            first, second, _ = await running(node, *members, pod())
            await node.create(slice_of("db", [(first, "db-0", True), (second, "db-1", True)]))
            look = Lookups(node, "web")
            await look.until("db", lambda found: len(found) == 2)
            assert await look.addresses("shop") == [WEB]
            assert await look.addresses("shop.default.svc") == [WEB]
            assert sorted(await look.addresses("db")) == sorted([first, second])
            assert await look.addresses("db-1.db") == [second]
            assert await look.addresses("far") == ["192.0.2.1"]
            assert await look.addresses("www") == ["192.0.2.1"]  # the node's own search path
            assert await look.addresses("nobody.default.svc.lab.test.") == []
            places = await look.records("_http._tcp.db.default.svc.lab.test", "srv")
            assert "8080 db-0.db.default.svc.lab.test" in places
            assert "8080 db-1.db.default.svc.lab.test" in places
            backwards = ".".join(reversed(first.split("."))) + ".in-addr.arpa"
            assert "db-0.db.default.svc.lab.test" in await look.records(backwards, "ptr")
            assert (await Lookups(node, "db-0").file("/etc/hosts")).endswith(
                f"{first}\tdb-0.db.default.svc.lab.test\tdb-0\n"
            )
            assert [name for name in heard if name.endswith("lab.test")] == []

    on_node(tmp_path, scenario, **options(tmp_path))


def test_pods_choose_whom_they_ask(tmp_path: Path) -> None:
    """dnsPolicy and dnsConfig; a pod in the node's network asks the same server at the same address."""

    async def scenario(node: RealNode) -> None:
        async with upstream():
            await node.create(service("shop", WEB))
            await running(
                node,
                pod(name="host", hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet"),
                pod(name="plain", dnsPolicy="Default"),
                pod(
                    name="own",
                    dnsPolicy="None",
                    dnsConfig={"nameservers": [node.options.name_server]},
                ),
            )
            host = Lookups(node, "host")
            assert await host.until("shop", bool) == [WEB]
            assert await host.addresses("www") == ["192.0.2.1"]
            node_s = (tmp_path / "resolv.conf").read_text()
            assert await Lookups(node, "plain").file("/etc/resolv.conf") == node_s
            own = Lookups(node, "own")
            assert await own.file("/etc/resolv.conf") == f"nameserver {node.options.name_server}\n"
            assert await own.addresses("shop.default.svc.lab.test") == [WEB]
            assert await own.addresses("shop") == []

    on_node(tmp_path, scenario, **options(tmp_path))


def test_names_outlive_agent_and_control_plane(tmp_path: Path) -> None:
    """The agent is killed, the next one finds no server: pods find what they found."""

    async def scenario(node: RealNode) -> None:
        agent = AgentProcess(node.options)
        try:
            async with upstream():
                await node.create(service("shop", WEB))
                await running(node, pod())
                look = Lookups(node, "web")
                assert await look.until("shop", bool) == [WEB]
                while not (node.options.names_dir / "names.pb").exists():  # noqa: ASYNC110 - no event
                    await asyncio.sleep(0.1)
                agent.kill()
                agent = AgentProcess(replace(node.options, server="127.0.0.1:1"))
                found = await asyncio.to_thread(_asked_in, node.containers()[0]["Id"], "shop")
                assert found.split()[:1] == [WEB]
        finally:
            agent.kill()

    on_node(tmp_path, scenario, agent=False, **options(tmp_path))


def _asked_in(container: str, name: str) -> str:
    """By the engine's own exec: there is no server to ask. A lookup in the gap is asked again by the C library."""
    client = docker.APIClient()
    try:
        for _ in range(20):
            started = client.exec_create(container, ["getent", "ahostsv4", name])
            if found := client.exec_start(started["Id"]).decode():
                return found
        return ""
    finally:
        client.close()
