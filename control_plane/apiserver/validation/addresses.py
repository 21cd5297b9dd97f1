"""Addresses that packets are to be sent to: valid, and not such as mean something else on every machine."""

import ipaddress

from api.errors import Cause
from control_plane.apiserver.validation import causes, formats

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def validate_address(text: str, path: str) -> list[Cause]:
    """An address of a network; Kubernetes calls it an endpoint's."""
    if problems := formats.ip(text):
        return [causes.invalid(path, text, problem) for problem in problems]
    address = ipaddress.ip_address(text)
    return [causes.invalid(path, text, told) for applies, told in _special(address) if applies]


def validate_cidr(text: str, path: str) -> list[Cause]:
    return [causes.invalid(path, text, problem) for problem in formats.cidr(text)]


def _special(address: Address) -> tuple[tuple[bool, str], ...]:
    everywhere = str(address) == "255.255.255.255"
    local_group = address.is_multicast and (
        str(address).startswith("224.0.0.") or str(address).startswith("ff02:")
    )
    return (
        (address.is_unspecified, f"may not be unspecified ({address})"),
        (address.is_loopback, "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        (
            address.is_link_local,
            "may not be in the link-local range (169.254.0.0/16, fe80::/10)",
        ),
        (
            local_group,
            "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)",
        ),
        (everywhere, "may not be the broadcast address (255.255.255.255)"),
    )
