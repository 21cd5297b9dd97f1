"""Images made on the machine itself, from Debian packages: nothing is pulled from a registry.

    helmling/pause:1      the sandbox that holds a pod's namespaces
    helmling/box:1        a shell toolbox, for jobs and one-shot commands
    helmling/hello:v1 v2  a web server that says which pod answers, for examples and tests

An image carries the digest of the recipe it was made by, so building again is a no-op until the
recipe changes. `recipes` is the data, `packages` gets the material, `rootfs` lays it out, `archive`
makes the file that Docker loads. `python -m node_agent.images` builds them all.
"""

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from docker.errors import APIError, ImageNotFound

from node_agent.images.archive import pack
from node_agent.images.packages import ImageError, PackageCache, unpack
from node_agent.images.recipes import PAUSE, RECIPES, Recipe
from node_agent.images.rootfs import lay_out

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image

__all__ = ["PAUSE", "RECIPES", "ImageError", "Recipe", "build", "ensure", "ensure_pause", "find"]

LABEL = "helmling.dev/recipe"


def ensure_pause(client: "DockerClient") -> "Image":
    """The sandbox image, built if the engine lacks it. Raises ImageError."""
    return ensure(client, PAUSE)


def ensure(client: "DockerClient", recipe: Recipe) -> "Image":
    """The recipe's image, built unless the engine has it as the recipe now says."""
    image = find(client, recipe)
    if image is not None and image.labels.get(LABEL) == recipe.digest():
        return image
    return build(client, recipe)


def find(client: "DockerClient", recipe: Recipe) -> "Image | None":
    """Whatever carries the recipe's name now, up to date or not."""
    try:
        return client.images.get(recipe.image)
    except ImageNotFound:
        return None


def build(client: "DockerClient", recipe: Recipe, cache: Path | None = None) -> "Image":
    """Build and load the image, whatever is there. What had its name goes, unless still in use."""
    previous = find(client, recipe)
    cache = cache or default_cache()
    archives = PackageCache(cache).fetch(recipe.packages)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        packages, root = Path(folder, "packages"), Path(folder, "root")
        for archive in archives:
            unpack(archive, packages)
        root.mkdir()
        lay_out(recipe, packages, root)
        content = pack(
            root,
            image=recipe.image,
            architecture=client.version()["Arch"],
            config={**recipe.config, "Labels": {LABEL: recipe.digest()}},
        )
    return load(client, recipe, content, previous)


def load(
    client: "DockerClient", recipe: Recipe, content: bytes, previous: "Image | None"
) -> "Image":
    try:
        client.images.load(content)
        image = client.images.get(recipe.image)
    except APIError as error:
        raise ImageError(f"Docker does not take {recipe.image}: {error.explanation}") from error
    if previous is not None and previous.id != image.id:
        forget(client, str(previous.id))
    return image


def forget(client: "DockerClient", image: str) -> None:
    """Remove an image that no name and no container holds any more."""
    try:
        if not client.images.get(image).tags:
            client.images.remove(image)
    except ImageNotFound:
        return
    except APIError as error:
        if error.status_code != 409:  # a container still uses it
            raise


def default_cache() -> Path:
    """Where downloaded packages are kept: a second build needs no network."""
    base = Path("/var/cache") if os.geteuid() == 0 else Path.home() / ".cache"
    return base / "helmling" / "packages"
