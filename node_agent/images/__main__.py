"""`python -m node_agent.images`: build every local image, one line each."""

import argparse
import contextlib
import os
import sys

import docker
from docker.errors import DockerException

from node_agent.engine import DEFAULT_ADDRESS, EngineError, NoAnswer, ask_version
from node_agent.images import RECIPES, ImageError, Recipe, build, ensure, find


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m node_agent.images", description=__doc__)
    parser.add_argument("--force", action="store_true", help="build them even if up to date")
    force = parser.parse_args().force
    try:
        ask_version(os.environ.get("DOCKER_HOST") or DEFAULT_ADDRESS)
        client = docker.from_env(version="auto")
        with contextlib.closing(client):
            for recipe in RECIPES:
                print(line(client, recipe, force=force), flush=True)
    except NoAnswer as error:
        print(f"{error} `make images` starts one for as long as it takes.", file=sys.stderr)
        return 1
    except (EngineError, ImageError, DockerException) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def line(client: docker.DockerClient, recipe: Recipe, *, force: bool) -> str:
    before = find(client, recipe)
    image = build(client, recipe) if force else ensure(client, recipe)
    size = f"{image.attrs['Size'] / 1e6:.1f} MB"
    unchanged = before is not None and before.id == image.id
    return f"{recipe.image:<20} {size:>8}  {'up to date' if unchanged else 'built'}"


if __name__ == "__main__":
    sys.exit(main())
