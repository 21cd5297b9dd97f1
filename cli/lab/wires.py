"""The lab's network, made: the switch, the cables, and a cable that is pulled out."""

import json
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from cli.errors import CommandError
from cli.lab import plan
from cli.lab.plan import Lab, Machine

NAMESPACES = Path("/run/netns")
# Frames on a bridge are nobody's business but the bridge's. (Not there where the kernel has no br_netfilter.)
UNFILTERED = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")


def make_switch(lab: Lab) -> None:
    """No-op when it is there."""
    if not (NAMESPACES / lab.switch).exists():
        _run("ip", "netns", "add", lab.switch)
        _inside(lab.switch, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        if UNFILTERED.exists():
            _inside(lab.switch, "sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0")
        _batch(plan.switch_batch(lab), lab.switch)
    if not Path("/sys/class/net", lab.link).exists():
        _batch(plan.host_batch(lab))
        _batch(plan.port_batch("host", 0), lab.switch)


def plug_in(machine: Machine) -> None:
    """A network namespace with a cable to the switch. No-op when it is there."""
    if (NAMESPACES / machine.netns).exists():
        return
    _run("ip", "netns", "add", machine.netns)
    # Before the engine starts: one that finds it off forbids all forwarding.
    _inside(machine.netns, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    _drop_port(machine)
    _batch(plan.cable_batch(machine))
    _batch(plan.port_batch(machine.name, machine.segment), machine.lab.switch)
    _batch(plan.machine_batch(machine), machine.netns)


def unplug(machine: Machine) -> None:
    """With the namespace go its links, bridges, rules and routes. No-op when there is none."""
    _drop_port(machine)
    if (NAMESPACES / machine.netns).exists():
        _run("ip", "netns", "delete", machine.netns)


def remove_switch(lab: Lab) -> None:
    if Path("/sys/class/net", lab.link).exists():
        _run("ip", "link", "delete", lab.link)
    if (NAMESPACES / lab.switch).exists():
        _run("ip", "netns", "delete", lab.switch)


def partition(machine: Machine) -> None:
    """Pull the cable out at the switch: the machine and its pods go on, and reach nobody."""
    _run("ip", "-n", machine.lab.switch, "link", "set", machine.name, "down")


def heal(machine: Machine) -> None:
    _run("ip", "-n", machine.lab.switch, "link", "set", machine.name, "up")


def cut_off(lab: Lab) -> set[str]:
    """The names of the machines whose cable is pulled out."""
    if not (NAMESPACES / lab.switch).exists():
        return set()
    links: list[dict[str, Any]] = json.loads(_run("ip", "-n", lab.switch, "-json", "link", "show"))
    return {link["ifname"] for link in links if "UP" not in link["flags"]}


def used_networks() -> list[str]:
    """Addresses with their prefix lengths that the host has."""
    links: list[dict[str, Any]] = json.loads(_run("ip", "-json", "-4", "address", "show"))
    return [f"{i['local']}/{i['prefixlen']}" for link in links for i in link.get("addr_info", [])]


def _drop_port(machine: Machine) -> None:
    """The switch's end of an old cable: it goes with its other end, but not at once."""
    with suppress(CommandError):
        _run("ip", "-n", machine.lab.switch, "link", "delete", machine.name)


def _inside(namespace: str, *command: str) -> None:
    _run("ip", "netns", "exec", namespace, *command)


def _batch(script: str, namespace: str = "") -> None:
    where = ("-n", namespace) if namespace else ()
    _run("ip", *where, "-batch", "-", stdin=script)


def _run(*command: str, stdin: str = "") -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        told = done.stderr.strip()
        if "not supported" in told or "Unknown device type" in told:
            told += ": this kernel lacks what a lab needs (network namespaces, veth, bridge, vxlan)"
        raise CommandError(f"{' '.join(command)}: {told}")
    return done.stdout
