"""`helmling cordon`, `uncordon` and `drain`: take a node out of service, and back (S#61)."""

import sys
from collections.abc import Sequence
from typing import Any

from api import clock, rpc
from api.client import Delete
from api.errors import ApiError, NotFound
from api.kinds import Kind, find
from cli.command import Command, Session
from cli.drain.choose import Choice, Flags, choose
from cli.drain.progress import Out, follow
from cli.errors import CommandError, UsageError
from cli.flags import Flag, duration, switch
from cli.resources import SELECTOR, wanted
from cli.watching import Deadline
from cli.wording import of_error, suffix
from cli.writing import DRY_RUN, dry_run, patched, tell


class NotDrained(CommandError):
    """Everything about it was said already but the reason, which comes last and alone."""

    prefix = ""


def _kind(name: str) -> Kind:
    kind = find(name)
    assert kind is not None
    return kind


def _nodes(session: Session) -> list[Any]:
    kind, selector = _kind("nodes"), session.flags.text("selector")
    if session.args and selector:
        raise UsageError("cannot specify both a node name and a --selector option")
    if selector:
        listed, _ = session.server.list(kind, labels=selector)
        return listed
    wants = wanted(session.args, default=kind)
    if not wants:
        raise UsageError(f"which node? {session.command.usage}")
    for want in wants:
        if want.kind is not kind:
            raise CommandError(f'expected resource of type node, got "{want.kind.full_name}"')
    return [session.server.get(kind, name) for want in wants for name in want.names]


def cordon(session: Session) -> int:
    return _set(session, _nodes(session), unschedulable=True)


def uncordon(session: Session) -> int:
    return _set(session, _nodes(session), unschedulable=False)


def _set(session: Session, nodes: Sequence[Any], *, unschedulable: bool) -> int:
    kind, code = _kind("nodes"), 0
    word = "cordoned" if unschedulable else "uncordoned"
    for node in nodes:
        if node.spec.unschedulable == unschedulable:
            tell(session, kind, node, f"already {word}")
            continue
        try:
            after = patched(session, kind, node, {"spec": {"unschedulable": unschedulable}})
        except ApiError as error:
            session.warn(
                f'error: unable to {word[:-2]} node "{node.metadata.name}": {error.message}'
            )
            code = 1
        else:
            tell(session, kind, after, word)
    return code


def drain(session: Session) -> int:
    nodes = _nodes(session)
    if code := _set(session, nodes, unschedulable=True):
        return code
    pending = {node.metadata.name: "" for node in nodes}
    for node in nodes:
        name = node.metadata.name
        why = _empty(session, name)
        if not why:
            del pending[name]
            tell(session, _kind("nodes"), node, "drained")
            continue
        pending[name] = why
        session.warn(
            f'error: unable to drain node "{name}" due to error: {why}, continuing command...'
        )
    if pending:
        session.warn(
            "\n".join(["There are pending nodes to be drained:", *(f" {n}" for n in pending)])
        )
        raise NotDrained("\n".join(pending.values()))
    return 0


def _empty(session: Session, node: str) -> str:
    """Make the node's pods go. What went wrong, if anything did."""
    choice = _choose(session, node)
    if choice.refusals:
        return _several(choice.refusals)
    if choice.warnings:
        session.warn(f"Warning: {'; '.join(choice.warnings)}")
    mode, hands = dry_run(session), _Hands(session, node)
    if mode != "none":
        return _rehearse(session, choice, hands, mode)
    flags = session.flags
    out = Out(lambda line: _at_once(session, line), session.warn, lambda pod: _gone(session, pod))
    deadline = Deadline(flags.seconds("timeout"))
    errors = follow(choice.pods, hands, out, deadline, flags.text("timeout"))
    if errors:
        left = [f"pod/{each.metadata.name}" for each in _choose(session, node).pods]
        told = f'There are pending pods in node "{node}" when an error occurred: {_several(errors)}'
        session.warn("\n".join([told, *left]))
    return _several(errors)


def _several(told: Sequence[str]) -> str:
    return told[0] if len(told) == 1 else f"[{', '.join(told)}]" if told else ""


def _choose(session: Session, node: str) -> Choice:
    flags, kind = session.flags, _kind("daemonsets")

    def has_daemonset(namespace: str, name: str) -> bool:
        try:
            session.server.get(kind, name, namespace)
        except NotFound:
            return False
        return True

    pods, _ = session.server.list(
        _kind("pods"), labels=flags.text("pod-selector"), fields=f"spec.nodeName={node}"
    )
    patience = flags.number("skip-wait-for-delete-timeout") or 0
    given = Flags(
        flags.on("force"),
        flags.on("ignore-daemonsets"),
        flags.on("delete-emptydir-data"),
        clock.now().timestamp() - patience if patience > 0 else 0.0,
    )
    return choose(pods, given, has_daemonset)


