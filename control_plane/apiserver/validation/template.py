"""Templates of pods, and the selectors that must fit them: what all makers of pods have in common."""

from api.errors import Cause
from api.selectors import labels_from
from control_plane.apiserver.validation import causes, schema
from control_plane.apiserver.validation.meta import validate_annotations, validate_labels
from control_plane.apiserver.validation.pod import validate_pod_spec
from control_plane.apiserver.validation.selector import validate_selector
from proto.v1.apps_pb2 import PodTemplateSpec
from proto.v1.meta_pb2 import LabelSelector


def validate_template(template: PodTemplateSpec, path: str) -> list[Cause]:
    """All that is wrong with a template, beyond the rules of single fields; others judge its restartPolicy."""
    found = validate_labels(template.metadata.labels, f"{path}.labels")
    found += validate_annotations(template.metadata.annotations, f"{path}.annotations")
    return found + validate_pod_spec(template.spec, f"{path}.spec")


def validate_own_selector(selector: LabelSelector, path: str, owner: str) -> list[Cause]:
    """The selector of a maker of pods: an empty one would take every pod there is."""
    if not selector.matchLabels and not selector.matchExpressions:
        told = f"empty selector is invalid for {owner}"
        return [causes.invalid(path, selector, told)]
    return validate_selector(selector, path)


def validate_fit(selector: LabelSelector, template: PodTemplateSpec, path: str) -> list[Cause]:
    """Pods that their maker does not see would be made again and again. A selector that is none is judged elsewhere."""
    labels = template.metadata.labels
    if schema.check(selector) or labels_from(selector).matches(labels):
        return []
    told = "`selector` does not match template `labels`"
    return [causes.invalid(f"{path}.metadata.labels", dict(labels), told)]
