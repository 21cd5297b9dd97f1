"""What one shows, and whom one believes: the two halves of mutual TLS, as every client of the cluster has them.

An Identity is bytes and nothing else, so that it can come from a kubeconfig, a directory or a test. grpc is imported
only when a channel is made of it (see cli/quickread.py, which does without).
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Identity:
    """Certificates and keys are in PEM form."""

    ca: bytes  # whom to believe
    certificate: bytes = b""  # what to show; empty: nothing, the token says who we are
    key: bytes = field(default=b"", repr=False)  # secrets do not get into logs by being printed
    token: str = field(default="", repr=False)

    def channel_credentials(self) -> Any:
        """For `grpc.secure_channel`, synchronous or not."""
        import grpc

        shown = (self.key, self.certificate) if self.certificate else (None, None)
        credentials = grpc.ssl_channel_credentials(self.ca, *shown)
        if not self.token:
            return credentials
        bearer = grpc.access_token_call_credentials(self.token)
        return grpc.composite_channel_credentials(credentials, bearer)
