"""Deletes join tokens that have expired. They are refused from the very second on; this only tidies up."""

from functools import partial

from api import clock, controller
from api.client import Client
from api.errors import NotFound
from api.informer import Informers
from api.workqueue import WorkQueue
from control_plane.controllers import waking
from proto.v1.certificates_pb2 import BootstrapToken


async def reconcile(key: str, *, client: Client) -> float | None:
    """Seconds until it expires."""
    try:
        token = await client.get(BootstrapToken, key)
    except NotFound:
        return None
    if not token.spec.HasField("expiration"):
        return None
    left = (clock.to_datetime(token.spec.expiration) - clock.now()).total_seconds()
    if left > 0:
        return left
    await client.delete(BootstrapToken, key)
    return None


async def run(client: Client, informers: Informers) -> None:
    """Until cancelled."""
    queue = WorkQueue()
    informers.of(BootstrapToken).add_handler(waking.itself(queue))
    await controller.run(queue, partial(reconcile, client=client), workers=1, name="jointokens")
