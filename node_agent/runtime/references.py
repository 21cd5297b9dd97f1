"""Image references, and why an image could not be fetched. Pure.

A reference is [registry[:port]/]path[:tag][@digest], as the distribution specification writes it;
no tag means `latest`. The engine's reasons are written for those who know the registry protocol;
`explain` turns them into what happened and what to do.
"""

import re
from dataclasses import dataclass

from node_agent.runtime.errors import InvalidImageName

LOCAL_PREFIX = "helmling/"  # images the project builds itself; no registry has them

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9.-]+(?=:[0-9]))(?::[0-9]+)?"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_HOST}/)?{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?"
    r"(?:@(?P<digest>[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-f]{32,}))?"
)
_IMAGE_ID = re.compile(r"sha256:[0-9a-f]{64}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Reference:
    """A parsed reference; `version` is the digest if it has one, else the tag."""

    name: str
    version: str

    @property
    def pinned(self) -> bool:
        """Whether it names one exact image for ever."""
        return ":" in self.version


def parse(reference: str) -> Reference:
    """Split a reference. Raises InvalidImageName."""
    if _IMAGE_ID.fullmatch(reference):
        return Reference(reference, "")
    match = _REFERENCE.fullmatch(reference)
    if match is None or len(match["name"]) > 255:
        raise InvalidImageName(
            f'"{reference}" is not an image reference: write registry/path:tag in lower case, '
            "for example docker.io/library/nginx:1.27"
        )
    return Reference(match["name"], match["digest"] or match["tag"] or "latest")


_UNREACHABLE = ("no such host", "dial tcp", "connection refused", "timeout", "deadline exceeded")
_DENIED = ("unauthorized", "denied", "authentication required", "no basic auth")
_MISSING = ("not found", "manifest unknown", "does not exist", "name unknown")


def explain(reference: str, engine_says: str) -> str:
    """One sentence: what happened to this pull, why, and what to do about it."""
    said = engine_says.strip()
    return f'could not pull "{reference}": {_advice(reference, said.lower())} (engine: {said})'


def _advice(reference: str, said: str) -> str:
    if reference.startswith(LOCAL_PREFIX):
        return "it is built on the node, not fetched; build it with `make images`"
    if any(word in said for word in _UNREACHABLE):
        return "its registry cannot be reached; check the node's network, or load the image"
    if any(word in said for word in _DENIED):
        return (
            "the registry has no such image or wants a login; check the name, "
            "or give the pod an imagePullSecret"
        )
    if any(word in said for word in _MISSING):
        return "the registry has no such image or tag; check the spelling"
    return "the engine failed to fetch it"
