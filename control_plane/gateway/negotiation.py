"""Which form of an answer a client takes (the header Accept), and in which form it sends. Pure.

JSON is always understood. What is asked for beyond it: a Table, PartialObjectMetadata, YAML. Of protobuf, which
Kubernetes' own clients prefer, bodies are read (protobuf.py) and none is written; a client that takes JSON as well
gets JSON, and one that takes nothing else is told 406, as Kubernetes tells it for objects without protobuf.
"""

from dataclasses import dataclass

from api.errors import ApiError, UnsupportedMedia

JSON, YAML = "application/json", "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
READABLE = (JSON, YAML)
TABLE, PARTIAL, PARTIAL_LIST = "Table", "PartialObjectMetadata", "PartialObjectMetadataList"
DISCOVERY = "APIGroupDiscoveryList"
_GROUPS = {
    TABLE: ("meta.k8s.io", ("v1", "v1beta1")),
    PARTIAL: ("meta.k8s.io", ("v1", "v1beta1")),
    PARTIAL_LIST: ("meta.k8s.io", ("v1", "v1beta1")),
    DISCOVERY: ("apidiscovery.k8s.io", ("v2", "v2beta1")),
}


class NotAcceptable(ApiError):
    code, http, reason = "INVALID_ARGUMENT", 406, "NotAcceptable"


@dataclass(frozen=True, slots=True)
class Form:
    shape: str = ""  # Table, PartialObjectMetadata, …; empty: the objects themselves
    version: str = ""  # of the shape
    media: str = JSON


def form(accept: str, *shapes: str) -> Form:
    """The first that the client names and that there is; `shapes`: those that this answer may take."""
    for each in accept.split(",") if accept.strip() else ("*/*",):
        media, parameters = _parsed(each)
        if media not in (*READABLE, "*/*", "application/*"):
            continue
        shape, version = parameters.get("as", ""), parameters.get("v", "")
        group, versions = _GROUPS.get(shape, ("", ()))
        if not shape:
            return Form(media=YAML if media == YAML else JSON)
        if shape in shapes and parameters.get("g") == group and version in versions:
            return Form(shape, version)
    raise NotAcceptable(
        f"only the following media types are accepted: {JSON}, {YAML}; asked for was {accept!r}"
    )


def sent(content_type: str) -> str:
    """The form of a body. Raises UnsupportedMedia."""
    media, _ = _parsed(content_type)
    if media in ("", JSON):
        return JSON
    if media in (YAML, PROTOBUF):
        return media
    raise UnsupportedMedia(
        "the body of the request was in an unknown format - accepted media types include: "
        f"{JSON}, {YAML}, {PROTOBUF}"
    )


def _parsed(text: str) -> tuple[str, dict[str, str]]:
    media, *rest = (part.strip() for part in text.split(";"))
    pairs = (part.partition("=") for part in rest)
    return media.lower(), {key.strip(): value.strip() for key, _, value in pairs}
