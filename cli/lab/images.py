"""Images, from the host's engine to the machines': saved once, loaded into each.

The demo images are built where they are missing, from Debian packages. Where the host has no engine, the first
machine's serves as one.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
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


def demo(lab: Lab) -> list[Path]:
    """All images of ours as files, built if need be."""
    from node_agent.images import RECIPES, ImageError, ensure

    with _client(source(lab)) as client:
        try:
            return [
                _saved(lab, client, str(ensure(client, recipe).id), recipe.image)
                for recipe in RECIPES
            ]
        except ImageError as error:
            raise CommandError(f"the demo images cannot be made: {error}") from None


def saved(lab: Lab, names: Sequence[str]) -> list[Path]:
    """These images of the host as files. Raises CommandError."""
    from docker.errors import ImageNotFound

    with _client(source(lab)) as client:
        try:
            return [_saved(lab, client, str(client.images.get(name).id), name) for name in names]
        except ImageNotFound as error:
            raise CommandError(
                f"the host's engine has no such image: {error.explanation}"
            ) from None


def _saved(lab: Lab, client: "DockerClient", id: str, name: str) -> Path:
    """A file per image and name: the name is in the file."""
    lab.images.mkdir(parents=True, exist_ok=True)
    path = lab.images / f"{id.removeprefix('sha256:')[:16]}-{name.replace('/', '_')}.tar"
    if not path.exists():
        scratch = path.with_suffix(".new")
        with scratch.open("wb") as file:
            for piece in client.api.get_image(name):
                file.write(piece)
        scratch.replace(path)
    return path


def load(machine: Machine, files: Sequence[Path]) -> None:
    """A file that was loaded before is not loaded again: the machine's disk remembers. Raises CommandError."""
    from docker.errors import APIError

    known = machine.disk / "images"
    known.mkdir(exist_ok=True)
    with _client(f"unix://{machine.socket}") as client:
        for file in files:
            if (known / file.name).exists():
                continue
            try:
                with file.open("rb") as content:
                    client.images.load(content)
            except APIError as error:
                raise CommandError(f"{machine.name} does not take {file.name}: {error}") from None
            (known / file.name).touch()
