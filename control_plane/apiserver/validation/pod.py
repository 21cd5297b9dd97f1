"""Pods: what must hold between the fields of a new pod, and in a binding.

Rules of single fields are in proto/v1/pod.proto; containers, volumes and scheduling have files of their own beside
this one. Changes of a pod are judged in pod_update.py.
"""

from api import names
from api.errors import Cause
from control_plane.apiserver.validation import causes, formats
from control_plane.apiserver.validation.containers import validate_containers
from control_plane.apiserver.validation.resources import validate_amounts
from control_plane.apiserver.validation.scheduling import validate_scheduling
from control_plane.apiserver.validation.volumes import validate_volumes
from proto.v1.pod_pb2 import Binding, PodSecurityContext, PodSpec

_SEARCHES_LIMIT = 2048  # characters of all search domains together
_GROUP_LIMIT = 2**31 - 1


def validate_pod_spec(spec: PodSpec, path: str = "spec") -> list[Cause]:
    """All that is wrong with a pod's spec, beyond the rules of single fields."""
    found = validate_volumes(spec.volumes, f"{path}.volumes")
    found += validate_containers(spec, path)
    found += validate_scheduling(spec, path)
    found += _dns(spec, path)
    if spec.HasField("securityContext"):
        found += _security(spec, spec.securityContext, f"{path}.securityContext")
    if spec.hostAliases:
        found += _host_aliases(spec, f"{path}.hostAliases")
    if spec.overhead:
        found += validate_amounts(spec.overhead, f"{path}.overhead")
    if spec.shareProcessNamespace and spec.hostPID:
        told = "ShareProcessNamespace and HostPID cannot both be enabled"
        found.append(causes.invalid(f"{path}.shareProcessNamespace", True, told))
    return found


def validate_new_pod(spec: PodSpec) -> list[Cause]:
    """With what holds only at creation."""
    found = validate_pod_spec(spec)
    if spec.schedulingGates and spec.nodeName:
        told = "cannot be set until all schedulingGates have been cleared"
        found.append(causes.forbidden("spec.nodeName", told))
    return found


def validate_binding(binding: Binding) -> list[Cause]:
    found = []
    if binding.target.kind not in ("", "Node"):
        found.append(causes.unsupported("target.kind", binding.target.kind, ("Node",)))
    if not binding.target.name:
        found.append(causes.required("target.name"))
    else:
        problems = names.dns_subdomain(binding.target.name)
        found += [causes.invalid("target.name", binding.target.name, each) for each in problems]
    return found


def _dns(spec: PodSpec, path: str) -> list[Cause]:
    if not spec.HasField("dnsConfig"):
        told = "must provide `dnsConfig` when `dnsPolicy` is None"
        return [causes.required(f"{path}.dnsConfig", told)] if spec.dnsPolicy == "None" else []
    path, config, found = f"{path}.dnsConfig", spec.dnsConfig, []
    if spec.dnsPolicy == "None" and not config.nameservers:
        told = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        found.append(causes.required(f"{path}.nameservers", told))
    if len(" ".join(config.searches)) > _SEARCHES_LIMIT:
        told = f"must not have more than {_SEARCHES_LIMIT} characters (including spaces) in the search list"
        found.append(causes.invalid(f"{path}.searches", list(config.searches), told))
    for index, search in enumerate(config.searches):
        domain = search.removesuffix(".").replace("_", "a")
        problems = names.dns_subdomain(domain) if search != "." else ()
        found += [causes.invalid(f"{path}.searches[{index}]", search, each) for each in problems]
    return found


def _host_aliases(spec: PodSpec, path: str) -> list[Cause]:
    return [
        causes.invalid(f"{path}[{index}].hostnames[{at}]", hostname, problem)
        for index, alias in enumerate(spec.hostAliases)
        for at, hostname in enumerate(alias.hostnames)
        for problem in names.dns_subdomain(hostname)
    ]


def _security(spec: PodSpec, context: PodSecurityContext, path: str) -> list[Cause]:
    told = f"must be between 0 and {_GROUP_LIMIT}, inclusive"
    found = [
        causes.invalid(f"{path}.supplementalGroups[{index}]", group, told)
        for index, group in enumerate(context.supplementalGroups)
        if not 0 <= group <= _GROUP_LIMIT
    ]
    places = [(f"{path}.sysctls[{at}].name", each.name) for at, each in enumerate(context.sysctls)]
    for place, name in places:
        if name:
            found += [causes.invalid(place, name, each) for each in formats.sysctl_name(name)]
            found += _sysctl_of_the_node(spec, place, name)
    return found + causes.duplicates(places)


def _sysctl_of_the_node(spec: PodSpec, path: str, name: str) -> list[Cause]:
    """A pod that shares a namespace with its node would change the node's settings."""
    plain = name.replace("/", ".")
    if spec.hostNetwork and plain.startswith("net."):
        return [causes.invalid(path, name, "may not be specified when 'hostNetwork' is true")]
    shared = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")
    if spec.hostIPC and plain.startswith(shared):
        return [causes.invalid(path, name, "may not be specified when 'hostIPC' is true")]
    return []
