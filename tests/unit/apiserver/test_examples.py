"""Kubernetes' own example pods are accepted, or refused with the field that is not supported."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from api.jsonform import from_json, message_for
from api.jsonform.foreign import FOREIGN
from control_plane.apiserver import metadata
from tests.manifests import CREATED, strategy

FOLDER = Path(
    "shared/k8s-examples/pods"
)  # beside the repository, or beside the folder its worktrees are in


def example_files() -> list[Path]:
    roots = [parent / FOLDER for parent in Path(__file__).resolve().parents]
    found = next((root for root in roots if root.is_dir()), None)
    return sorted(found.rglob("*.yaml")) if found else []


def documents() -> list[Any]:
    return [
        pytest.param(document, id=f"{path.stem}-{index}")
        for path in example_files()
        for index, document in enumerate(yaml.safe_load_all(path.read_text()))
    ]


def test_the_examples_are_there() -> None:
    if not example_files():
        pytest.skip(
            f"the example manifests ({FOLDER}) are not beside this repository: nothing to check against"
        )


@pytest.mark.parametrize("document", documents())
def test_an_example_is_accepted_or_refused_for_a_field_that_is_not_supported(
    document: dict[str, Any],
) -> None:
    kind, causes = message_for(document)
    assert kind is not None, causes
    pod, causes = from_json(kind.message, document)
    foreign = {name for names in FOREIGN.values() for name in names}
    for cause in causes:
        assert cause.field.rpartition(".")[2] in foreign
        assert cause.message == "unknown field: Kubernetes has it, but it is not supported here"
    if not causes:
        hooks = strategy(kind.name)
        pod.metadata.namespace = "default"
        metadata.prepare_create(pod, uid="u", stamp=CREATED, suffix="bcdfg")
        hooks.default(pod)
        hooks.prepare_create(pod)
        assert [str(cause) for cause in hooks.validate(pod)] == []
