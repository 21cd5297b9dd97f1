"""The runtime over a Docker Engine, 20.10 or newer, reached through its unix socket.

A pod is a sandbox container that holds the namespaces, and its containers, which join them. The
engine's own networks are not used: the sandbox gets an empty network namespace, and the agent's
pod network wires it. Docker does what it is good at: images, file systems, cgroups, processes.
"""

from node_agent.runtime.docker.runtime import DockerRuntime

__all__ = ["DockerRuntime"]
