"""What everything in a lab is called, and which addresses it has."""

import os
from itertools import combinations

import pytest

from cli.errors import CommandError, UsageError
from cli.lab import boot, hierarchies, plan, running
from cli.lab.plan import Lab

LAB = Lab("lab", 3, "/var/lib/helmling/labs/lab", nodes=4, segments=2)
OTHER = Lab("other", 4, "/tmp/other", nodes=4, segments=2)


def test_machines_are_dealt_to_the_segments() -> None:
    assert [(m.name, m.segment, str(m.address)) for m in LAB.machines()] == [
        ("n1", 0, "10.77.3.11/24"),
        ("n2", 1, "10.78.3.12/24"),
        ("n3", 0, "10.77.3.13/24"),
        ("n4", 1, "10.78.3.14/24"),
    ]


def test_nothing_in_a_lab_or_in_two_has_the_same_name_or_address() -> None:
    machines = [*LAB.machines(), *OTHER.machines()]
    for name in ("address", "mac", "netns", "run", "disk", "cgroup", "socket"):
        assert len({getattr(machine, name) for machine in machines}) == len(machines), name
    networks = [lab.router(segment).network for lab in (LAB, OTHER) for segment in range(2)]
    assert not any(one.overlaps(two) for one, two in combinations(networks, 2))
    assert LAB.link != OTHER.link
    assert LAB.switch != OTHER.switch


def test_the_largest_lab_has_valid_names_and_addresses() -> None:
    lab = Lab("x" * 20, plan.SLOTS - 1, "/x", plan.NODES, plan.SEGMENTS)
    last = lab.machines()[-1]
    assert len(lab.link) <= 15
    assert len(str(last.socket)) < 108, "as long as a socket's path may be"
    assert last.address.ip not in (lab.router(last.segment).ip, lab.host.ip)


@pytest.mark.parametrize("name", ["lab", "a", "t123-4", "x" * 20])
def test_names_of_labs(name: str) -> None:
    assert plan.check_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a/b", "..", "x" * 21, "a b"])
def test_names_that_no_lab_can_have(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a lab's name"):
        plan.check_name(name)


def test_a_wrong_name_of_a_node_is_explained() -> None:
    with pytest.raises(UsageError, match='has no node "n44", did you mean "n4"'):
        LAB.machine("n44")
    with pytest.raises(UsageError, match='has no node "x": it has n1, n2, n3, n4'):
        LAB.machine("x")


def test_the_commands_that_lay_the_cables() -> None:
    assert plan.host_batch(LAB).splitlines() == [
        "link add hlab3 type veth peer name host netns hlab-lab-switch",
        "address replace 10.77.3.1/24 dev hlab3",
        "link set hlab3 up",
        "route replace 10.78.3.0/24 via 10.77.3.254 dev hlab3",
    ]
    assert plan.cable_batch(LAB.machine("n2")) == (
        "link add eth0 netns hlab-lab-n2 address 02:77:03:01:00:02 type veth peer name n2 netns hlab-lab-switch\n"
    )
    assert "route replace default via 10.78.3.254" in plan.machine_batch(LAB.machine("n2"))


MOUNTS = """\
/dev/vda / ext4 rw 0 0
overlay / overlay rw 0 0
tmpfs /sys/fs/cgroup tmpfs rw 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
/dev/vdb /home ext4 rw 0 0
tmpfs /run tmpfs rw 0 0
nsfs /run/docker/netns/default nsfs rw 0 0
overlay /var/lib/docker/overlay2/1/merged overlay rw 0 0
overlay /data/overlay2/1/merged overlay rw 0 0
tmpfs /var/lib/helmling/agent/pods/1/volumes/token tmpfs rw 0 0
"""


def test_what_is_the_hosts_is_not_held_by_a_machine() -> None:
    assert boot.foreign(MOUNTS) == [
        "/var/lib/helmling/agent/pods/1/volumes/token",
        "/data/overlay2/1/merged",
        "/var/lib/docker/overlay2/1/merged",
        "/run/docker/netns/default",
    ]


def test_hierarchies_of_both_versions_are_found() -> None:
    assert [str(path) for path in hierarchies.mounted(MOUNTS)] == [
        "/sys/fs/cgroup/memory",
        "/sys/fs/cgroup/unified",
    ]


def test_no_root_no_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(CommandError, match="run this as root"):
        running.check_host()


def test_missing_programs_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(running.shutil, "which", lambda name, **_: None if name == "nft" else name)  # type: ignore[attr-defined]
    with pytest.raises(CommandError, match="a lab needs nft, not installed on this machine"):
        running.check_host()
