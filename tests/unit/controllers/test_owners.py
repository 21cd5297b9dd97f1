"""Which objects belong to a manager, as a table (S#22)."""

import pytest

from control_plane.controllers.owners import claims
from proto.v1.apps_pb2 import ReplicaSet
from proto.v1.pod_pb2 import Pod


def web(*, ending: bool = False) -> ReplicaSet:
    made = ReplicaSet()
    made.metadata.uid = "mine"
    made.spec.selector.matchLabels["app"] = "web"
    if ending:
        made.metadata.deletionTimestamp.seconds = 1
    return made


def pod(manager: str = "", app: str = "web", *, ending: bool = False, manages: bool = True) -> Pod:
    made = Pod()
    made.metadata.labels["app"] = app
    if manager:
        made.metadata.ownerReferences.add(uid=manager, controller=manages)
    if ending:
        made.metadata.deletionTimestamp.seconds = 1
    return made


@pytest.mark.parametrize(
    ("owner", "candidate", "fate"),
    [
        (web(), pod("mine"), "keep"),
        (web(), pod("mine", "other"), "release"),
        (web(), pod("theirs"), "nothing"),
        (web(), pod("theirs", "other"), "nothing"),
        (web(), pod(), "adopt"),
        (web(), pod("", "other"), "nothing"),
        (web(), pod(ending=True), "nothing"),
        (web(), pod("theirs", manages=False), "adopt"),  # an owner, but not a manager
        (web(ending=True), pod("mine"), "keep"),
        (web(ending=True), pod("mine", "other"), "nothing"),
        (web(ending=True), pod(), "nothing"),
    ],
)
def test_claims(owner: ReplicaSet, candidate: Pod, fate: str) -> None:
    found = claims(owner, [candidate])
    lists = {"keep": found.keep, "adopt": found.adopt, "release": found.release}
    assert {name for name, objects in lists.items() if objects} == {fate} - {"nothing"}
