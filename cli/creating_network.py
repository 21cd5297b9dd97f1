"""`helmling create service clusterip|nodeport|loadbalancer|externalname` and `create ingress`, without a file.

The rules of an ingress are kubectl's: "shop.example.com/cart*=cart:80,tls=cert" is the host, the path (with a star:
everything below it, too), the service with its port, and, after a comma, that it is served with a certificate.
"""

import re
from typing import Any

from cli.command import Session
from cli.errors import UsageError
from cli.flags import Flag
from cli.generate import Plain

TCP = Flag(
    "tcp", "With service: PORT or PORT:TARGETPORT; several with commas between them.", form="many"
)
CLUSTER_IP = Flag(
    "clusterip", "With service clusterip: an address of your own, or None (headless)."
)
NODE_PORT = Flag("node-port", "With service nodeport: the port of the nodes.", form="number")
EXTERNAL_NAME = Flag("external-name", "With service externalname: the name that DNS answers with.")
INGRESS_FLAGS = (
    Flag("rule", "With ingress: HOST/PATH=SERVICE:PORT[,tls[=SECRET]]; may be repeated.", form="many"),
    Flag("class", "With ingress: which IngressClass serves it."),
    Flag("default-backend", "With ingress: SERVICE:PORT for what no rule matches."),
    Flag("annotation", "With ingress: KEY=VALUE; may be repeated.", form="many"),
)  # fmt: skip
_RULE = re.compile(
    r"(?P<host>[\w*.-]*)(?P<path>/[^=]*)=(?P<service>[\w-]+):(?P<port>[\w-]+)(?P<rest>(,.*)?)"
)


def cluster_ip(session: Session, name: str) -> Plain:
    address = session.flags.text("clusterip")
    ports = _ports(session)
    if not ports and address != "None":
        raise UsageError("at least one tcp port specifier must be provided")
    if ports and address == "None":
        raise UsageError("can not map ports with clusterip=None")
    return _service(name, "ClusterIP", ports, **({"clusterIP": address} if address else {}))


def node_port(session: Session, name: str) -> Plain:
    ports, wanted = _needed(session), session.flags.number("node-port")
    if wanted:
        for port in ports:
            port["nodePort"] = wanted
    return _service(name, "NodePort", ports)


def load_balancer(session: Session, name: str) -> Plain:
    return _service(name, "LoadBalancer", _needed(session))


def external_name(session: Session, name: str) -> Plain:
    wanted = session.flags.text("external-name")
    if not wanted:
        raise UsageError('required flag(s) "external-name" not set')
    return _service(name, "ExternalName", _ports(session), externalName=wanted)


def _service(name: str, type: str, ports: list[Plain], **more: Any) -> Plain:
    spec = {"type": type, "selector": {"app": name}, **more, **({"ports": ports} if ports else {})}
    meta = {"name": name, "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def _needed(session: Session) -> list[Plain]:
    if ports := _ports(session):
        return ports
    raise UsageError("at least one tcp port specifier must be provided")


def _ports(session: Session) -> list[Plain]:
    words = [word for text in session.flags.many("tcp") for word in text.split(",") if word]
    return [_port(word) for word in words]


def _port(word: str) -> Plain:
    """`5678:8080`, named after both, as kubectl does."""
    number, colon, target = word.partition(":")
    for each in (number, target) if colon else (number,):
        if not _is_port(each) and not (each is target and re.search("[a-z]", each)):
            raise UsageError(f"invalid port {each!r} in --tcp={word}: a number from 1 to 65535")
    made: Plain = {"name": word.replace(":", "-"), "port": int(number), "protocol": "TCP"}
    made["targetPort"] = int(target or number) if (target or number).isdigit() else target
    return made


def _is_port(word: str) -> bool:
    return word.isdigit() and 1 <= int(word) <= 65535


def ingress(session: Session, name: str) -> Plain:
    flags = session.flags
    rules, backend = flags.many("rule"), flags.text("default-backend")
    if not rules and not backend:
        raise UsageError("not enough information provided: every ingress has to either specify a default-backend "
                         "(which catches all traffic) or a list of rules (which catch specific paths)")  # fmt: skip
    spec: Plain = {}
    if flags.text("class"):
        spec["ingressClassName"] = flags.text("class")
    if backend:
        spec["defaultBackend"] = _default_backend(backend)
    if rules:
        spec |= _rules(rules)
    meta: Plain = {"name": name}
    if notes := dict(_pair(text) for text in flags.many("annotation")):
        meta["annotations"] = notes
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta, "spec": spec}


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise UsageError(f"--annotation is KEY=VALUE, not {text}")
    return key, value


def _default_backend(text: str) -> Plain:
    service, colon, port = text.partition(":")
    if not (service and colon and port):
        raise UsageError("default-backend should be in format servicename:serviceport")
    return _backend(service, port)


def _backend(service: str, port: str) -> Plain:
    chosen = {"number": int(port)} if port.isdigit() else {"name": port}
    return {"service": {"name": service, "port": chosen}}


def _rules(texts: list[str]) -> Plain:
    """Paths of the same host are one rule; hosts with the same secret, one certificate."""
    paths: dict[str, list[Plain]] = {}
    certificates: dict[str, list[str]] = {}
    for text in texts:
        match = _RULE.fullmatch(text)
        if match is None:
            raise UsageError(
                f"rule {text} is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]"
            )
        host = match["host"]
        paths.setdefault(host, []).append(_path(match))
        for secret in _secrets(match["rest"], text):
            hosts = certificates.setdefault(secret, [])
            hosts += [host] if host and host not in hosts else []
    rules = [{**_said(host=host), "http": {"paths": each}} for host, each in paths.items()]
    tls = [_said(hosts=hosts, secretName=secret) for secret, hosts in certificates.items()]
    return {"rules": rules, **_said(tls=tls)}


def _path(match: re.Match[str]) -> Plain:
    path = match["path"]
    return {
        "path": path.removesuffix("*"),
        "pathType": "Prefix" if path.endswith("*") else "Exact",
        "backend": _backend(match["service"], match["port"]),
    }


def _secrets(options: str, text: str) -> list[str]:
    """Of ",tls=cert"; of ",tls" the empty one. Raises UsageError."""
    found = []
    for option in filter(None, options.split(",")):
        word, _, secret = option.partition("=")
        if word != "tls":
            raise UsageError(
                f"rule {text} is invalid: after the comma stands tls or tls=SECRET, not {option}"
            )
        found.append(secret)
    return found


def _said(**fields: Any) -> Plain:
    """Those that are not empty."""
    return {name: value for name, value in fields.items() if value}


# After `create service`.
SERVICES = (
    ("clusterip", cluster_ip, (TCP, CLUSTER_IP)),
    ("nodeport", node_port, (TCP, NODE_PORT)),
    ("loadbalancer", load_balancer, (TCP,)),
    ("externalname", external_name, (TCP, EXTERNAL_NAME)),
)
