"""A pod leaves the rules of all nodes before it is told to end.

A pod that is deleted goes on serving while the news travels: to the controller that takes it out of its EndpointSlices,
to every node, into every kernel. If it ended before, connections that are still led to it would be refused. Kubernetes
lets both happen at the same time, and people write `sleep 5` into preStop hooks (kubernetes#43576).

Here the agent waits for the news to have arrived: until the slices that name the pod say so, at some version, and every
node has reported that its kernel is at this version. That takes a few hundredths of a second. A pod that stands behind
no service does not wait; and nothing waits longer than some seconds: then it is as in Kubernetes.

What was led to the pod until then is still under way: a moment more, and a request that takes no longer has its answer
even from a program that ends at once when it is told to.
"""

import asyncio
import logging
from collections.abc import Iterable

from api.client import Client
from api.errors import ApiError
from api.informer import Informer
from node_agent.network.proxy.services import conditions
from proto.v1.network_pb2 import Endpoint, EndpointSlice
from proto.v1.pod_pb2 import Pod

log = logging.getLogger(__name__)

LONGEST = 3.0  # seconds
UNDER_WAY = 0.3  # seconds that requests get which have come before


class Departures:
    """Implements `pods.seams.Routes`."""

    def __init__(self, slices: Informer[EndpointSlice], client: Client) -> None:
        self._slices, self._client = slices, client
        self._changed = asyncio.Event()
        slices.add_index("pod", _pods_of)
        slices.add_handler(self._tell)

    async def left(self, pod: Pod, grace: float) -> None:
        uid = pod.metadata.uid
        if not self._slices.by_index("pod", uid):
            return
        longest, about = min(LONGEST, grace), f"{pod.metadata.namespace}/{pod.metadata.name}"
        try:
            async with asyncio.timeout(longest) as limit:
                version = await self._leaving(uid)
                remaining = (limit.when() or 0.0) - asyncio.get_running_loop().time()
                behind = await self._client.await_rules(version, max(0.0, remaining - 0.1))
        except TimeoutError:
            log.warning("pod_ends_while_led_to pod=%s after=%.1f", about, longest)
        except ApiError as error:  # nobody can tell us: the server is away
            log.info("pod_ends_unasked pod=%s error=%r", about, error.message)
        else:
            if behind:
                log.warning("pod_ends_while_led_to pod=%s by=%s", about, ",".join(behind))
            await asyncio.sleep(min(UNDER_WAY, grace / 2))

    async def _leaving(self, uid: str) -> int:
        """The version of the slices by which all that name the pod say that it is leaving."""
        while True:
            naming = self._slices.by_index("pod", uid)
            if all(_is_leaving(endpoint) for endpoint in _of_pod(naming, uid)):
                versions = [int(one.metadata.resourceVersion) for one in naming]
                return max(versions, default=int(self._slices.version or 0))
            await self._changed.wait()

    def _tell(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _is_leaving(endpoint: Endpoint) -> bool:
    """Terminating alone is enough: a service may publish its pods' addresses whatever state they are in."""
    ready, _, terminating = conditions(endpoint)
    return terminating or not ready


def _of_pod(slices: Iterable[EndpointSlice], uid: str) -> list[Endpoint]:
    return [e for one in slices for e in one.endpoints if e.targetRef.uid == uid]


def _pods_of(one: EndpointSlice) -> set[str]:
    """An index function: the uids of the pods that the slice names."""
    return {endpoint.targetRef.uid for endpoint in one.endpoints if endpoint.targetRef.uid}
