"""Services, EndpointSlices, Ingresses, IngressClasses and NetworkPolicies in words."""

from collections.abc import Iterable, Sequence
from typing import Any

from api import services
from cli.describe.lines import NONE, UNSET, Field, fields, identity, map_lines, marks, table
from cli.describe.workloads import selector_text
from cli.why.service import is_ready, why

SHOWN = 3  # endpoints of a port on one line, as kubectl does


def describe_service(service: Any, slices: Sequence[Any], pods: Sequence[Any]) -> list[str]:
    """`slices`: who stands behind it. `pods`: those that it selects."""
    spec, meta = service.spec, service.metadata
    rows: list[Field] = [
        *identity(meta),
        *marks(meta),
        ("Selector", ",".join(map_lines(spec.selector))),
        ("Type", spec.type),
    ]
    if services.has_address(spec):
        rows += [("IP Family Policy", spec.ipFamilyPolicy or UNSET)]
        rows += [("IP Families", ",".join(spec.ipFamilies) or NONE), ("IP", spec.clusterIP)]
        rows += [("IPs", ",".join(spec.clusterIPs) or NONE)]
    else:
        rows.append(("External Name", spec.externalName))
    if spec.externalIPs:
        rows.append(("External IPs", ",".join(spec.externalIPs)))
    if balancer := [each.ip or each.hostname for each in service.status.loadBalancer.ingress]:
        rows.append(("LoadBalancer Ingress", ", ".join(balancer)))
    for port in spec.ports:
        rows += _port(port, slices)
    rows.append(("Session Affinity", spec.sessionAffinity))
    for label, policy in (
        ("External Traffic Policy", spec.externalTrafficPolicy),
        ("Internal Traffic Policy", spec.internalTrafficPolicy),
    ):
        rows += [(label, policy)] if policy else []
    return [*fields(rows), *_behind(service, slices, pods)]


def _port(port: Any, slices: Sequence[Any]) -> list[Field]:
    target = services.target_port(port)
    name = port.name or UNSET
    rows: list[Field] = [("Port", f"{name}  {port.port}/{port.protocol}")]
    rows.append(("TargetPort", f"{target}/{port.protocol}"))
    if port.nodePort:
        rows.append(("NodePort", f"{name}  {port.nodePort}/{port.protocol}"))
    return [*rows, ("Endpoints", _endpoints(port.name, slices))]


def _endpoints(name: str, slices: Sequence[Any]) -> str:
    """Those that are ready, of the port of this name."""
    found = [
        f"{each.addresses[0]}:{port.port}"
        for slice in slices
        for port in slice.ports
        if port.name == name
        for each in slice.endpoints
        if is_ready(each)
    ]
    more = f" + {len(found) - SHOWN} more..." if len(found) > SHOWN else ""
    return f"{','.join(found[:SHOWN])}{more}"


def _behind(service: Any, slices: Sequence[Any], pods: Sequence[Any]) -> list[str]:
    """Every endpoint with its state, and every pod that has none."""
    known = {pod.metadata.uid: pod for pod in pods}
    rows = []
    for each in (each for slice in slices for each in slice.endpoints):
        pod = known.pop(each.targetRef.uid, None)
        rows.append(
            [
                each.targetRef.name or NONE,
                each.addresses[0],
                each.nodeName or NONE,
                state(service, each, pod),
            ]
        )
    rows += [
        [pod.metadata.name, NONE, pod.spec.nodeName or NONE, f"missing: {why(service, pod)}"]
        for pod in known.values()
        if pod.status.phase not in ("Succeeded", "Failed")
    ]
    if not rows:
        return [] if not services.has_address(service.spec) else [f"Behind it:  {_nobody(service)}"]
    return ["Behind it:", *table(["Pod", "Address", "Node", "State"], rows)]


def _nobody(service: Any) -> str:
    if not service.spec.selector:
        return "nobody: it has no selector, and there are no EndpointSlices of this name"
    return "nobody: no pod has these labels"


def state(service: Any, endpoint: Any, pod: Any) -> str:
    """In a few words, and why."""
    conditions = endpoint.conditions
    if conditions.terminating:
        return "terminating, still serving" if conditions.serving else "terminating"
    if not is_ready(endpoint):
        return "not ready" if pod is None else f"not ready: {why(service, pod)}"
    published = conditions.HasField("serving") and not conditions.serving
    return "not ready, published all the same" if published else "ready"


def describe_slice(slice: Any) -> list[str]:
    meta = slice.metadata
    rows: list[Field] = [*identity(meta), *marks(meta), ("AddressType", slice.addressType)]
    ports = [
        [port.name or UNSET, str(port.port) if port.HasField("port") else "*", port.protocol]
        for port in slice.ports
    ]
    lines = [*fields(rows), "Ports:"] if ports else [*fields([*rows, ("Ports", UNSET)])]
    lines += table(["Name", "Port", "Protocol"], ports) if ports else []
    if not slice.endpoints:
        return [*lines, f"Endpoints: {NONE}"]
    lines.append("Endpoints:")
    for each in slice.endpoints:
        lines += _endpoint(each)
    return lines


