"""The checks of the Pod Security Standards, for the fields that pods have here, in Kubernetes' words.

Each looks at a pod's spec and says which part of it is not allowed; "" is fine. Where rules have changed over time,
the minor version whose rules are meant is handed in. What pods here do not have (AppArmor, SELinux, procMount, Windows)
cannot be violated.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from proto.v1.pod_pb2 import Container, PodSpec


@dataclass(frozen=True)
class Check:
    name: str
    reason: str
    find: Callable[[PodSpec, int], str]
    since: int = 0  # the minor version in which it came
    replaces: tuple[str, ...] = ()  # weaker checks that have nothing to add


DEFAULT_CAPABILITIES = frozenset((
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
    "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
))  # fmt: skip
SAFE_PROFILES = ("RuntimeDefault", "Localhost")
SAFE_VOLUMES = ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim",
                "projected", "secret")  # fmt: skip
# Sysctls that touch nothing but the pod, and since when they are counted among these.
SAFE_SYSCTLS = {
    **dict.fromkeys(("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
                     "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start"), 0),
    "net.ipv4.ip_local_reserved_ports": 27,
    **dict.fromkeys(("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
                     "net.ipv4.tcp_keepalive_probes"), 29),
    **dict.fromkeys(("net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"), 32),
}  # fmt: skip


def _containers(spec: PodSpec) -> list[Container]:
    return [*spec.initContainers, *spec.containers]


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _named(what: str, names: Sequence[str]) -> str:
    """`container "a"`, `containers "a", "b"`."""
    return f"{what}{'s' if len(names) > 1 else ''} {_quoted(names)}"


def _must(names: Sequence[str], told: str) -> str:
    return f"{_named('container', names)} must {told}" if names else ""


def _set(message: Message, field: str) -> Any:
    """The value of an optional field; None: not set."""
    return getattr(message, field) if message.HasField(field) else None


# Baseline


def _capabilities(spec: PodSpec, _: int) -> str:
    return _adding(spec, DEFAULT_CAPABILITIES)


def _adding(spec: PodSpec, allowed: Collection[str]) -> str:
    bad, added = [], set()
    for container in _containers(spec):
        more = set(container.securityContext.capabilities.add) - set(allowed)
        if more:
            bad.append(container.name)
            added |= more
    told = f"not include {_quoted(sorted(added))} in securityContext.capabilities.add"
    return _must(bad, told)


def _host_namespaces(spec: PodSpec, _: int) -> str:
    names = ("hostNetwork", "hostPID", "hostIPC")
    return ", ".join(f"{name}=true" for name in names if getattr(spec, name))


def _host_paths(spec: PodSpec, _: int) -> str:
    names = [volume.name for volume in spec.volumes if volume.HasField("hostPath")]
    return _named("volume", names) if names else ""


def _host_ports(spec: PodSpec, _: int) -> str:
    bad = [c.name for c in _containers(spec) if any(port.hostPort for port in c.ports)]
    ports = sorted({str(p.hostPort) for c in _containers(spec) for p in c.ports if p.hostPort})
    if not bad:
        return ""
    return f"{_named('container', bad)} {_uses('hostPort', bad, ports)} {', '.join(ports)}"


def _uses(what: str, users: Sequence[str], used: Sequence[str]) -> str:
    return f"{'use' if len(users) > 1 else 'uses'} {what}{'s' if len(used) > 1 else ''}"


def _probe_hosts(spec: PodSpec, _: int) -> str:
    found = {c.name: hosts for c in _containers(spec) if (hosts := set(_hosts(c)))}
    if not found:
        return ""
    names, all_hosts = sorted(found), sorted(set().union(*found.values()))
    used = _uses("probe or lifecycle host", names, all_hosts)
    return f"{_named('container', names)} {used} {_quoted(all_hosts)}"


def _hosts(container: Container) -> Iterable[str]:
    """Probes and hooks that ask somebody else than the pod."""
    lifecycle = container.lifecycle
    probes = (container.livenessProbe, container.readinessProbe, container.startupProbe)
    for action in (*probes, lifecycle.postStart, lifecycle.preStop):
        yield from filter(None, (action.httpGet.host, action.tcpSocket.host))


def _privileged(spec: PodSpec, _: int) -> str:
    bad = [c.name for c in _containers(spec) if c.securityContext.privileged]
    return _must(bad, "not set securityContext.privileged=true")


def _unconfined(spec: PodSpec, _: int) -> str:
    def bad(context: Any) -> str:
        """The type, if it is not allowed."""
        type_ = context.seccompProfile.type if context.HasField("seccompProfile") else ""
        return type_ if type_ not in ("", *SAFE_PROFILES) else ""

    own = {c.name: bad(c.securityContext) for c in _containers(spec) if bad(c.securityContext)}
    pod = bad(spec.securityContext)
    types = _quoted(sorted({*own.values(), *filter(None, [pod])}))
    told = f"must not set securityContext.seccompProfile.type to {types}"
    return _setters(bool(pod), list(own), told)


def _setters(pod_too: bool, names: Sequence[str], told: str) -> str:
    """`pod and container "a" must not …`"""
    who = [*(["pod"] if pod_too else []), *([_named("container", names)] if names else [])]
    return f"{' and '.join(who)} {told}" if who else ""


def _sysctls(spec: PodSpec, minor: int) -> str:
    names = (sysctl.name for sysctl in spec.securityContext.sysctls)
    return ", ".join(name for name in names if SAFE_SYSCTLS.get(name, 10**9) > minor)


# Restricted


def _escalation(spec: PodSpec, _: int) -> str:
    bad = [
        c.name
        for c in _containers(spec)
        if _set(c.securityContext, "allowPrivilegeEscalation") is not False
    ]
    return _must(bad, "set securityContext.allowPrivilegeEscalation=false")


def _all_dropped(spec: PodSpec, _: int) -> str:
    keeping = [
        c.name for c in _containers(spec) if "ALL" not in c.securityContext.capabilities.drop
    ]
    told = (
        _must(keeping, 'set securityContext.capabilities.drop=["ALL"]'),
        _adding(spec, ("NET_BIND_SERVICE",)),
    )
    return "; ".join(filter(None, told))


def _volume_types(spec: PodSpec, _: int) -> str:
    bad: dict[str, str] = {}
    for volume in spec.volumes:
        sources = [field.name for field, _ in volume.ListFields() if field.name != "name"]
        for source in sources:
            if source not in SAFE_VOLUMES:
                bad[volume.name] = source
    if not bad:
        return ""
    types = sorted(set(bad.values()))
    used = _uses("restricted volume type", list(bad), types)
    return f"{_named('volume', list(bad))} {used} {_quoted(types)}"


def _non_root(spec: PodSpec, _: int) -> str:
    pod = _set(spec.securityContext, "runAsNonRoot")
    own = {c.name: _set(c.securityContext, "runAsNonRoot") for c in _containers(spec)}
    wrong = [name for name, value in own.items() if value is False]
    if pod is False or wrong:
        return _setters(pod is False, wrong, "must not set securityContext.runAsNonRoot=false")
    silent = [name for name, value in own.items() if value is None]
    return "" if pod else _either(silent, "securityContext.runAsNonRoot=true")


def _either(names: Sequence[str], told: str) -> str:
    return f"pod or {_named('container', names)} must set {told}" if names else ""


def _root_user(spec: PodSpec, _: int) -> str:
    bad = [c.name for c in _containers(spec) if _set(c.securityContext, "runAsUser") == 0]
    return _setters(_set(spec.securityContext, "runAsUser") == 0, bad, "must not set runAsUser=0")


def _confined(spec: PodSpec, minor: int) -> str:
    if told := _unconfined(spec, minor):
        return told
    if spec.securityContext.HasField("seccompProfile"):
        return ""
    silent = [c.name for c in _containers(spec) if not c.securityContext.HasField("seccompProfile")]
    return _either(silent, 'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"')


BASELINE = (
    Check("capabilities_baseline", "non-default capabilities", _capabilities),
    Check("hostNamespaces", "host namespaces", _host_namespaces),
    Check("hostPathVolumes", "hostPath volumes", _host_paths),
    Check("hostPorts", "hostPort", _host_ports),
    Check("hostProbesAndHostLifecycle", "probe or lifecycle host", _probe_hosts, 34),
    Check("privileged", "privileged", _privileged),
    Check("seccompProfile_baseline", "seccompProfile", _unconfined, 19),
    Check("sysctls", "forbidden sysctls", _sysctls),
)
RESTRICTED = (
    Check("allowPrivilegeEscalation", "allowPrivilegeEscalation != false", _escalation, 8),
    Check("capabilities_restricted", "unrestricted capabilities", _all_dropped, 22, ("capabilities_baseline",)),
    Check("restrictedVolumes", "restricted volume types", _volume_types, 0, ("hostPathVolumes",)),
    Check("runAsNonRoot", "runAsNonRoot != true", _non_root),
    Check("runAsUser", "runAsUser=0", _root_user, 23),
    Check("seccompProfile_restricted", "seccompProfile", _confined, 19, ("seccompProfile_baseline",)),
)  # fmt: skip
