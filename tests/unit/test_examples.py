"""The examples can be read: by people, by the contract, and on a machine that can pull nothing."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from api import jsonform
from node_agent.images import RECIPES

FILES = sorted((Path(__file__).resolve().parents[2] / "examples").iterdir())


def documents(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text()))


def test_they_are_numbered_without_gaps() -> None:
    """01-name.yaml, 02-name.yaml... in the order in which to read them."""
    numbers = [re.fullmatch(r"(\d\d)-[a-z-]+\.yaml", file.name) for file in FILES]
    assert [match and int(match[1]) for match in numbers] == [*range(1, len(FILES) + 1)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.stem))
def test_they_open_with_what_they_teach(file: Path) -> None:
    assert re.match(r"# [A-Z].*\n(#.*\n)+#   helmling ", file.read_text())


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.stem))
def test_the_contract_knows_every_field(file: Path) -> None:
    for document in documents(file):
        kind, wrong = jsonform.message_for(document)
        assert kind is not None, wrong
        assert jsonform.from_json(kind.message, document)[1] == []


def test_names_are_not_used_twice() -> None:
    """`helmling apply -f examples/` applies them all at once."""
    everything = [
        (document["kind"], document["metadata"].get("namespace"), document["metadata"]["name"])
        for file in FILES
        for document in documents(file)
    ]
    assert len(set(everything)) == len(everything)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.stem))
def test_only_local_images_are_used(file: Path) -> None:
    local = {recipe.image for recipe in RECIPES}
    for document in documents(file):
        spec = document.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        spec = spec.get("template", {}).get("spec", spec)
        containers = spec.get("containers", []) + spec.get("initContainers", [])
        assert {container["image"] for container in containers} <= local
        # Anything but a tag other than `latest` would be pulled.
        assert not any("imagePullPolicy" in container for container in containers)
