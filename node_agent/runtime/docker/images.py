"""The images of the node. A pull may take minutes, so it is a conversation, not a call."""

import base64
import contextlib
import json

from docker.api.client import APIClient

from node_agent.runtime.docker.part import Part
from node_agent.runtime.errors import (
    ImageUnavailable,
    NotFound,
    RuntimeFailure,
    RuntimeUnavailable,
)
from node_agent.runtime.model import ImageInfo, RegistryLogin
from node_agent.runtime.references import explain, parse


class DockerImages(Part):
    """The `Images` part of the runtime."""

    async def image_present(self, reference: str) -> ImageInfo | None:
        parse(reference)

        def inspect(client: APIClient) -> ImageInfo:
            seen = client.inspect_image(reference)  # type: ignore[no-untyped-call]
            references = (seen.get("RepoTags") or []) + (seen.get("RepoDigests") or [])
            user = (seen.get("Config") or {}).get("User") or ""
            return ImageInfo(seen["Id"], tuple(references), seen["Size"], user)

        try:
            return await self._engine.call(inspect)
        except (ImageUnavailable, NotFound):
            return None

    async def pull(self, reference: str, *, login: RegistryLogin | None = None) -> ImageInfo:
        parsed = parse(reference)
        query = {"fromImage": parsed.name, "tag": parsed.version}
        headers = {"Connection": "close", **_login_header(login)}
        try:
            async with self._engine.open(
                "/images/create", method="POST", query=query, headers=headers
            ) as reply:
                errors = [line["error"] async for line in reply.lines() if "error" in line]
        except RuntimeUnavailable:
            raise
        except RuntimeFailure as error:
            raise ImageUnavailable(explain(reference, str(error))) from error
        if errors:
            raise ImageUnavailable(explain(reference, errors[0]))
        image = await self.image_present(reference)
        if image is None:
            raise ImageUnavailable(explain(reference, "removed again while it was being pulled"))
        return image

    async def list_images(self) -> list[ImageInfo]:
        found = await self._engine.call(lambda client: client.images())
        return [
            ImageInfo(
                image["Id"],
                tuple((image.get("RepoTags") or []) + (image.get("RepoDigests") or [])),
                image["Size"],
            )
            for image in found
        ]

    async def remove_image(self, reference: str) -> None:
        parse(reference)
        with contextlib.suppress(ImageUnavailable, NotFound):
            await self._engine.call(lambda client: client.remove_image(reference))


def _login_header(login: RegistryLogin | None) -> dict[str, str]:
    if login is None:
        return {}
    secret = json.dumps({"username": login.username, "password": login.password})
    return {"X-Registry-Auth": base64.urlsafe_b64encode(secret.encode()).decode()}