def _rehearse(session: Session, choice: Choice, hands: "_Hands", mode: str) -> str:
    errors = []
    for pod in choice.pods:
        session.say(f"{hands.verb} pod {pod.metadata.namespace}/{pod.metadata.name}{suffix(mode)}")
        try:
            if mode == "server":
                hands.remove(pod)
        except ApiError as error:
            errors.append(of_error(error))
    return _several(errors)


def _at_once(session: Session, line: str) -> None:
    session.say(line)
    sys.stdout.flush()  # who follows a pipe wants to see it now


def _gone(session: Session, pod: Any) -> None:
    word = "deleted" if session.flags.on("disable-eviction") else "evicted"
    _at_once(session, f"pod/{pod.metadata.name} {word}")


class _Hands:
    """Evicts pods, or, if told so, deletes them without asking any budget."""

    def __init__(self, session: Session, node: str) -> None:
        flags = session.flags
        self._server, self._node = session.server, node
        self._evicts = not flags.on("disable-eviction")
        self._dry_run = dry_run(session) == "server"
        grace = flags.number("grace-period")
        self._grace = grace if grace is not None and grace >= 0 else None
        self.verb = "evicting" if self._evicts else "deleting"

    def remove(self, pod: Any) -> None:
        meta, kind = pod.metadata, _kind("pods")
        how = Delete(grace=self._grace, uid=meta.uid)
        if self._evicts:
            wish = rpc.eviction(meta.namespace, meta.name, how)
            self._server.create(
                kind, wish, meta.namespace, subresource="eviction", dry_run=self._dry_run
            )
        else:
            options = rpc.delete_options(how)
            self._server.delete(kind, meta.name, meta.namespace, options, dry_run=self._dry_run)

    def remaining(self) -> set[str]:
        pods, _ = self._server.list(_kind("pods"), fields=f"spec.nodeName={self._node}")
        return {pod.metadata.uid for pod in pods}


WHICH = (SELECTOR, DRY_RUN, Flag("output", "How to print the nodes: name, json, yaml.", "o"))
CORDON = Command(
    usage="cordon (NODE ... | -l label) [flags]",
    about="Mark nodes as unschedulable.\n\nThey take no new pods; those that are there stay.",
    examples="""  # Let a node finish what it has
  helmling cordon n1""",
    run=cordon,
    flags=WHICH,
    complete="nodes",
)
UNCORDON = Command(
    usage="uncordon (NODE ... | -l label) [flags]",
    about="Mark nodes as schedulable.",
    examples="""  # Take new pods again
  helmling uncordon n1""",
    run=uncordon,
    flags=WHICH,
    complete="nodes",
)
DRAIN = Command(
    usage="drain (NODE ... | -l label) [flags]",
    about="Drain nodes in preparation for maintenance.\n\nThe node is cordoned, then its pods are evicted: each goes "
    "as soon as its disruption budget allows, and is made anew elsewhere by whatever made it. When the command is "
    "through, nothing is left on the node but pods of DaemonSets.",
    examples="""  # Everything that can be made anew goes
  helmling drain n1 --ignore-daemonsets

  # Also pods that nobody makes anew, and those whose emptyDir is lost with them; for at most a minute
  helmling drain n1 --force --delete-emptydir-data --timeout=60s

  # What would happen
  helmling drain n1 --dry-run=server""",
    run=drain,
    flags=(
        *WHICH,
        switch("force", "Also pods that no controller would make anew."),
        switch("ignore-daemonsets", "Leave the pods of DaemonSets where they are."),
        switch("delete-emptydir-data", "Also pods with emptyDir volumes, whose contents are lost."),
        switch("disable-eviction", "Delete instead of evicting: no disruption budget is asked."),
        Flag("grace-period", "Seconds each pod has to end; negative: its own wish.", form="number", default="-1"),
        Flag("pod-selector", "Only pods whose labels match."),
        Flag("skip-wait-for-delete-timeout", "Pass over pods that should have ended so many seconds ago; 0: none.",
             form="number", default="0"),
        switch("ignore-errors", "Kept for kubectl's sake: what fails on one node never keeps the others waiting."),
        duration("timeout", "How long to try before giving up; 0 is without end.", "0s"),
    ),
    complete="nodes",
)  # fmt: skip
