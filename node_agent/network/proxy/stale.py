"""Which connections lead nowhere after a change. Pure.

UDP only: see conntrack.py. A connection to a service is stale if the one who answers is not one of its backends any
more; or if nobody stood behind the service when it began, so that nothing was translated, and now somebody does.
"""

from collections.abc import Callable, Iterable

from node_agent.network.proxy.conntrack import Flow
from node_agent.network.proxy.model import Frontend

Front = tuple[str, int]  # address (empty: any of this node) and port
Back = tuple[str, int]


def stale(before: Iterable[Frontend], after: Iterable[Frontend]) -> Callable[[Flow], bool] | None:
    """What tells stale connections; None if there can be none."""
    was, now = _backends(before), _backends(after)
    # What was not known before (the agent has just begun) may have had other backends: they are looked at, too.
    changed = {front for front in {*was, *now} if was.get(front) != now.get(front)}
    if not changed:
        return None
    gone = {front: was.get(front, set()) - now.get(front, set()) for front in changed}

    def is_stale(flow: Flow) -> bool:
        answers, plain = (flow.answers, flow.answers_port), flow.answers == flow.address
        front = (flow.address, flow.port)
        if front in changed:
            present = now.get(front, set())
            return bool(present) and answers not in present if plain else answers not in present
        port = ("", flow.port)
        return port in changed and not plain and answers in gone[port]

    return is_stale


def _backends(frontends: Iterable[Frontend]) -> dict[Front, set[Back]]:
    return {
        (one.address, one.port): {(b.address, b.port) for b in one.backends | one.near}
        for one in frontends
        if one.protocol == "udp"
    }
