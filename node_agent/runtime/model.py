"""The nouns of the runtime: what the agent asks for (specs) and what it is told (records).

All are frozen values. Nothing here knows about the API's messages: the agent translates a Pod
into specs, so that the same runtime can be driven by a test, a lab, or another orchestrator.
Everything a record says survives a crash of the agent, because the runtime keeps it with the
container itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

SandboxState: TypeAlias = Literal["ready", "notready"]
ContainerState: TypeAlias = Literal["created", "running", "exited"]
# Kubernetes' words: private, rslave, rshared.
Propagation: TypeAlias = Literal["None", "HostToContainer", "Bidirectional"]
Seccomp: TypeAlias = Literal["RuntimeDefault", "Unconfined"]
Channel: TypeAlias = Literal["stdout", "stderr"]


@dataclass(frozen=True)
class Namespaces:
    """Which of the host's namespaces a pod uses instead of its own."""

    host_network: bool = False
    host_pid: bool = False
    host_ipc: bool = False
    share_process: bool = False  # the pod's containers see each other's processes


@dataclass(frozen=True)
class SandboxSpec:
    """The empty shell of a pod: what holds its namespaces while containers come and go."""

    pod_uid: str
    pod_name: str
    pod_namespace: str
    attempt: int = 0  # grows when a dead sandbox is replaced
    hostname: str = ""
    ip: str = ""  # the address the pod network will give it; remembered, not configured, here
    namespaces: Namespaces = Namespaces()
    cgroup_parent: str = ""  # the engine's default when empty
    sysctls: Mapping[str, str] = field(default_factory=dict)
    resolv_conf: str | None = None  # text of /etc/resolv.conf; None leaves the engine's
    hosts: str | None = None  # text of /etc/hosts; None leaves the engine's
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sandbox:
    """A pod's shell as the engine has it."""

    pod_uid: str
    pod_name: str
    pod_namespace: str
    attempt: int
    id: str
    state: SandboxState
    created_at: datetime
    ip: str = ""
    namespaces: Namespaces = Namespaces()
    cgroup_parent: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Mount:
    """A directory or file of the host, seen in the container. The host path must exist."""

    host_path: str
    container_path: str
    read_only: bool = False
    propagation: Propagation = "None"


@dataclass(frozen=True)
class Tmpfs:
    """Memory mounted as a directory, gone with the container."""

    container_path: str
    size_bytes: int | None = None  # half of the machine's memory when None
    mode: int = 0o1777


@dataclass(frozen=True)
class Resources:
    """What the kernel guarantees and forbids. None means no limit."""

    cpu_request_millis: int = 0
    cpu_limit_millis: int | None = None
    memory_limit_bytes: int | None = None  # memory and swap together: no swap
    oom_score_adj: int = 0
    pids_limit: int | None = None


@dataclass(frozen=True)
class Security:
    """Who the process is, and what it may do."""

    run_as_user: int | None = None  # the image's when None
    run_as_group: int | None = None
    supplemental_groups: tuple[int, ...] = ()
    privileged: bool = False
    add_capabilities: tuple[str, ...] = ()  # without CAP_; "ALL" is a word of its own
    drop_capabilities: tuple[str, ...] = ()
    read_only_root_filesystem: bool = False
    no_new_privileges: bool = False  # allowPrivilegeEscalation: false
    seccomp: Seccomp = "RuntimeDefault"


@dataclass(frozen=True)
class ContainerSpec:
    """One container of a pod. (pod uid, name, attempt) names it: a repeated create is harmless.

    `command` replaces the image's ENTRYPOINT and also drops its CMD; `args` replaces CMD. Either
    may be None, which keeps the image's own; this is Kubernetes' matrix.
    """

    sandbox: Sandbox
    name: str
    image: str
    attempt: int = 0  # the restart count of the pod's container
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # may hold secrets
    working_dir: str = ""
    mounts: tuple[Mount, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    resources: Resources = Resources()
    security: Security = Security()
    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False  # close stdin when the first attached client leaves
    stop_signal: str = ""  # the image's STOPSIGNAL when empty
    termination_message_path: str = ""  # a file in the container; none when empty
    spec_hash: str = ""  # the agent's fingerprint of what it asked for, handed back by list
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ContainerStatus:
    """One container as the engine has it, dead ones too."""

    pod_uid: str
    name: str
    attempt: int
    id: str
    image: str
    image_id: str
    state: ContainerState
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None  # set when exited
    oom_killed: bool = False
    reason: str = ""  # when exited: Completed, Error, OOMKilled, StartError
    message: str = ""  # the engine's words, when it has any
    termination_message: str = ""  # what the container wrote, at most 4096 bytes
    log_path: str = ""
    spec_hash: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PodRecord:
    """All that the engine has of one pod, in order of attempt: the newest is last."""

    pod_uid: str
    sandboxes: tuple[Sandbox, ...] = ()
    containers: tuple[ContainerStatus, ...] = ()


@dataclass(frozen=True)
class ImageInfo:
    """An image on this node."""

    id: str
    references: tuple[str, ...]
    size_bytes: int
    user: str = ""  # the image's USER; "" is root. Not known from list_images.


@dataclass(frozen=True)
class RegistryLogin:
    """What an imagePullSecret holds for one registry."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class ExecResult:
    """How a command in a container ended; stdout and stderr as they came."""

    exit_code: int
    output: bytes


@dataclass(frozen=True)
class LogLine:
    """One line as the container wrote it, its newline included unless it had none."""

    stream: Channel
    time: str  # RFC 3339 with nanoseconds, UTC
    line: bytes


@dataclass(frozen=True)
class Usage:
    """What a container has used, read from its cgroup."""

    cpu_nanoseconds: int  # since it began; only grows
    memory_working_set_bytes: int  # what cannot be dropped under pressure
    memory_usage_bytes: int