def _endpoint(each: Any) -> list[str]:
    address = f"  - Addresses:  {','.join(each.addresses)}"
    ready = str(is_ready(each)).lower()
    target = f"{each.targetRef.kind}/{each.targetRef.name}" if each.HasField("targetRef") else NONE
    rows: list[Field] = [
        ("Conditions", ["", f"  Ready:    {ready}"]),
        ("Hostname", each.hostname or UNSET),
        ("TargetRef", target),
        ("NodeName", each.nodeName or UNSET),
        ("Zone", each.zone or UNSET),
    ]
    return [address, *fields(rows, "    ")]


def describe_ingress(ingress: Any) -> list[str]:
    spec, meta = ingress.spec, ingress.metadata
    addresses = [each.ip or each.hostname for each in ingress.status.loadBalancer.ingress]
    backend = _backend(spec.defaultBackend) if spec.HasField("defaultBackend") else "<default>"
    rows: list[Field] = [
        *identity(meta),
        marks(meta)[0],
        ("Address", ",".join(addresses)),
        ("Ingress Class", spec.ingressClassName or NONE),
        ("Default backend", backend),
    ]
    lines = fields(rows)
    if spec.tls:
        lines.append("TLS:")
        lines += [
            f"  {each.secretName or 'SNI routes'} terminates {','.join(each.hosts)}"
            for each in spec.tls
        ]
    paths = [
        [rule.host or "*", path.path, path.pathType, _backend(path.backend)]
        for rule in spec.rules
        for path in rule.http.paths
    ]
    if paths:
        lines += ["Rules:", *table(["Host", "Path", "Type", "Backend"], paths)]
    return [*lines, *fields([marks(meta)[1]])]


def _backend(backend: Any) -> str:
    if backend.HasField("resource"):
        return f"{backend.resource.kind}/{backend.resource.name}"
    port = backend.service.port
    return f"{backend.service.name}:{port.name or port.number}"


def describe_class(ingress_class: Any) -> list[str]:
    spec, meta = ingress_class.spec, ingress_class.metadata
    rows: list[Field] = [
        *identity(meta, namespaced=False),
        *marks(meta),
        ("Controller", spec.controller),
    ]
    if spec.HasField("parameters"):
        rows.append(("Parameters", f"{spec.parameters.kind}/{spec.parameters.name}"))
    return fields(rows)


def describe_policy(policy: Any) -> list[str]:
    spec, meta = policy.spec, policy.metadata
    chosen = selector_text(spec.podSelector)
    whom = "<none> (Allowing the specific traffic to all pods in this namespace)"
    rows = [*identity(meta), *marks(meta)]
    lines = [*fields(rows), "Spec:", f"  PodSelector:     {whom if chosen == NONE else chosen}"]
    for direction, word, peers in (("Ingress", "ingress", "from"), ("Egress", "egress", "to")):
        if direction in spec.policyTypes:
            lines += _direction(word, getattr(spec, word), peers)
        else:
            lines.append(f"  Not affecting {word} traffic")
    return [*lines, f"  Policy Types: {', '.join(spec.policyTypes)}"]


def _direction(word: str, rules: Sequence[Any], peers: str) -> list[str]:
    lines = [f"  Allowing {word} traffic:"]
    if not rules:
        return [*lines, f"    {NONE} (Selected pods are isolated for {word} connectivity)"]
    for number, rule in enumerate(rules):
        lines += ["    ----------"] if number else []
        lines += [f"    To Port: {each}" for each in _ports(rule.ports)]
        lines += [f"    {peers.capitalize()}: {each}" for each in _peers(getattr(rule, peers))]
    return lines


def _ports(ports: Sequence[Any]) -> Iterable[str]:
    if not ports:
        return ["<any> (traffic allowed to all ports)"]
    told = []
    for each in ports:
        number = (
            each.port.string_value or int(each.port.number_value)
            if each.HasField("port")
            else "<any>"
        )
        told.append(f"{number}{f'-{each.endPort}' if each.endPort else ''}/{each.protocol}")
    return told


def _peers(peers: Sequence[Any]) -> Iterable[str]:
    if not peers:
        return ["<any> (traffic not restricted by source or destination)"]
    told = []
    for each in peers:
        if each.HasField("ipBlock"):
            holes = ",".join(getattr(each.ipBlock, "except"))
            told.append(f"IPBlock {each.ipBlock.cidr}{f' except {holes}' if holes else ''}")
            continue
        parts = [
            f"{label} {selector_text(getattr(each, name))}"
            for name, label in (
                ("namespaceSelector", "NamespaceSelector"),
                ("podSelector", "PodSelector"),
            )
            if each.HasField(name)
        ]
        told.append(", ".join(parts))
    return told
