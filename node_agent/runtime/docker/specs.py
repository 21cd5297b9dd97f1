"""From our specs to the engine's container configurations. Pure.

The keys are the Docker Engine API's (POST /containers/create). What is decided here: a container
joins its sandbox's network and IPC namespace, never publishes a port, never restarts by itself
(the agent decides that), gets no swap, and logs to rotated JSON files.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from node_agent.runtime import names
from node_agent.runtime.model import ContainerSpec, Mount, Resources, SandboxSpec, Security, Tmpfs

SANDBOX_OOM_SCORE = -998  # killed last: without its sandbox all of the pod is lost
CPU_PERIOD = 100_000  # µs, the kernel's default and Kubernetes'
_PROPAGATION = {"None": "rprivate", "HostToContainer": "rslave", "Bidirectional": "rshared"}
_LOG = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}


@dataclass(frozen=True)
class Owner:
    """Whose containers they are; several owners may share one engine."""

    cluster: str
    node: str
    lowest_oom_score: int = -1000  # what the kernel allows the engine; see privileges.py

    @property
    def instance(self) -> str:
        return names.instance(self.cluster, self.node)

    def labels(self) -> dict[str, str]:
        """What every container of this owner carries, and nobody else's."""
        return {names.CLUSTER: self.cluster, names.NODE: self.node}


def sandbox(spec: SandboxSpec, owner: Owner, pause_image: str) -> dict[str, Any]:
    """The sandbox: a process that sleeps, in the namespaces of the pod."""
    ours = spec.namespaces
    host: dict[str, Any] = {
        "NetworkMode": "host" if ours.host_network else "none",
        "IpcMode": "host" if ours.host_ipc else "shareable",
        "PidMode": "host" if ours.host_pid else "",
        "CgroupParent": spec.cgroup_parent,
        "Sysctls": dict(spec.sysctls),
        "OomScoreAdj": max(SANDBOX_OOM_SCORE, owner.lowest_oom_score),
        "CpuShares": 2,
        "LogConfig": {"Type": "none", "Config": {}},
        "SecurityOpt": ["no-new-privileges"],
        "ReadonlyRootfs": True,
    }
    return {
        "Image": pause_image,
        "Hostname": "" if ours.host_network else spec.hostname,
        "Labels": {
            **owner.labels(),
            names.KIND: "sandbox",
            names.POD_UID: spec.pod_uid,
            names.POD_NAME: spec.pod_name,
            names.POD_NAMESPACE: spec.pod_namespace,
            names.ATTEMPT: str(spec.attempt),
            names.IP: spec.ip,
            names.NAMESPACES: json.dumps(asdict(ours)),
            names.CGROUP_PARENT: spec.cgroup_parent,
            names.LABELS: json.dumps(dict(spec.labels)),
            names.ANNOTATIONS: json.dumps(dict(spec.annotations)),
        },
        "HostConfig": host,
    }


def container(
    spec: ContainerSpec, owner: Owner, *, extra_mounts: tuple[Mount, ...], termination_file: str
) -> dict[str, Any]:
    """A container of a pod. `extra_mounts` give way to the pod's own at the same path."""
    own = {mount.container_path for mount in spec.mounts}
    mounts = spec.mounts + tuple(m for m in extra_mounts if m.container_path not in own)
    config: dict[str, Any] = {
        "Image": spec.image,
        "Env": [f"{name}={value}" for name, value in spec.env],
        "WorkingDir": spec.working_dir,
        "Tty": spec.tty,
        "OpenStdin": spec.stdin,
        "StdinOnce": spec.stdin and spec.stdin_once,
        "User": user(spec.security),
        "Labels": _container_labels(spec, owner, termination_file),
        "HostConfig": _host_config(spec, mounts, owner),
    }
    if spec.command:
        config["Entrypoint"] = list(spec.command)
    if spec.args:
        config["Cmd"] = list(spec.args)
    if spec.stop_signal:
        config["StopSignal"] = spec.stop_signal
    return config


def user(security: Security) -> str:
    """Docker's user[:group]; a group alone belongs to root, as nobody else was named."""
    if security.run_as_group is None:
        return "" if security.run_as_user is None else str(security.run_as_user)
    return f"{security.run_as_user or 0}:{security.run_as_group}"


def resources(wanted: Resources, lowest_oom_score: int = -1000) -> dict[str, Any]:
    """Requests become relative weights, limits become quotas (1000 millicores are one CPU)."""
    memory = wanted.memory_limit_bytes or 0
    limit = wanted.cpu_limit_millis
    return {
        "CpuShares": max(2, wanted.cpu_request_millis * 1024 // 1000),
        "CpuPeriod": CPU_PERIOD if limit else 0,
        "CpuQuota": max(1000, limit * CPU_PERIOD // 1000) if limit else 0,
        "Memory": memory,
        "MemorySwap": memory,
        "OomScoreAdj": max(wanted.oom_score_adj, lowest_oom_score),
        "PidsLimit": wanted.pids_limit,
    }


def _container_labels(spec: ContainerSpec, owner: Owner, termination_file: str) -> dict[str, str]:
    return {
        **owner.labels(),
        names.KIND: "container",
        names.POD_UID: spec.sandbox.pod_uid,
        names.POD_NAME: spec.sandbox.pod_name,
        names.POD_NAMESPACE: spec.sandbox.pod_namespace,
        names.CONTAINER: spec.name,
        names.ATTEMPT: str(spec.attempt),
        names.SPEC_HASH: spec.spec_hash,
        names.TERMINATION_FILE: termination_file,
        names.LABELS: json.dumps(dict(spec.labels)),
    }


def _host_config(spec: ContainerSpec, mounts: tuple[Mount, ...], owner: Owner) -> dict[str, Any]:
    security, shared = spec.security, spec.sandbox.namespaces
    joined = f"container:{spec.sandbox.id}"
    pid = "host" if shared.host_pid else joined if shared.share_process else ""
    return {
        "NetworkMode": joined,
        "IpcMode": "host" if shared.host_ipc else joined,
        "PidMode": pid,
        "CgroupParent": spec.sandbox.cgroup_parent,
        "RestartPolicy": {"Name": "no"},
        "LogConfig": _LOG,
        "Mounts": [_bind(mount) for mount in mounts] + [_memory(tmpfs) for tmpfs in spec.tmpfs],
        "GroupAdd": [str(group) for group in security.supplemental_groups],
        "Privileged": security.privileged,
        "CapAdd": list(security.add_capabilities),
        "CapDrop": list(security.drop_capabilities),
        "ReadonlyRootfs": security.read_only_root_filesystem,
        "SecurityOpt": _security_options(security),
        **resources(spec.resources, owner.lowest_oom_score),
    }


def _security_options(security: Security) -> list[str]:
    options = ["no-new-privileges"] if security.no_new_privileges else []
    return options + (["seccomp=unconfined"] if security.seccomp == "Unconfined" else [])


def _bind(mount: Mount) -> Mapping[str, Any]:
    return {
        "Type": "bind",
        "Source": mount.host_path,
        "Target": mount.container_path,
        "ReadOnly": mount.read_only,
        "BindOptions": {"Propagation": _PROPAGATION[mount.propagation]},
    }


def _memory(tmpfs: Tmpfs) -> Mapping[str, Any]:
    options = {"Mode": tmpfs.mode} | ({"SizeBytes": tmpfs.size_bytes} if tmpfs.size_bytes else {})
    return {"Type": "tmpfs", "Target": tmpfs.container_path, "TmpfsOptions": options}
