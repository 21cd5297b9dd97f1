"""What can go wrong with containers, as one small tree.

    RuntimeFailure                  the root; never raised itself
    ├── RuntimeUnavailable          the engine is down or hung; nothing is known, try again later
    ├── NotFound                    no such container or sandbox
    ├── InvalidImageName            the reference cannot be parsed; retrying is useless
    ├── ImageUnavailable            the image cannot be had now; the message says what to do
    ├── ContainerCreateError        the engine refuses the specification
    ├── ContainerStartError         created, but its process could not begin
    └── ExecTimeout                 a command in a container took too long and was killed

An outage is never turned into an empty answer: an agent that read "no engine" as "no containers"
would start everything a second time. `reason` is the word Kubernetes puts into a pod's status.
"""


class RuntimeFailure(Exception):
    """Something about containers went wrong; the message is for people."""

    reason = "ContainerRuntimeError"


class RuntimeUnavailable(RuntimeFailure):
    """The engine did not answer in time, or not at all. The state of the world is unknown."""

    reason = "RuntimeUnavailable"


class NotFound(RuntimeFailure):
    """The engine knows no such container."""

    reason = "NotFound"


class InvalidImageName(RuntimeFailure):
    """The image reference is malformed."""

    reason = "InvalidImageName"


class ImageUnavailable(RuntimeFailure):
    """The image is not on this node and could not be fetched."""

    reason = "ErrImagePull"


class ContainerCreateError(RuntimeFailure):
    """The engine refused to create the container."""

    reason = "CreateContainerError"


class ContainerStartError(RuntimeFailure):
    """The container's process could not begin.

    `exit_code` is 127 when the program does not exist, 126 when it cannot be executed, and 128
    for everything else; `list` then shows the container as exited with it, reason `StartError`.
    """

    reason = "RunContainerError"

    def __init__(self, message: str, *, exit_code: int = 128) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class ExecTimeout(RuntimeFailure):
    """The command did not end in time; it has been killed."""

    reason = "ExecTimeout"
