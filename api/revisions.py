"""What a ControllerRevision remembers: a template that a DaemonSet or StatefulSet once had (S#73, S#75).

Its `data` is a strategic patch that makes its owner what it was then:

    {"spec": {"template": {…, "$patch": "replace"}}}

The controllers write it, `rollout history` and `rollout undo` read it.
"""

from typing import Any

from api.jsonform import from_json, to_json
from proto.v1.apps_pb2 import ControllerRevision, PodTemplateSpec


def patch_of(revision: ControllerRevision) -> dict[str, Any]:
    """What to send to the owner, so that it goes back."""
    data: dict[str, Any] = to_json(revision).get("data", {})
    return data


def template_of(revision: ControllerRevision) -> PodTemplateSpec:
    """The template that it remembers; an empty one if its data is not what we write."""
    spec = patch_of(revision).get("spec")
    kept = spec.get("template") if isinstance(spec, dict) else None
    fields = {k: v for k, v in kept.items() if k != "$patch"} if isinstance(kept, dict) else {}
    template, _ = from_json(PodTemplateSpec, fields)
    return template
