"""What a field means, in sentences: for `helmling explain`, and for the schema that kubectl explains from.

They are the comments of the contract (proto/v1/comments.json is made from it) and the rules beside its fields.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from api import rules

# Fields that mean the same wherever they are; a comment beside one of them counts for more.
CONVENTIONS = {
    "apiVersion": "The group and version of the object's kind: this tells how to read all other fields.",
    "kind": "The kind of the object, in CamelCase.",
    "metadata": "Name, namespace, labels, annotations, and what the server keeps about the object.",
    "spec": "What is wanted.",
    "status": "What is so, as far as is known; controllers and agents write it, users read it.",
    "template": "What each pod is made from.",
    "observedGeneration": "The metadata.generation that the status is about.",
    "collisionCount": "How often a name made from a hash belonged to somebody else; counted into the next hash.",
    "readyReplicas": "Pods that are ready.",
    "availableReplicas": "Pods that have been ready for minReadySeconds.",
    "lastTransitionTime": "When the condition's status last changed.",
    "lastProbeTime": "When somebody last looked.",
    "reason": "One word in CamelCase for programs: why it is so.",
    "message": "A sentence for people: why it is so.",
}


@cache
def comments() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(
        files("proto.v1").joinpath("comments.json").read_text(encoding="utf-8")
    )
    return found


def notes(field: Any) -> list[str]:
    """The rules of a field as sentences."""
    rule = rules.rule(field)
    told = []
    if rule.values:
        told.append("Possible values: " + ", ".join(f'"{value}"' for value in rule.values) + ".")
    if rule.immutable:
        told.append("Cannot be changed after creation.")
    if rule.HasField("min") and rule.HasField("max"):
        told.append(f"Between {rule.min} and {rule.max}.")
    elif rule.HasField("min"):
        told.append(f"At least {rule.min}.")
    elif rule.HasField("max"):
        told.append(f"At most {rule.max}.")
    if rule.format:
        told.append(f"Form: {rule.format}.")
    if rule.maxLength:
        told.append(f"At most {rule.maxLength} long.")
    if rule.mergeKey:
        told.append(f"Patches find an item by its {rule.mergeKey}.")
    return told


def describe(field: Any) -> str:
    said = comments().get(field.containing_type.name, {}).get(field.json_name, "")
    said = said or CONVENTIONS.get(field.json_name, "")
    return " ".join([said, *notes(field)]).strip()
