"""Manifests made from a command line, as kubectl makes them."""

import re
from collections.abc import Sequence
from typing import Any

LONGEST = 63  # letters of a container's name


def deployment(
    name: str, images: Sequence[str], *, replicas: int, port: int | None, command: Sequence[str]
) -> dict[str, Any]:
    """What `create deployment` makes: a container for each image, and the label app=NAME to find the pods by."""
    labels = {"app": name}
    containers = [
        {"name": container, "image": image}
        for container, image in zip(container_names(images), images, strict=True)
    ]
    if command:
        containers[0]["command"] = list(command)  # type: ignore[assignment]
    for container in containers if port else ():
        container["ports"] = [{"containerPort": port}]  # type: ignore[assignment]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def container_names(images: Sequence[str]) -> list[str]:
    """Each image's last word; the second of the same word gets a number, because names must differ."""
    names: list[str] = []
    for image in images:
        word = container_name(image)
        same = sum(1 for name in names if name == word or name.startswith(f"{word}-"))
        names.append(f"{word[: LONGEST - 4]}-{same + 1}" if same else word)
    return names


def container_name(image: str) -> str:
    """`reg:5000/team/My_App:v1@sha256:…` → `my-app`."""
    word = image.rsplit("/", 1)[-1].partition("@")[0].partition(":")[0].lower()
    return re.sub(r"[^a-z0-9]+", "-", word)[:LONGEST].strip("-") or "main"
