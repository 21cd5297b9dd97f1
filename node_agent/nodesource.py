"""Each node as the server shows it, from one watch: so an agent hears when somebody else wrote to its node.

It matters after a silence. The control plane has marked the node as Unknown meanwhile, and the agent, for whom nothing
has changed, would find no reason to say anything for minutes.
"""

from collections.abc import Callable

from api.informer import Informer
from proto.v1.cluster_pb2 import Node


class NodeSource:
    def __init__(self, informer: Informer[Node]) -> None:
        self._informer = informer
        self._handlers: dict[str, Callable[[Node | None], None]] = {}  # by node name
        informer.add_handler(self._tell)

    def follow(self, name: str, handler: Callable[[Node | None], None]) -> None:
        """Tell `handler` of the node as it is now, and after every change; None: somebody has deleted it."""
        self._handlers[name] = handler
        known = self._informer.objects.get(name)
        if known is not None:
            handler(known)

    async def run(self) -> None:
        """Until cancelled."""
        await self._informer.run()

    def _tell(self, old: Node | None, new: Node | None) -> None:
        node = new or old
        if node is not None and node.metadata.name in self._handlers:
            self._handlers[node.metadata.name](new)
