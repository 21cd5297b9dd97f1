"""JSON Merge Patch, RFC 7396."""

from collections.abc import Mapping
from typing import Any


def merge_patch(doc: Any, patch: Any) -> Any:
    """`patch` laid over `doc`: null removes, objects are merged, everything else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(doc) if isinstance(doc, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged
