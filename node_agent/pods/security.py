"""Who a container's process is and what it may do: the container's wishes over the pod's. Pure.

https://kubernetes.io/docs/tasks/configure-pod-container/security-context/
"""

from node_agent.pods.facts import ConfigError
from node_agent.runtime.model import Seccomp, Security
from proto.v1.pod_pb2 import Container, Pod


def security(pod: Pod, container: Container) -> Security:
    """Both contexts merged into what the runtime is asked for."""
    own, shared = container.securityContext, pod.spec.securityContext
    groups = list(shared.supplementalGroups)
    if shared.HasField("fsGroup"):
        groups.append(shared.fsGroup)
    capabilities = own.capabilities
    return Security(
        run_as_user=user(pod, container),
        run_as_group=_either(own, shared, "runAsGroup"),
        supplemental_groups=tuple(dict.fromkeys(groups)),
        privileged=own.privileged,
        add_capabilities=tuple(capabilities.add),
        drop_capabilities=tuple(capabilities.drop),
        read_only_root_filesystem=own.readOnlyRootFilesystem,
        no_new_privileges=own.HasField("allowPrivilegeEscalation")
        and not own.allowPrivilegeEscalation,
        seccomp=_seccomp(own.seccompProfile.type or shared.seccompProfile.type),
    )


def user(pod: Pod, container: Container) -> int | None:
    """The user asked for; None leaves it to the image."""
    return _either(container.securityContext, pod.spec.securityContext, "runAsUser")


def _either(own: object, shared: object, name: str) -> int | None:
    for context in (own, shared):
        if context.HasField(name):  # type: ignore[attr-defined]
            return int(getattr(context, name))
    return None


def _seccomp(wish: str) -> Seccomp:
    """Without a wish the engine's own profile: Kubernetes with SeccompDefault."""
    return "Unconfined" if wish == "Unconfined" else "RuntimeDefault"


def check_non_root(pod: Pod, container: Container, image_user: str) -> None:
    """Refuse what would run as root although it must not. Raises ConfigError."""
    own, shared = container.securityContext, pod.spec.securityContext
    wanted = own.runAsNonRoot if own.HasField("runAsNonRoot") else shared.runAsNonRoot
    if not wanted:
        return
    number = user(pod, container)
    if number == 0:
        raise ConfigError(
            "container's runAsUser breaks non-root policy: it is 0, and runAsNonRoot is true "
            f'(container "{container.name}")'
        )
    if number is not None:
        return
    name = image_user.partition(":")[0]
    if name in ("", "0", "root"):
        raise ConfigError(
            "container has runAsNonRoot and image will run as root: set "
            f'securityContext.runAsUser (container "{container.name}")'
        )
    if not name.isdigit():
        raise ConfigError(
            f"container has runAsNonRoot and image has non-numeric user ({name}), cannot verify "
            f'user is non-root: set securityContext.runAsUser (container "{container.name}")'
        )
