"""How a lab feels: a row for each machine."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from api.errors import ApiError
from cli.cluster import daemons
from cli.cluster.layout import Layout
from cli.cluster.waiting import target_of
from cli.connection import Connection
from cli.errors import CommandError
from cli.lab import hierarchies, machine, running, wires
from cli.lab.plan import PORT, Lab, Machine

ANSWER = 5.0  # seconds that the server has to answer
HEADER = ["NODE", "POWER", "CABLE", "ADDRESS", "PODS", "READY", "MEMORY"]


def rows(lab: Lab) -> list[list[str]]:
    seen, out = _nodes(lab), wires.cut_off(lab)
    return [HEADER, *(_row(each, seen, out) for each in lab.machines()), _server(lab)]


def _row(each: Machine, seen: dict[str, Any] | None, out: Sequence[str] | set[str]) -> list[str]:
    on = machine.first_process(each) is not None
    node = (seen or {}).get(each.name)
    used = hierarchies.memory(each.cgroup) if on else None
    return [
        each.name,
        "on" if on else "off",
        "-" if not on else "out" if each.name in out else "in",
        str(each.address.ip),
        (node.spec.podCIDR if node is not None else "") or "-",
        "?" if seen is None else _readiness(node),
        f"{used / 2**20:.0f} MiB" if used is not None else "-",
    ]


def _readiness(node: Any | None) -> str:
    if node is None:
        return "-"
    return "yes" if running.is_ready(node) else "no"


def _server(lab: Lab) -> list[str]:
    process = daemons.running(Layout(lab.server), "server")
    power = "on" if process is not None else "off"
    return ["server", power, "-", f"{lab.host.ip}:{PORT}", "-", "-", "-"]


def _nodes(lab: Lab) -> dict[str, Any] | None:
    """As the control plane has them; None: it does not answer."""
    with suppress(CommandError, ApiError):
        server = Connection(target_of(Layout(lab.server)), timeout=ANSWER)
        try:
            return running.nodes(server)
        finally:
            server.close()
    return None
