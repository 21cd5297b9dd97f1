"""The addresses and node ports that Services are given (`--service-cidr`, `--node-port-range`), and which come first.

The lower part of each range is left to those who ask for a certain address, as long as there are others: so an address
that somebody has written into a manifest is hardly ever taken already.
https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/
"""

import ipaddress
from collections.abc import Container
from dataclasses import dataclass
from functools import cached_property
from random import Random

Network = ipaddress.IPv4Network
SERVICES = Network("10.96.0.0/16")
NODE_PORTS = range(30000, 32768)
LARGEST = 12  # bits of the network: more than a million services nobody looks through


@dataclass(frozen=True)
class Ranges:
    services: Network = SERVICES
    node_ports: range = NODE_PORTS

    @cached_property
    def addresses(self) -> "Addresses":
        return Addresses(self.services)

    @cached_property
    def ports(self) -> "Ports":
        return Ports(self.node_ports)


DEFAULT = Ranges()


def read_network(text: str) -> Network:
    """Raises ValueError with what is wrong, for people."""
    network = Network(text)
    if not LARGEST <= network.prefixlen <= 28:
        raise ValueError(f"{text} must have between 16 addresses (/28) and a million (/{LARGEST})")
    return network


def read_ports(text: str) -> range:
    """Of "30000-32767". Raises ValueError."""
    first, dash, last = text.partition("-")
    if not (dash and first.isdecimal() and last.isdecimal()):
        raise ValueError(f"{text} is no range of ports, as 30000-32767")
    if not 1 <= int(first) <= int(last) <= 65535:
        raise ValueError(f"{text} must lie within 1-65535, and begin before it ends")
    return range(int(first), int(last) + 1)


class Addresses:
    """A range as the allocator sees it: numbers, which have a text."""

    def __init__(self, network: Network) -> None:
        self.network = network
        first = int(network.network_address)
        self.numbers = range(first + 1, first + network.num_addresses - 1)
        # Asked for by name: the API server's, and the name server's.
        self.reserved = frozenset((first + 1, first + 10))
        self.static = _static(len(self.numbers), step=16, most=256)

    def __contains__(self, text: str) -> bool:
        address = ipaddress.ip_address(text)
        return address.version == 4 and int(address) in self.numbers

    @staticmethod
    def text(number: int) -> str:
        return str(ipaddress.IPv4Address(number))

    def __str__(self) -> str:
        return str(self.network)


class Ports:
    def __init__(self, numbers: range) -> None:
        self.numbers = numbers
        self.reserved: frozenset[int] = frozenset()
        self.static = _static(len(numbers), step=32, most=128)

    def __contains__(self, text: str) -> bool:
        return int(text) in self.numbers

    @staticmethod
    def text(number: int) -> str:
        return str(number)

    def __str__(self) -> str:
        return f"{self.numbers[0]}-{self.numbers[-1]}"


Range = Addresses | Ports


def _static(size: int, *, step: int, most: int) -> int:
    """How many at the beginning are left to those who ask."""
    return 0 if size < 16 else min(max(16, size // step), most, size // 2)


def guess(range_: Range, random: Random) -> str:
    """One that is probably free."""
    number = random.choice(range_.numbers[range_.static :])
    while number in range_.reserved:
        number = random.choice(range_.numbers[range_.static :])
    return range_.text(number)


def choose(range_: Range, taken: Container[str], random: Random) -> str:
    """One of those that are not taken; "": all are."""
    dynamic, static = range_.numbers[range_.static :], range_.numbers[: range_.static]
    for numbers in (dynamic, static):
        free = [
            text
            for number in numbers
            if number not in range_.reserved and (text := range_.text(number)) not in taken
        ]
        if free:
            return random.choice(free)
    return ""
