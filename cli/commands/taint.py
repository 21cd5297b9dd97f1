"""`helmling taint`: keep pods off a node, or drive them out (S#54)."""

from typing import Any

from api.errors import Conflict
from api.jsonform import to_json
from api.kinds import Kind
from cli import taints
from cli.command import Command, Session
from cli.errors import CommandError
from cli.flags import switch
from cli.objects import Found, each
from cli.output.chosen import OUTPUT
from cli.resources import SELECTOR, Wanted, wanted
from cli.writing import DRY_RUN, patched, tell

ATTEMPTS = 5


def run(session: Session) -> int:
    objects, words = taints.split(session.args)
    if not objects:
        raise CommandError("one or more resources must be specified as <resource> <name>")
    if not words:
        raise CommandError("at least one taint update is required")
    changes = taints.read(words)
    flags = session.flags
    if flags.on("all") and flags.given("selector"):
        raise CommandError("setting 'all' parameter with a non empty selector is prohibited")

    def act(kind: Kind, node: Any) -> None:
        """Nodes report now and then; who came in between is looked at, and tried again."""
        for _ in range(ATTEMPTS - 1):
            try:
                return _change(session, kind, node, changes)
            except Conflict:
                node = session.server.get(kind, node.metadata.name)
        return _change(session, kind, node, changes)

    return each(
        session, [found for want in wanted(objects) for found in _nodes(session, want)], act
    )


def _nodes(session: Session, want: Wanted) -> list[Found]:
    kind, flags = want.kind, session.flags
    if kind.name != "Node":
        raise CommandError(f"invalid resource type {kind.full_name}, only node types are supported")
    if want.names:
        return [(kind, session.server.get(kind, name)) for name in want.names]
    if not flags.on("all") and not flags.given("selector"):
        raise CommandError(
            "at least one resource name must be specified since 'all' parameter is not set"
        )
    listed, _ = session.server.list(kind, labels=flags.text("selector"))
    return [(kind, node) for node in listed]


def _change(session: Session, kind: Kind, node: Any, changes: taints.Changes) -> None:
    known = {(each.key, each.effect): each for each in node.spec.taints}
    present = [taints.Taint(each.key, each.value, each.effect) for each in node.spec.taints]
    after, word = taints.changed(
        node.metadata.name, present, changes, overwrite=session.flags.on("overwrite")
    )
    kept = set(present) & set(after)  # as they are, with the time at which they were added
    patch = {
        "metadata": {"resourceVersion": node.metadata.resourceVersion},
        "spec": {
            "taints": [
                to_json(known[each.place]) if each in kept else _as_json(each) for each in after
            ]
        },
    }
    tell(session, kind, patched(session, kind, node, patch), word)


def _as_json(taint: taints.Taint) -> dict[str, str]:
    named = {"key": taint.key, "value": taint.value, "effect": taint.effect}
    return {name: text for name, text in named.items() if text}


TAINT = Command(
    usage="taint (NODE NAME | NODE -l label | NODE --all) KEY_1=VAL_1:EFFECT_1 ... KEY_N:EFFECT_N- [flags]",
    about="Update the taints on one or more nodes.\n\nA taint keeps away the pods that do not tolerate it: NoSchedule "
    "new ones, PreferNoSchedule new ones if there is another place, NoExecute also those that are there.",
    examples="""  # Only pods that tolerate it may come
  helmling taint nodes n1 dedicated=db:NoSchedule

  # Drive out what is there, too
  helmling taint nodes n1 broken:NoExecute

  # Take away a taint, or all with a key
  helmling taint nodes n1 dedicated:NoSchedule-
  helmling taint nodes n1 dedicated-""",
    run=run,
    flags=(
        SELECTOR,
        DRY_RUN,
        OUTPUT,
        switch("all", "All nodes of the cluster."),
        switch("overwrite", "Allow taints that are there already to be changed."),
    ),
    complete="resources",
)
