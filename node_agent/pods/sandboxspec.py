"""From a pod to its sandbox: names, namespaces, how it looks up names. Pure.

https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/
"""

from node_agent.network.dns.resolvconf import Resolving, of_cluster, parse
from node_agent.network.rules import HostPort
from node_agent.pods.containerspec import hostname_of
from node_agent.pods.facts import NodeFacts
from node_agent.runtime.model import Namespaces, SandboxSpec
from proto.v1.pod_pb2 import Pod

_HOSTS_HEAD = """\
# Written by the node's agent: changes are lost with the pod.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""


def sandbox_spec(pod: Pod, attempt: int, ip: str, node: NodeFacts) -> SandboxSpec:
    """`ip` is the address that the pod network has set aside."""
    spec, meta = pod.spec, pod.metadata
    return SandboxSpec(
        pod_uid=meta.uid,
        pod_name=meta.name,
        pod_namespace=meta.namespace,
        attempt=attempt,
        hostname=full_name_of(pod, node.cluster_domain)
        if spec.setHostnameAsFQDN
        else hostname_of(pod),
        ip=ip,
        namespaces=Namespaces(
            spec.hostNetwork, spec.hostPID, spec.hostIPC, spec.shareProcessNamespace
        ),
        sysctls={s.name: s.value for s in spec.securityContext.sysctls},
        resolv_conf=resolv_conf(pod, node),
        hosts=None
        if spec.hostNetwork and not spec.hostAliases
        else hosts(pod, ip, node.cluster_domain),
        labels=dict(meta.labels),
    )


def full_name_of(pod: Pod, domain: str) -> str:
    """The host name with its domain; a pod without a subdomain has none."""
    name, subdomain = hostname_of(pod), pod.spec.subdomain
    return f"{name}.{subdomain}.{pod.metadata.namespace}.svc.{domain}" if subdomain else name


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


def hosts(pod: Pod, ip: str, domain: str) -> str:
    """The text of /etc/hosts."""
    text = _HOSTS_HEAD
    if ip:
        names = dict.fromkeys((full_name_of(pod, domain), hostname_of(pod)))
        text += "\t".join((ip, *names)) + "\n"
    for alias in pod.spec.hostAliases:
        text += f"{alias.ip}\t{chr(9).join(alias.hostnames)}\n"
    return text


def resolv_conf(pod: Pod, node: NodeFacts) -> str:
    """The text of /etc/resolv.conf, by the pod's dnsPolicy; what its dnsConfig adds comes after."""
    return _resolving(pod, node).with_config(pod.spec.dnsConfig).text()


def _resolving(pod: Pod, node: NodeFacts) -> Resolving:
    """ClusterFirst means Default for a pod in the node's own network; it can say that it means it nevertheless."""
    policy, nodes_own = pod.spec.dnsPolicy, parse(node.resolv_conf)
    if policy == "None":
        return Resolving()
    clusters = policy == "ClusterFirstWithHostNet" or (
        policy in ("ClusterFirst", "") and not pod.spec.hostNetwork
    )
    if not clusters or not node.name_server:
        return nodes_own
    return of_cluster(pod.metadata.namespace, node.cluster_domain, node.name_server, nodes_own)
