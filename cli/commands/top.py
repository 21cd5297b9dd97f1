"""`helmling top nodes|pods`: what is used, as the agents have measured it last."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api import quantity
from api.errors import NotFound
from api.kinds import Kind
from cli import subcommands
from cli.command import Command, Session
from cli.errors import CommandError, UsageError
from cli.flags import Flag, switch
from cli.output.chosen import NO_HEADERS
from cli.output.table import render
from cli.resources import ALL_NAMESPACES, FIELD_SELECTOR, SELECTOR, kind_named, nothing_found, scope
from cli.subcommands import Action

MIB = 1024 * 1024
RULE = "________"  # above a sum
UNKNOWN = "<unknown>"
SORT_BY = Flag("sort-by", "Sort by cpu or memory, the largest first.")
METRICS = "metrics.k8s.io"


@dataclass(frozen=True, slots=True)
class Use:
    """Thousandths of a core, and bytes."""

    cpu: int = 0
    memory: int = 0

    def __add__(self, other: "Use") -> "Use":
        return Use(self.cpu + other.cpu, self.memory + other.memory)

    @property
    def cells(self) -> list[str]:
        return [f"{self.cpu}m", f"{self.memory // MIB}Mi"]


def of(usage: Mapping[str, str]) -> Use:
    return Use(quantity.millis(usage.get("cpu", "")), quantity.value(usage.get("memory", "")))


Row = tuple[list[str], Use]  # what stands before the figures


def pods(session: Session) -> int:
    flags = session.flags
    listed = _measured(session, kind_named("pods"))
    rows: list[Row] = []
    for metrics in sorted(listed, key=lambda each: (each.metadata.namespace, each.metadata.name)):
        meta, every = metrics.metadata, [(c.name, of(c.usage)) for c in metrics.containers]
        place = [meta.namespace] if flags.on("all-namespaces") else []
        if flags.on("containers"):
            rows += [([*place, meta.name, name], use) for name, use in every]
        else:
            rows.append(([*place, meta.name], sum((use for _, use in every), Use())))
    if not rows:
        return 0
    header = ["NAMESPACE"] if flags.on("all-namespaces") else []
    header += ["POD", "NAME"] if flags.on("containers") else ["NAME"]
    lines = [[*words, *use.cells] for words, use in ordered(session, rows)]
    if flags.on("sum"):
        empty = [""] * (len(header))
        total = sum((use for _, use in rows), Use())
        lines += [[*empty, RULE, RULE], [*empty, *total.cells]]
    _print(session, [*header, "CPU(cores)", "MEMORY(bytes)"], lines)
    return 0


def nodes(session: Session) -> int:
    kind = kind_named("nodes")
    names = session.args
    known, _ = session.server.list(kind, labels=session.flags.text("selector"))
    chosen = [node for node in known if not names or node.metadata.name in names]
    measured = {each.metadata.name: of(each.usage) for each in _measured(session, kind)}
    capacity = session.flags.on("show-capacity")
    rows: list[Row] = [([name], use) for name, use in sorted(measured.items())]
    has = {
        node.metadata.name: of(node.status.capacity if capacity else node.status.allocatable)
        for node in chosen
    }
    lines = [
        [name, *_with_shares(use, has.get(name, Use()))] for [name], use in ordered(session, rows)
    ]
    lines += [[name, *[UNKNOWN] * 4] for name in sorted(has.keys() - measured.keys())]
    if lines:
        header = ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"]
        _print(session, header, lines)
    return 0


def _with_shares(use: Use, whole: Use) -> list[str]:
    """With what part of the node that is."""
    cpu, memory = use.cells
    return [cpu, share(use.cpu, whole.cpu), memory, share(use.memory, whole.memory)]


def share(part: int, whole: int) -> str:
    return f"{part * 100 // whole}%" if whole else UNKNOWN


def ordered(session: Session, rows: Sequence[Row]) -> list[Row]:
    orders: dict[str, Callable[[Row], int]] = {
        "cpu": lambda row: -row[1].cpu,
        "memory": lambda row: -row[1].memory,
    }
    by = session.flags.text("sort-by")
    if by and by not in orders:
        raise UsageError("--sort-by accepts only cpu or memory")
    return sorted(rows, key=orders[by]) if by else list(rows)


def _print(session: Session, header: list[str], lines: list[list[str]]) -> None:
    rows = lines if session.flags.on("no-headers") else [header, *lines]
    for line in render(rows):
        session.say(line)


def _measured(session: Session, kind: Kind) -> list[Any]:
    """What was measured of the objects that the command line names. Raises CommandError when that is nothing yet."""
    measured = kind_named(f"{kind.plural}.{METRICS}")
    namespace, flags = scope(session, kind), session.flags
    if session.args:
        return [_one(session, kind, measured, namespace, name) for name in session.args]
    fields = flags.text("field-selector") if kind.namespaced else ""
    which = {"labels": flags.text("selector"), "fields": fields}
    found, _ = session.server.list(measured, namespace, **which)
    if found:
        return found
    objects, _ = session.server.list(kind, namespace, **which)
    if not objects:
        session.warn(nothing_found(session))
        return []
    raise CommandError(
        f"metrics not available yet: none of {len(objects)} {kind.plural} has been measured so far. Each is "
        "measured every 15 seconds, over 15 seconds; `helmling get nodes` shows whether their nodes are ready"
    )


def _one(session: Session, kind: Kind, measured: Kind, namespace: str, name: str) -> Any:
    try:
        return session.server.get(measured, name, namespace)
    except NotFound:
        session.server.get(kind, name, namespace)  # or it says that there is no such object
        raise CommandError(
            f"metrics not available yet for {kind.singular} {name}: it is measured every 15 seconds while it runs"
        ) from None


NODES = Action(
    nodes,
    (
        SELECTOR,
        SORT_BY,
        NO_HEADERS,
        switch("show-capacity", "Shares of all that the node has, and not of what pods may use."),
    ),
)
PODS = Action(
    pods,
    (
        SELECTOR,
        FIELD_SELECTOR,
        ALL_NAMESPACES,
        SORT_BY,
        NO_HEADERS,
        switch("containers", "A line for each container."),
        switch("sum", "Also the sum of all."),
    ),
)
ACTIONS = {"node": NODES, "nodes": NODES, "no": NODES, "pod": PODS, "pods": PODS, "po": PODS}
TOP = Command(
    usage="top (nodes | pods) [NAME ...] [-l LABEL] [flags]",
    about="Show how much cpu and memory nodes or pods use.\n\nThe figures are averages of 15 seconds and may be as old "
    "as a minute. Memory is what cannot be dropped when it gets short.",
    examples="""  # All nodes, and what part of them is in use
  helmling top nodes

  # The pods of an app, the hungriest first
  helmling top pods -l app=web --sort-by=cpu

  # The containers of one pod
  helmling top pod web --containers

  # All pods, and their sum
  helmling top pods -A --sum""",
    run=lambda session: subcommands.run(session, "top", ACTIONS),
    flags=subcommands.all_flags(ACTIONS),
    actions=("nodes", "pods"),
)
