"""Images, from the host's engine to the machines': saved once, loaded into each.

The demo images are built where they are missing, from Debian packages. Where the host has no engine, the first
machine's serves as one.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import CommandError
from cli.lab.plan import Lab, Machine
from node_agent.engine import DEFAULT_ADDRESS, EngineError, NoAnswer, ask_version

if TYPE_CHECKING:
    from docker import DockerClient

START = 90.0  # seconds that an engine has to answer


def await_engine(machine: Machine) -> None:
    """Raises CommandError when it does not come."""
    deadline = time.monotonic() + START
    while True:
        with contextlib.suppress(NoAnswer):
            try:
                ask_version(f"unix://{machine.socket}")
            except EngineError as error:
                if not isinstance(error, NoAnswer) and time.monotonic() > deadline:
                    raise CommandError(f"{machine.name}: {error}") from None
            else:
                return
        if time.monotonic() > deadline:
            raise CommandError(
                f"{machine.name}: its Docker Engine does not answer: {machine.disk / 'dockerd.log'}"
            )
        time.sleep(0.02)


@contextlib.contextmanager
def _client(address: str) -> Iterator["DockerClient"]:
    import docker

    client = docker.DockerClient(base_url=address, version="auto", timeout=120)
    try:
        yield client
    finally:
        client.close()


def source(lab: Lab) -> str:
    """The address of the engine to take images from."""
    try:
        ask_version(DEFAULT_ADDRESS)
    except EngineError:
        return f"unix://{lab.machines()[0].socket}"
    return DEFAULT_ADDRESS


@dataclass(frozen=True, slots=True)
class Saved:
    """An image as a file."""

    name: str
    id: str
    path: Path


def demo(lab: Lab) -> list[Saved]:
    """All images of ours, built if need be."""
    from node_agent.images import RECIPES, ImageError, ensure

    with _client(source(lab)) as client:
        try:
            made = [(recipe.image, str(ensure(client, recipe).id)) for recipe in RECIPES]
        except ImageError as error:
            raise CommandError(f"the demo images cannot be made: {error}") from None
        return [_saved(lab, client, name, id) for name, id in made]


def saved(lab: Lab, names: Sequence[str]) -> list[Saved]:
    """These images of the host. Raises CommandError."""
    from docker.errors import ImageNotFound

    with _client(source(lab)) as client:
        try:
            found = [(name, str(client.images.get(name).id)) for name in names]
        except ImageNotFound as error:
            raise CommandError(f"no such image to copy: {error.explanation}") from None
        return [_saved(lab, client, name, id) for name, id in found]


def _saved(lab: Lab, client: "DockerClient", name: str, id: str) -> Saved:
    """The name is in the file, so there is one for each."""
    lab.images.mkdir(parents=True, exist_ok=True)
    path = lab.images / f"{id.removeprefix('sha256:')[:16]}-{name.replace('/', '_')}.tar"
    if not path.exists():
        scratch = path.with_suffix(".new")
        with scratch.open("wb") as file:
            for piece in client.api.get_image(name):
                file.write(piece)
        scratch.replace(path)
    return Saved(name, id, path)


def load(machine: Machine, images: Sequence[Saved]) -> None:
    """Those that the machine does not have. Raises CommandError."""
    from docker.errors import APIError

    with _client(f"unix://{machine.socket}") as client:
        for image in images:
            if _id_of(client, image.name) == image.id:
                continue
            try:
                with image.path.open("rb") as content:
                    client.images.load(content)
            except APIError as error:
                raise CommandError(f"{machine.name} does not take {image.name}: {error}") from None


def _id_of(client: "DockerClient", name: str) -> str:
    from docker.errors import ImageNotFound

    try:
        return str(client.images.get(name).id)
    except ImageNotFound:
        return ""
