"""Changing an object without sending all of it: the three kinds of patch, and the one that `apply` computes (S#13).

    json_patch        RFC 6902: a list of operations
    merge_patch       RFC 7396: an object that is laid over; lists are replaced whole
    strategic_patch   Kubernetes: like merge, but lists of objects are merged by a key, as proto/v1 says
    three_way         the strategic patch that makes `current` what `modified` says

All work on plain JSON values, change none of their arguments, and raise BadRequest for a patch that makes no sense, or
Invalid for one that does not fit the object. They stand in api/ because clients compute patches too.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.message import Message

from api.client import PATCH_TYPES, PatchType
from api.errors import BadRequest, UnsupportedMedia
from api.patch.jsonpatch import json_patch
from api.patch.merge import merge_patch
from api.patch.strategic import strategic_patch
from api.patch.threeway import three_way

__all__ = ["apply_patch", "json_patch", "merge_patch", "patch_type", "strategic_patch", "three_way"]

_BY_MEDIA: dict[str, PatchType] = {media: name for name, media in PATCH_TYPES.items()}


def patch_type(media: str) -> PatchType:
    """The kind of patch that a content type names. Raises UnsupportedMedia, which says what there is."""
    found = _BY_MEDIA.get(media.partition(";")[0].strip().lower())
    if found is None:
        known = ", ".join(_BY_MEDIA)
        raise UnsupportedMedia(f"the patch type {media!r} is not supported; supported are: {known}")
    return found


def apply_patch(
    doc: Mapping[str, Any],
    patch: Any,
    *,
    patch_type: PatchType,
    message_type: type[Message],
) -> Any:
    """The patched document, for a patch of any type and any shape."""
    try:
        if patch_type == "json":
            if not isinstance(patch, Sequence) or isinstance(patch, str):
                raise BadRequest("a JSON patch must be a list of operations")
            return json_patch(doc, patch)
        if not isinstance(patch, Mapping):
            raise BadRequest(f"a {patch_type} patch must be an object")
        if patch_type == "merge":
            return merge_patch(doc, patch)
        return strategic_patch(doc, patch, message_type)
    except RecursionError:
        raise BadRequest("the patch is nested too deeply") from None
