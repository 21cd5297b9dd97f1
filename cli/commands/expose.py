"""`helmling expose`: a Service for what runs already, from its labels and its ports."""

from typing import Any

from api import jsonform, kinds, services
from api.errors import Invalid
from api.kinds import Kind
from cli.command import Command, Session
from cli.errors import CommandError, UsageError
from cli.flags import Flag
from cli.generate import Plain
from cli.manifests import FILENAME, RECURSIVE
from cli.objects import each, named
from cli.output.chosen import OUTPUT
from cli.writing import DRY_RUN, dry_run, tell

EXPOSED = ("Pod", "Service", "Deployment", "ReplicaSet")
PROTOCOLS, TYPES = ("TCP", "UDP", "SCTP"), ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")


def run(session: Session) -> int:
    flags = session.flags
    if flags.text("type") not in ("", *TYPES):
        raise UsageError(f"--type must be one of {', '.join(TYPES)}, not {flags.text('type')}")
    if flags.text("protocol") not in ("", *PROTOCOLS):
        raise UsageError(f"--protocol must be one of {', '.join(PROTOCOLS)}")
    found = named(session, session.args)
    if len(found) > 1 and flags.text("name"):
        raise UsageError("--name is for one object only")

    def act(kind: Kind, obj: Any) -> None:
        _create(session, manifest(session, kind, obj))

    return each(session, found, act)


def _create(session: Session, plain: Plain) -> None:
    kind, mode = kinds.find("services"), dry_run(session)
    assert kind is not None
    name, namespace = plain["metadata"]["name"], plain["metadata"]["namespace"]
    service, causes = jsonform.from_json(kind.message, plain)
    if causes:
        raise Invalid.because(kind.name, name, causes)
    if mode != "client":
        service = session.server.create(kind, service, namespace, dry_run=mode == "server")
    tell(session, kind, service, "exposed")


def manifest(session: Session, kind: Kind, obj: Any) -> Plain:
    """Raises CommandError for what cannot be exposed, or does not say on which port."""
    if kind.name not in EXPOSED:
        raise CommandError(f"cannot expose a {kind.name}")
    flags = session.flags
    spec: Plain = {"ports": ports(session, kind, obj), "selector": selector(session, kind, obj)}
    for flag, name in (
        ("type", "type"),
        ("cluster-ip", "clusterIP"),
        ("session-affinity", "sessionAffinity"),
        ("load-balancer-ip", "loadBalancerIP"),
    ):
        if flags.text(flag):
            spec[name] = flags.text(flag)
    if flags.text("external-ip"):
        spec["externalIPs"] = [flags.text("external-ip")]
    labels = _pairs(flags.text("labels")) or dict(obj.metadata.labels)
    meta: Plain = {"name": flags.text("name") or obj.metadata.name}
    meta["namespace"] = obj.metadata.namespace
    if labels:
        meta["labels"] = labels
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def selector(session: Session, kind: Kind, obj: Any) -> dict[str, str]:
    if given := session.flags.text("selector"):
        return _pairs(given)
    if kind.name == "Pod":
        found = dict(obj.metadata.labels)
        if not found:
            raise CommandError("the pod has no labels and cannot be exposed")
        return found
    if kind.name == "Service":
        found = dict(obj.spec.selector)
    else:
        if obj.spec.selector.matchExpressions:
            raise CommandError(
                "couldn't convert expressions of the selector to a map-based selector format: give --selector"
            )
        found = dict(obj.spec.selector.matchLabels)
    if not found:
        raise CommandError(f"the {kind.singular} has no selector: give --selector")
    return found


def _pairs(text: str) -> dict[str, str]:
    """`a=b,c=d`. Raises UsageError."""
    found = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not (key and equals):
            raise UsageError(f"expected KEY=VALUE, not {part}")
        found[key.strip()] = value.strip()
    return found


def ports(session: Session, kind: Kind, obj: Any) -> list[Plain]:
    """Those of --port, or those that the containers name. Several are called port-1, port-2, …"""
    flags = session.flags
    there = _declared(kind, obj)
    words = [word for word in flags.text("port").split(",") if word]
    for word in words:
        if not (word.isdigit() and 1 <= int(word) <= 65535):
            raise UsageError(f"--port={word}: a number from 1 to 65535")
    numbers = [int(word) for word in words] or [number for number, _ in there]
    if not numbers:
        raise CommandError("couldn't find port via --port flag or introspection")
    protocols, target = dict(there), flags.text("target-port")
    made = []
    for index, number in enumerate(numbers, 1):
        port: Plain = {"name": f"port-{index}"} if len(numbers) > 1 else {}
        port["protocol"] = flags.text("protocol") or protocols.get(number, "TCP")
        port["port"] = number
        port["targetPort"] = (int(target) if target.isdigit() else target) if target else number
        made.append(port)
    return made


def _declared(kind: Kind, obj: Any) -> list[tuple[int, str]]:
    """Numbers and protocols."""
    if kind.name == "Service":
        return [(port.port, port.protocol) for port in obj.spec.ports]
    spec = obj.spec if kind.name == "Pod" else obj.spec.template.spec
    return [
        (port.containerPort, port.protocol or "TCP")
        for container in spec.containers
        for port in container.ports
    ]


EXPOSE = Command(
    usage="expose (-f FILENAME | TYPE NAME | TYPE/NAME) [--port=PORT] [--target-port=NUMBER-OR-NAME] "
    "[--name=NAME] [--type=TYPE] [flags]",
    about="Expose a pod, a deployment, a replica set or a service as a new Service.\n\nIts selector is that of what is "
    "exposed (of a pod, its labels); its ports are those that the containers name, unless --port says otherwise.",
    examples="""  # A service for a deployment: port 80 leads to port 8080 of its pods
  helmling expose deployment web --port=80 --target-port=8080

  # One for a pod, under another name
  helmling expose pod web --port=80 --name=frontend

  # On a port of every node
  helmling expose deployment/web --port=80 --type=NodePort

  # Without an address of its own: the name leads to the pods
  helmling expose deployment web --port=80 --cluster-ip=None

  # Show the manifest
  helmling expose deployment web --port=80 --dry-run=client -o yaml""",
    run=run,
    flags=(
        FILENAME,
        RECURSIVE,
        DRY_RUN,
        OUTPUT,
        Flag("port", "The port of the service; several with commas between them."),
        Flag("target-port", "The port of the pods: a number, or the name of a container's port."),
        Flag("protocol", "TCP, UDP or SCTP; default: the container's, or TCP."),
        Flag("name", "The name of the service; default: that of what is exposed."),
        Flag("selector", "The labels of the pods: a=b,c=d; default: what the exposed object selects by."),
        Flag("labels", "Labels of the service: a=b,c=d; default: those of what is exposed.", "l"),
        Flag("type", f"{', '.join(TYPES)}; default: {services.CLUSTER_IP}."),
        Flag("external-ip", "An address of a node under which it is reachable, too."),
        Flag("session-affinity", "ClientIP: connections of one client go to the same pod."),
        Flag("cluster-ip", "An address of your own, or None (headless)."),
        Flag("load-balancer-ip", "The address a load balancer is asked for."),
    ),
    complete="resources",
)  # fmt: skip
