"""Kubernetes' own examples of the kinds that are here are accepted, or refused with the field that is not supported."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from api import kinds
from api.jsonform import from_json, message_for
from api.jsonform.foreign import FOREIGN
from control_plane.apiserver import metadata
from tests.manifests import CREATED, strategy

FOLDER = Path(__file__).resolve().parents[2] / "data/kubernetes-examples"


def documents() -> list[Any]:
    return [
        pytest.param(document, id=f"{path.relative_to(FOLDER).with_suffix('')}-{index}")
        for path in sorted(FOLDER.rglob("*.yaml"))
        for index, document in enumerate(yaml.safe_load_all(path.read_text()))
        if kinds.by_type(document["apiVersion"], document["kind"])
    ]


def test_the_examples_are_there() -> None:
    assert len(documents()) > 40


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
        assert cause.message.startswith(
            "unknown field: Kubernetes has it, but it is not supported here"
        )
    if not causes:
        hooks = strategy(kind.name)
        pod.metadata.namespace = "default" if kind.namespaced else ""
        metadata.prepare_create(pod, uid="u", stamp=CREATED, suffix="bcdfg")
        hooks.default(pod)
        hooks.prepare_create(pod)
        assert [str(cause) for cause in hooks.validate(pod)] == []
