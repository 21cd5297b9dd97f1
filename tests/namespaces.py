"""Network namespaces for tests: a node, a place outside of it, another node; and a look from inside of any.

pods ── hl-… [node] 192.0.2.1 ──┬── 192.0.2.2 [outside]
                                └── 192.0.2.3 [other], where the addresses 10.99.2.* are
"""

import ctypes
import os
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
CLONE_NEWNET = 0x40000000
OTHER_PODS = "10.99.2.0/24"


def inside(netns: str, do: Callable[[], T]) -> T:
    """Run it in a thread that is in the namespace; sockets made there stay there."""
    result: list[T] = []
    trouble: list[BaseException] = []

    def body() -> None:
        try:
            descriptor = os.open(netns, os.O_RDONLY)
            try:
                libc = ctypes.CDLL(None, use_errno=True)
                assert libc.setns(descriptor, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            finally:
                os.close(descriptor)
            result.append(do())
        except BaseException as error:
            trouble.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if trouble:
        raise trouble[0]
    return result[0]


def command(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


@dataclass(frozen=True)
class Places:
    """The namespaces, by path."""

    node: str
    outside: str
    other: str


@contextmanager
def places() -> Iterator[Places]:
    """Three namespaces on one wire, which ends in the node's."""
    tag = uuid.uuid4().hex[:6]
    node, outside, other = names = [f"hltest-{tag}-{role}" for role in ("node", "out", "oth")]
    try:
        for name in names:
            command("ip", "netns", "add", name)
            command("ip", "-n", name, "link", "set", "lo", "up")
        command("ip", "-n", node, "link", "add", "up0", "type", "bridge")
        for link, theirs in (("o0", outside), ("o1", other)):
            cable = ("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", theirs)
            command("ip", "-n", node, *cable)
            command("ip", "-n", node, "link", "set", link, "master", "up0", "up")
        wires = (
            (node, "up0", "192.0.2.1"),
            (outside, "eth0", "192.0.2.2"),
            (other, "eth0", "192.0.2.3"),
        )
        for name, link, address in wires:
            command("ip", "-n", name, "address", "add", f"{address}/24", "dev", link)
            command("ip", "-n", name, "link", "set", link, "up")
        command("ip", "-n", node, "route", "add", OTHER_PODS, "via", "192.0.2.3")
        command("ip", "-n", other, "route", "add", "local", OTHER_PODS, "dev", "lo")
        for name in (other, outside):
            command("ip", "-n", name, "route", "add", "default", "via", "192.0.2.1")
        command("ip", "-n", node, "route", "add", "default", "via", "192.0.2.2")
        yield Places(*(f"/run/netns/{name}" for name in names))
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
