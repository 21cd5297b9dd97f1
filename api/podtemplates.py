"""Which pods an object is about: itself, or those that will be made from its template."""

from typing import Any

from proto.v1.pod_pb2 import Pod, PodSpec


def spec_of(obj: Any) -> PodSpec | None:
    """The spec of the pod, or of the pods to come; None: the object makes none."""
    if isinstance(obj, Pod):
        return obj.spec
    spec = getattr(obj, "spec", None)
    if spec is not None and "jobTemplate" in spec.DESCRIPTOR.fields_by_name:
        spec = spec.jobTemplate.spec
    if spec is None or "template" not in spec.DESCRIPTOR.fields_by_name:
        return None
    return spec.template.spec if spec.HasField("template") else None
