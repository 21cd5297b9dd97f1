"""Which pods a drain makes go, and what becomes of a node's taints."""

from typing import Any

import pytest

from cli.drain.choose import Flags, choose
from cli.errors import CommandError
from cli.taints import Taint, changed, read, split
from tests.manifests import created

ALL = Flags(force=True, ignore_daemonsets=True, delete_emptydir_data=True)


def pod(
    owner: str = "ReplicaSet", phase: str = "Running", *, scratch: bool = False, **notes: str
) -> Any:
    made = created("Pod", {"metadata": {"annotations": notes}})
    made.status.phase = phase
    if owner:
        made.metadata.ownerReferences.add(kind=owner, name="owner", controller=True)
    if scratch:
        made.spec.volumes.add(name="scratch").emptyDir.SetInParent()
    return made


@pytest.mark.parametrize(
    ("subject", "flags", "goes", "warning", "refusal"),
    [
        (pod(), Flags(), True, "", ""),
        (pod(""), Flags(), False, "", "cannot delete Pods that declare no controller (use --force to override)"),
        (pod(""), Flags(force=True), True, "deleting Pods that declare no controller", ""),
        (pod("", "Succeeded"), Flags(), True, "", ""),
        (pod(scratch=True), Flags(), False, "", "cannot delete Pods with local storage (use --delete-emptydir-data to override)"),
        (pod(scratch=True), ALL, True, "deleting Pods with local storage", ""),
        (pod("", scratch=True), ALL, True, "deleting Pods that declare no controller", ""),
        (pod("DaemonSet"), Flags(), False, "", "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)"),
        (pod("DaemonSet"), ALL, False, "ignoring DaemonSet-managed Pods", ""),
        (pod("DaemonSet", "Failed"), Flags(), True, "", ""),
        (pod(**{"kubernetes.io/config.mirror": "x"}), Flags(), False, "", ""),
    ],
)  # fmt: skip
def test_who_goes(subject: Any, flags: Flags, goes: bool, warning: str, refusal: str) -> None:
    choice = choose([subject], flags, lambda namespace, name: True)
    assert choice.pods == ([subject] if goes else [])
    assert choice.warnings == ([f"{warning}: default/web"] if warning else [])
    assert choice.refusals == ([f"{refusal}: default/web"] if refusal else [])


@pytest.mark.parametrize(("limit", "goes"), [(0.0, True), (900.0, True), (1001.0, False)])
def test_who_should_have_ended_long_ago_is_passed_over(limit: float, goes: bool) -> None:
    """--skip-wait-for-delete-timeout: a dead node confirms nothing any more."""
    ending = pod()
    ending.metadata.deletionTimestamp.seconds = 1000
    choice = choose([ending, pod()], Flags(ended_before=limit), lambda namespace, name: True)
    assert len(choice.pods) == 1 + goes
    assert not choice.refusals


@pytest.mark.parametrize("force", [True, False])
def test_a_daemonset_that_is_gone(force: bool) -> None:
    choice = choose([pod("DaemonSet")], Flags(force=force), lambda namespace, name: False)
    missing = 'daemonsets.apps "owner" not found: default/web'
    assert (choice.warnings, choice.refusals) == (
        ([missing], []) if force else ([], [f"cannot delete {missing}"])
    )
    assert bool(choice.pods) is force


def test_pods_with_the_same_trouble_are_told_together() -> None:
    choice = choose([pod(""), pod("")], Flags(), lambda namespace, name: True)
    [told] = choice.refusals
    assert told.endswith(": default/web, default/web")


# Taints


def test_nodes_come_before_taints() -> None:
    assert split(["nodes", "n1", "a=b:NoSchedule", "c-"]) == (
        ["nodes", "n1"],
        ["a=b:NoSchedule", "c-"],
    )
    with pytest.raises(CommandError, match="before taint changes: n1"):
        split(["nodes", "a-", "n1"])


def test_taints_as_people_write_them() -> None:
    changes = read(["a=b:NoSchedule", "c:NoExecute", "d:NoExecute-", "e-"])
    assert changes.add == [Taint("a", "b", "NoSchedule"), Taint("c", "", "NoExecute")]
    assert changes.remove == [Taint("d", "", "NoExecute"), Taint("e")]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["a=b"], "invalid taint spec: a=b"),
        (["a:"], "invalid taint spec: a:"),
        (["=b:NoSchedule"], "invalid taint spec"),
        (["a=b=c:NoSchedule"], "invalid taint spec"),
        (["a:Never"], "invalid taint effect: Never"),
        (["a=1:NoSchedule", "a=2:NoSchedule"], "duplicated taints with the same key and effect"),
        (["a:NoSchedule", "a-"], "can not both modify and remove"),
    ],
)
def test_what_is_no_taint(words: list[str], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        read(words)


OLD = [Taint("a", "1", "NoSchedule"), Taint("b", "", "NoExecute")]


@pytest.mark.parametrize(
    ("words", "overwrite", "after", "word"),
    [
        (["c:NoSchedule"], False, [*OLD, Taint("c", "", "NoSchedule")], "tainted"),
        (["a=2:NoSchedule"], True, [OLD[1], Taint("a", "2", "NoSchedule")], "modified"),
        (["a=2:NoExecute"], False, [*OLD, Taint("a", "2", "NoExecute")], "tainted"),
        (["a-"], False, [OLD[1]], "untainted"),
        (["b:NoExecute-", "c:NoSchedule"], False, [OLD[0], Taint("c", "", "NoSchedule")], "modified"),
    ],
)  # fmt: skip
def test_what_becomes_of_them(
    words: list[str], overwrite: bool, after: list[Taint], word: str
) -> None:
    assert changed("n1", OLD, read(words), overwrite=overwrite) == (after, word)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["a=2:NoSchedule"], r"node n1 already has a taint\(s\) with same effect\(s\)"),
        (["c-"], 'taint "c" not found'),
        (["a:NoExecute-"], 'taint "a:NoExecute" not found'),
    ],
)
def test_changes_that_are_refused(words: list[str], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        changed("n1", OLD, read(words), overwrite=False)
