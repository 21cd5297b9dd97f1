"""The images that tests with real containers need, built once if the engine lacks them."""

import contextlib
from functools import cache

import docker

from node_agent.images import PAUSE, ensure
from node_agent.images.recipes import BOX


@cache
def have_local_images() -> None:
    """The sandbox image and the shell toolbox are on the engine afterwards."""
    with contextlib.closing(docker.from_env(version="auto")) as client:
        for recipe in (PAUSE, BOX):
            ensure(client, recipe)
