"""What everything in a lab is called, and which addresses it has. Pure: it all follows from the lab's few numbers.

Each lab of a machine has a number of its own, its `slot`: the third byte of all its addresses, and a part of the
name of its link on the host. So labs do not see each other, and two tests may have one each.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Interface
from pathlib import Path

from cli.errors import UsageError, did_you_mean

NAME = re.compile(r"^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$")
DEFAULT = "lab"  # the lab of those who have one
RUN = Path(
    "/run/helmling-lab"
)  # what does not outlive the host's own power: sockets, process numbers
NODES, SEGMENTS, SLOTS = 99, 16, 250  # at most
PORT, TOKEN_PORT = 6440, 6441
FIRST_BYTE, SECOND_BYTE = 10, 77  # of addresses: 10.(77 + segment).slot.x
HOST_BYTE, ROUTER_BYTE, NODE_BYTE = 1, 254, 10  # x of the host, of the router, of node n: 10 + n


@dataclass(frozen=True, slots=True)
class Lab:
    name: str
    slot: int
    folder: str  # disks, state, logs: what is kept
    nodes: int
    segments: int = 1
    grace: float = 3.0  # seconds that a node may be silent (profile.py)

    # Names

    @property
    def run(self) -> Path:
        return RUN / self.name

    @property
    def switch(self) -> str:
        """Its network namespace."""
        return f"hlab-{self.name}-switch"

    @property
    def link(self) -> str:
        """The cable to the switch, on the host."""
        return f"hlab{self.slot}"

    @property
    def server(self) -> Path:
        """The data directory of the control plane."""
        return Path(self.folder) / "server"

    @property
    def images(self) -> Path:
        return Path(self.folder) / "images"

    @property
    def cgroup(self) -> str:
        """Under each hierarchy's root."""
        return f"helmling-lab/{self.name}"

    # Addresses

    def address(self, segment: int, last: int) -> IPv4Interface:
        return IPv4Interface(f"{FIRST_BYTE}.{SECOND_BYTE + segment}.{self.slot}.{last}/24")

    @property
    def host(self) -> IPv4Interface:
        return self.address(0, HOST_BYTE)

    def router(self, segment: int) -> IPv4Interface:
        return self.address(segment, ROUTER_BYTE)

    # Machines

    def machines(self) -> list["Machine"]:
        return [Machine(self, number) for number in range(1, self.nodes + 1)]

    def machine(self, name: str) -> "Machine":
        """Raises UsageError for a name that no machine has."""
        known = {machine.name: machine for machine in self.machines()}
        if name not in known:
            guess = did_you_mean(name, list(known))
            raise UsageError(
                f'the lab "{self.name}" has no node "{name}"{guess or ": it has " + ", ".join(known)}'
            )
        return known[name]


@dataclass(frozen=True, slots=True)
class Machine:
    """Number 1 is n1. Machines are dealt to the segments in turn."""

    lab: Lab
    number: int

    @property
    def name(self) -> str:
        return f"n{self.number}"

    @property
    def segment(self) -> int:
        return (self.number - 1) % self.lab.segments

    @property
    def address(self) -> IPv4Interface:
        return self.lab.address(self.segment, NODE_BYTE + self.number)

    @property
    def mac(self) -> str:
        """Fixed, as of a real machine: after a restart nobody's ARP table is wrong."""
        return f"02:77:{self.lab.slot:02x}:{self.segment:02x}:00:{self.number:02x}"

    @property
    def netns(self) -> str:
        return f"hlab-{self.lab.name}-{self.name}"

    @property
    def run(self) -> Path:
        return self.lab.run / self.name

    @property
    def disk(self) -> Path:
        return Path(self.lab.folder) / self.name

    @property
    def socket(self) -> Path:
        """Its engine's, as the host finds it."""
        return self.run / "docker.sock"

    @property
    def cgroup(self) -> str:
        return f"{self.lab.cgroup}/{self.name}"

    @property
    def engine(self) -> dict[str, object]:
        """The configuration of its engine. docker0 is another network on each machine, as nobody should get there."""
        return {
            "hosts": ["unix:///run/docker.sock", f"unix://{self.socket}"],
            "bip": f"172.17.{self.number}.1/24",
            "default-address-pools": [{"base": "172.18.0.0/16", "size": 24}],
            "data-root": str(self.disk / "docker"),
            "exec-root": "/run/docker",
            "pidfile": "/run/docker.pid",
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "log-opts": {"max-size": "5m"},
        }


def check_name(name: str) -> str:
    """Raises UsageError."""
    if not NAME.match(name):
        raise UsageError(
            f'"{name}" cannot be a lab\'s name: up to 20 lower-case letters, digits and dashes'
        )
    return name


# Commands, as `ip -batch` reads them


def switch_batch(lab: Lab) -> str:
    """In the switch's namespace. Each segment is a bridge, on which the router has an address."""
    lines = ["link set lo up"]
    for segment in range(lab.segments):
        bridge = f"seg{segment}"
        lines += [
            f"link add {bridge} type bridge",
            f"address replace {lab.router(segment)} dev {bridge}",
            f"link set {bridge} up",
        ]
    return _script(lines)


def host_batch(lab: Lab) -> str:
    """On the host: the cable to the first segment, and routes to the others."""
    router = lab.router(0).ip
    lines = [
        f"link add {lab.link} type veth peer name host netns {lab.switch}",
        f"address replace {lab.host} dev {lab.link}",
        f"link set {lab.link} up",
    ]
    others = [lab.router(segment).network for segment in range(1, lab.segments)]
    lines += [f"route replace {network} via {router} dev {lab.link}" for network in others]
    return _script(lines)


def port_batch(port: str, segment: int) -> str:
    """In the switch's namespace: a cable's other end."""
    return _script([f"link set {port} master seg{segment} up"])


def cable_batch(machine: Machine) -> str:
    """On the host: both ends of the machine's cable are elsewhere."""
    ends = f"type veth peer name {machine.name} netns {machine.lab.switch}"
    return _script([f"link add eth0 netns {machine.netns} address {machine.mac} {ends}"])


def machine_batch(machine: Machine) -> str:
    """In the machine's namespace. The world ends at the router: no packet of a lab leaves this host."""
    return _script(
        [
            "link set lo up",
            f"address replace {machine.address} dev eth0",
            "link set eth0 up",
            f"route replace default via {machine.lab.router(machine.segment).ip}",
        ]
    )


def _script(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
