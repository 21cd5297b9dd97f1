"""Mounting control groups, tried in a mount namespace of its own so that the machine keeps its mounts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from node_agent import cgroups

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount"),
]

BARE = """
mount --make-rprivate /
mount -t tmpfs tmpfs /sys/fs/cgroup
exec {python} -c '
from node_agent import cgroups
print(cgroups.usable(), cgroups.mount_if_missing(), cgroups.usable(), cgroups.mount_if_missing())'
"""


def test_a_machine_without_mounts_gets_those_that_docker_needs() -> None:
    """Nothing is there, so they are mounted; the second time there is nothing to do."""
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", BARE.format(python=sys.executable)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["False", "True", "True", "False"], done.stderr


def test_what_is_mounted_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    assert not cgroups.mount_if_missing(tmp_path)
    assert not cgroups.mount_if_missing(tmp_path / "absent")


def test_only_enabled_controllers_get_a_mount() -> None:
    text = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t2\t9\t1\nhugetlb\t0\t1\t0\n"
    assert cgroups.enabled_controllers(text) == ["cpu"]
