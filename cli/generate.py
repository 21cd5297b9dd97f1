"""Manifests made from a command line, as kubectl makes them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from api.jsonform import to_json

LONGEST = 63  # letters of a container's name
MANUAL = (
    "cronjob.kubernetes.io/instantiate"  # an annotation of Jobs that somebody made from a CronJob
)
Plain = dict[str, Any]  # a manifest as JSON


def deployment(
    name: str, images: Sequence[str], *, replicas: int, port: int | None, command: Sequence[str]
) -> Plain:
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


def job(name: str, image: str, command: Sequence[str]) -> Plain:
    """One container, called as the Job is, that is not started again when it fails."""
    spec = {"template": _single(name, image, command, restart="Never")}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def cronjob(name: str, image: str, command: Sequence[str], *, schedule: str, restart: str) -> Plain:
    work = {"template": _single(name, image, command, restart=restart)}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name},
        "spec": {"schedule": schedule, "jobTemplate": {"metadata": {"name": name}, "spec": work}},
    }


def _single(name: str, image: str, command: Sequence[str], *, restart: str) -> Plain:
    container: Plain = {"name": name, "image": image}
    if command:
        container["command"] = list(command)
    return {"spec": {"containers": [container], "restartPolicy": restart}}


def job_of(cronjob: Any, name: str) -> Plain:
    """The Job that the CronJob would start, now and under another name.

    It belongs to the CronJob: it goes when that goes, and counts towards its history.
    """
    template = to_json(cronjob.spec.jobTemplate)
    meta, given = cronjob.metadata, template.get("metadata", {})
    owner = {
        "apiVersion": cronjob.apiVersion, "kind": cronjob.kind, "name": meta.name, "uid": meta.uid,
        "controller": True,
    }  # fmt: skip
    metadata: Plain = {"name": name, "ownerReferences": [owner]}
    metadata["annotations"] = {MANUAL: "manual", **given.get("annotations", {})}
    if given.get("labels"):
        metadata["labels"] = given["labels"]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": template["spec"],
    }


def disruption_budget(name: str, labels: Mapping[str, str], bound: Plain) -> Plain:
    """`bound` is minAvailable or maxUnavailable."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": dict(labels)}, **bound},
    }


def count_or_share(text: str) -> int | str:
    """`3` is a number, `30%` stays as it is. (So is -1: the server says what is wrong with it.)"""
    return int(text) if re.fullmatch(r"-?\d+", text) else text


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
