"""EndpointSlices: addresses of one type, ports with names of their own, and no more than a slice holds (S#86)."""

from api import names
from api.errors import Cause
from control_plane.apiserver.validation import causes, schema
from control_plane.apiserver.validation.addresses import validate_address
from proto.v1.network_pb2 import Endpoint, EndpointSlice

MOST_ENDPOINTS, MOST_ADDRESSES, MOST_PORTS = 1000, 100, 20_000
MOST_TOPOLOGY = 16
_FAMILIES = {"IPv4": "must be a valid IPv4 address", "IPv6": "must be a valid IPv6 address"}


def validate_slice(slice: EndpointSlice) -> list[Cause]:
    found = []
    if len(slice.endpoints) > MOST_ENDPOINTS:
        found.append(causes.too_many("endpoints", len(slice.endpoints), MOST_ENDPOINTS))
    for index, endpoint in enumerate(slice.endpoints):
        found += _endpoint(endpoint, slice.addressType, f"endpoints[{index}]")
    return found + _ports(slice)


def validate_slice_update(new: EndpointSlice, old: EndpointSlice) -> list[Cause]:
    return schema.check_immutable(new, old, deep=False)


def _endpoint(endpoint: Endpoint, type: str, path: str) -> list[Cause]:
    found = []
    if len(endpoint.addresses) > MOST_ADDRESSES:
        place = f"{path}.addresses"
        found.append(causes.too_many(place, len(endpoint.addresses), MOST_ADDRESSES))
    for index, address in enumerate(endpoint.addresses):
        found += _address(address, type, f"{path}.addresses[{index}]")
    if endpoint.HasField("nodeName"):
        found += [
            causes.invalid(f"{path}.nodeName", endpoint.nodeName, problem)
            for problem in names.dns_subdomain(endpoint.nodeName)
        ]
    if len(endpoint.deprecatedTopology) > MOST_TOPOLOGY:
        place = f"{path}.deprecatedTopology"
        found.append(causes.too_many(place, len(endpoint.deprecatedTopology), MOST_TOPOLOGY))
    return found


def _address(address: str, type: str, path: str) -> list[Cause]:
    if type == "FQDN":
        problems = names.dns_subdomain(address.removesuffix("."))
        return [causes.invalid(path, address, problem) for problem in problems]
    if type in _FAMILIES and (":" in address) != (type == "IPv6"):
        return [causes.invalid(path, address, _FAMILIES[type])]
    return validate_address(address, path)


def _ports(slice: EndpointSlice) -> list[Cause]:
    found: list[Cause] = []
    if len(slice.ports) > MOST_PORTS:
        found.append(causes.too_many("ports", len(slice.ports), MOST_PORTS))
    seen: set[str] = set()
    for index, port in enumerate(slice.ports):
        path = f"ports[{index}]"
        if port.name in seen:
            found.append(causes.duplicate(f"{path}.name", port.name))
        seen.add(port.name)
        problems = names.dns_label(port.name) if port.name else ()
        found += [causes.invalid(f"{path}.name", port.name, each) for each in problems]
        if port.HasField("appProtocol"):
            problems = names.qualified_name(port.appProtocol)
            place = f"{path}.appProtocol"
            found += [causes.invalid(place, port.appProtocol, each) for each in problems]
    return found
