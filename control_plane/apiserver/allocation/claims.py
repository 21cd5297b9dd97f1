"""What a Service holds: its address and its node ports, each a key of the store with the service's name as its value.

The key is the claim. A transaction that stores a service demands that the keys it adds are absent, and writes them; one
that removes a service, or changes its type, deletes those it has no use for any more. So no two services can ever hold
the same, whichever servers wrote them, and none is lost with a server that dies.
"""

from dataclasses import dataclass, field

from api import services
from api.errors import Cause
from control_plane.apiserver.allocation.ranges import Range, Ranges
from control_plane.apiserver.validation import causes
from proto.v1.network_pb2 import Service

ROOT = "/ranges/"
ADDRESSES, PORTS = f"{ROOT}addresses/", f"{ROOT}nodeports/"


@dataclass(frozen=True, slots=True)
class Claim:
    key: str
    field: str  # where in the service it is said
    shown: int | list[str]  # what is said there

    @property
    def text(self) -> str:
        return self.key.rpartition("/")[2]

    def taken(self) -> Cause:
        if self.key.startswith(PORTS):
            return causes.invalid(self.field, self.shown, "provided port is already allocated")
        told = f"failed to allocate IP {self.text}: provided IP is already allocated"
        return causes.invalid(self.field, self.shown, told)

    def outside(self, range_: Range) -> Cause:
        if self.key.startswith(PORTS):
            told = f"provided port is not in the valid range. The range of valid ports is {range_}"
        else:
            told = (
                f"failed to allocate IP {self.text}: the provided IP ({self.text}) is not in the valid range. "
                f"The range of valid IPs is {range_}"
            )
        return causes.invalid(self.field, self.shown, told)

    def range_of(self, ranges: Ranges) -> Range:
        return ranges.ports if self.key.startswith(PORTS) else ranges.addresses


def claims(service: Service) -> dict[str, Claim]:
    """By key. Ports of the same number (TCP and UDP) are one claim."""
    spec, found = service.spec, []
    if address := services.virtual_address(spec):
        found.append(Claim(f"{ADDRESSES}{address}", "spec.clusterIPs", [address]))
    for index, port in enumerate(spec.ports):
        if port.nodePort:
            place = f"spec.ports[{index}].nodePort"
            found.append(Claim(f"{PORTS}{port.nodePort}", place, port.nodePort))
    if spec.healthCheckNodePort:
        number = spec.healthCheckNodePort
        found.append(Claim(f"{PORTS}{number}", "spec.healthCheckNodePort", number))
    return {claim.key: claim for claim in found}


def owner(service: Service) -> bytes:
    """What is stored under a claim: for people who look."""
    meta = service.metadata
    return f"{meta.namespace}/{meta.name}".encode()


@dataclass(frozen=True, slots=True)
class Changes:
    """To be written together with the service."""

    expect: dict[str, int] = field(default_factory=dict)
    write: dict[str, bytes | None] = field(default_factory=dict)
