"""A port of the node's own address can be given to one pod only (S#56).

Ports conflict when number and protocol are the same and the addresses are, too, where 0.0.0.0 stands for all of them.
"""

from control_plane.scheduler.refusal import FITS, Refusal, Refusals
from control_plane.scheduler.shape import Wants
from control_plane.scheduler.snapshot import NodeInfo

TAKEN = Refusal("NodePorts", "node(s) didn't have free ports for the requested pod ports")
ANY = "0.0.0.0"


def has_ports(wants: Wants, node: NodeInfo) -> Refusals:
    if wants.ports and node.ports:
        for address, protocol, number in wants.ports:
            for taken_address, taken_protocol, taken_number in node.ports:
                if (number, protocol) == (taken_number, taken_protocol) and (
                    address == taken_address or ANY in (address, taken_address)
                ):
                    return (TAKEN,)
    return FITS
