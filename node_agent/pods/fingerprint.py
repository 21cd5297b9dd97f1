"""What of a container may change under a running pod: the image. Its hash is written on the container. Pure."""

import hashlib

from proto.v1.pod_pb2 import Container


def fingerprint(container: Container) -> str:
    """Of name and image only, as in Kubernetes: an upgrade of the agent must not restart everything."""
    told = f"{container.name}\0{container.image}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]
