"""From a pod to its sandbox: names, namespaces, how it looks up names. Pure.

https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/
"""

from collections.abc import Iterable

from node_agent.network.rules import HostPort
from node_agent.pods.containerspec import hostname_of
from node_agent.pods.facts import NodeFacts
from node_agent.runtime.model import Namespaces, SandboxSpec
from proto.v1.pod_pb2 import Pod, PodDNSConfig

_HOSTS_HEAD = """\
# Written by the node's agent: changes are lost with the pod.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""
DOMAIN = "cluster.local"
MOST_NAMESERVERS = 3  # the resolver library reads no more


def sandbox_spec(pod: Pod, attempt: int, ip: str, node: NodeFacts) -> SandboxSpec:
    """`ip` is the address that the pod network has set aside."""
    spec, meta = pod.spec, pod.metadata
    return SandboxSpec(
        pod_uid=meta.uid,
        pod_name=meta.name,
        pod_namespace=meta.namespace,
        attempt=attempt,
        hostname=full_name_of(pod) if spec.setHostnameAsFQDN else hostname_of(pod),
        ip=ip,
        namespaces=Namespaces(
            spec.hostNetwork, spec.hostPID, spec.hostIPC, spec.shareProcessNamespace
        ),
        sysctls={s.name: s.value for s in spec.securityContext.sysctls},
        resolv_conf=resolv_conf(pod, node),
        hosts=None if spec.hostNetwork and not spec.hostAliases else hosts(pod, ip),
        labels=dict(meta.labels),
    )


def full_name_of(pod: Pod) -> str:
    """The host name with its domain; a pod without a subdomain has none."""
    name, subdomain = hostname_of(pod), pod.spec.subdomain
    return f"{name}.{subdomain}.{pod.metadata.namespace}.svc.{DOMAIN}" if subdomain else name


def host_ports(pod: Pod, ip: str) -> list[HostPort]:
    """The node's ports that lead to the pod. In the node's own network there is nothing to lead."""
    if pod.spec.hostNetwork:
        return []
    return [
        HostPort(
            (port.protocol or "TCP").lower(), port.hostPort, ip, port.containerPort, port.hostIP
        )
        for container in (*pod.spec.initContainers, *pod.spec.containers)
        for port in container.ports
        if port.hostPort
    ]


def hosts(pod: Pod, ip: str) -> str:
    """The text of /etc/hosts."""
    text = _HOSTS_HEAD
    if ip:
        names = dict.fromkeys((full_name_of(pod), hostname_of(pod)))
        text += "\t".join((ip, *names)) + "\n"
    for alias in pod.spec.hostAliases:
        text += f"{alias.ip}\t{chr(9).join(alias.hostnames)}\n"
    return text


def resolv_conf(pod: Pod, node: NodeFacts) -> str:
    """The text of /etc/resolv.conf: the node's, unless the pod has its own; what it adds comes after."""
    base = "" if pod.spec.dnsPolicy == "None" else node.resolv_conf
    servers, searches, options = _parse(base)
    wanted = pod.spec.dnsConfig
    servers = _unique([*servers, *wanted.nameservers])[:MOST_NAMESERVERS]
    searches = _unique([*searches, *wanted.searches])
    lines = [f"nameserver {server}" for server in servers]
    if searches:
        lines.append(f"search {' '.join(searches)}")
    merged = _options(options, wanted)
    if merged:
        lines.append(f"options {' '.join(merged)}")
    return "".join(f"{line}\n" for line in lines)


def _parse(text: str) -> tuple[list[str], list[str], list[str]]:
    servers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    for line in text.splitlines():
        word, *rest = line.split("#", 1)[0].split() or [""]
        if word == "nameserver":
            servers += rest[:1]
        elif word in ("search", "domain"):
            searches = rest  # the last one counts
        elif word == "options":
            options += rest
    return servers, searches, options


def _options(options: list[str], wanted: PodDNSConfig) -> list[str]:
    """The pod's option replaces the node's of the same name."""
    merged = {o.partition(":")[0]: o for o in options}
    for option in wanted.options:
        merged[option.name] = f"{option.name}:{option.value}" if option.value else option.name
    return list(merged.values())


def _unique(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))
