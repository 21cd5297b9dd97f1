"""The pods of each node, from one watch: an agent hears of its own pods only, however many agents share the process."""

from api.informer import Handler, Informer
from proto.v1.pod_pb2 import Pod


class PodSource:
    def __init__(self, informer: Informer[Pod]) -> None:
        self._informer = informer
        self._handlers: dict[str, Handler[Pod]] = {}  # by node name
        informer.add_index("node", lambda pod: (pod.spec.nodeName,))
        informer.add_handler(self._tell)

    def follow(self, node: str, handler: Handler[Pod]) -> None:
        """Tell `handler` of the node's pods: those that are here at once, as new, then every change."""
        self._handlers[node] = handler
        for pod in self._informer.by_index("node", node):
            handler(None, pod)

    async def complete(self, node: str) -> set[str]:
        """The uids of all pods of the node, as soon as the server has told them all."""
        await self._informer.wait_synced()
        return {pod.metadata.uid for pod in self._informer.by_index("node", node)}

    async def run(self) -> None:
        """Until cancelled."""
        await self._informer.run()

    def _tell(self, old: Pod | None, new: Pod | None) -> None:
        """A pod without a node is nobody's; a new pod under an old name may be on another node."""
        before, now = (pod.spec.nodeName if pod else "" for pod in (old, new))
        if before != now and before in self._handlers:
            self._handlers[before](old, None)
        if now in self._handlers:
            self._handlers[now](old if before == now else None, new)
