"""The flags of `helmling server` about nodes, under Kubernetes' names, and what they mean together."""

from typing import TYPE_CHECKING

from api.podranges import DEFAULT_CLUSTER_CIDR, DEFAULT_NODE_MASK
from cli.command import Session
from cli.errors import UsageError
from cli.flags import Flag, duration

if TYPE_CHECKING:
    from control_plane.controllers.nodeipam.allocation import Parts
    from control_plane.main import NodeOptions

FLAGS = (
    duration("node-monitor-period", "How often all nodes are looked at.", "5s"),
    duration("node-monitor-grace-period", "How long a node may be silent before it is Unknown.", "50s"),
    duration("node-startup-grace-period", "The same for a node that has never said how it is.", "60s"),
    Flag("node-eviction-rate", "Failed nodes per second whose pods are driven out, in each zone.", default="0.1"),
    Flag("secondary-node-eviction-rate", "The same in a large zone most of whose nodes fail.", default="0.01"),
    Flag("large-cluster-size-threshold", "The nodes that a zone must exceed to be large.", form="number", default="50"),
    Flag("unhealthy-zone-threshold", "Which share of a zone's nodes is most of them.", default="0.55"),
    Flag("default-not-ready-toleration-seconds", "Seconds on a node that is not ready.", form="number", default="300"),
    Flag("default-unreachable-toleration-seconds", "Seconds on a node that is silent.", form="number", default="300"),
    Flag("cluster-cidr", "The addresses of all pods.", default=DEFAULT_CLUSTER_CIDR),
    Flag("node-cidr-mask-size", "How large a part of them each node gets: the length of its prefix.", form="number",
         default=str(DEFAULT_NODE_MASK)),
    Flag("terminated-pod-gc-threshold", "How many ended pods are kept; 0: all.", form="number", default="12500"),
)  # fmt: skip


def options(session: Session) -> "NodeOptions":
    """Raises UsageError."""
    from control_plane.apiserver.defaults import Tolerance
    from control_plane.controllers.nodelifecycle.times import Times
    from control_plane.main import NodeOptions

    flags = session.flags
    times = Times(
        monitor_period=_duration(session, "node-monitor-period"),
        monitor_grace_period=_duration(session, "node-monitor-grace-period"),
        startup_grace_period=_duration(session, "node-startup-grace-period"),
        eviction_rate=_number(session, "node-eviction-rate"),
        secondary_eviction_rate=_number(session, "secondary-node-eviction-rate"),
        large_zone=flags.number("large-cluster-size-threshold") or 0,
        unhealthy_zone=_number(session, "unhealthy-zone-threshold"),
    )
    tolerance = Tolerance(
        not_ready=flags.number("default-not-ready-toleration-seconds") or 0,
        unreachable=flags.number("default-unreachable-toleration-seconds") or 0,
    )
    kept = flags.number("terminated-pod-gc-threshold") or 0
    return NodeOptions(times, kept, tolerance, _parts(session))


def _parts(session: Session) -> "Parts":
    from control_plane.controllers.nodeipam.allocation import BadRange, Parts

    flags = session.flags
    try:
        return Parts.of(flags.text("cluster-cidr"), flags.number("node-cidr-mask-size") or 0)
    except BadRange as error:
        raise UsageError(f"--cluster-cidr, --node-cidr-mask-size: {error}") from None


def _duration(session: Session, name: str) -> float:
    length = session.flags.seconds(name)
    if length <= 0:
        raise UsageError(f"--{name} must be longer than 0s")
    return length


def _number(session: Session, name: str) -> float:
    text = session.flags.text(name)
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise UsageError(f"--{name} must be a number, 0 or more, not {text}")
    return number
