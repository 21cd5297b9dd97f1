"""What a pod requests: the larger of its start and its life (S#39)."""

from typing import Any

import pytest

from control_plane.scheduler import resources
from control_plane.scheduler.resources import ASSUMED_CPU, ASSUMED_MEMORY
from tests.scheduler_objects import pod


def _container(cpu: str, *, sidecar: bool = False) -> dict[str, Any]:
    requests = {"cpu": cpu} if cpu else {}
    made: dict[str, Any] = {"name": "c", "image": "c", "resources": {"requests": requests}}
    return {**made, "restartPolicy": "Always"} if sidecar else made


@pytest.mark.parametrize(
    ("init", "main", "overhead", "expected"),
    [
        ([], ["100m", "200m"], "", 300),
        (["250m"], ["100m", "200m"], "", 300),
        (["400m"], ["100m", "200m"], "", 400),
        (["400m", "500m"], ["100m"], "", 500),  # one after the other: the largest
        (["+100m"], ["100m"], "", 200),  # a sidecar lives as long as the pod
        (["+100m", "400m"], ["100m"], "", 500),  # and beside later init containers
        (["400m", "+100m"], ["100m"], "", 400),  # but not beside earlier ones
        (["+100m", "300m", "+200m", "150m"], ["50m"], "", 450),
        (["400m"], ["100m"], "50m", 450),
        ([], [""], "", 0),
    ],
)
def test_requests(init: list[str], main: list[str], overhead: str, expected: int) -> None:
    """cpu in millicores; + marks a sidecar."""
    asked = pod(
        initContainers=[_container(c.lstrip("+"), sidecar=c.startswith("+")) for c in init],
        containers=[_container(cpu) for cpu in main],
        overhead={"cpu": overhead} if overhead else {},
    )
    assert resources.requested(asked.spec).cpu == expected


def test_each_resource_for_itself() -> None:
    """The start may need more memory and the life more cpu."""
    start = {"name": "i", "image": "i", "resources": {"requests": {"cpu": "1m", "memory": "2Gi"}}}
    life = {"name": "c", "image": "c", "resources": {"requests": {"cpu": "2", "memory": "1Gi"}}}
    found = resources.requested(pod(initContainers=[start], containers=[life]).spec)
    assert (found.cpu, found.memory) == (2000, 2 * 2**30)


def test_a_guess_for_those_who_say_nothing() -> None:
    """Per container and resource; an explicit 0 is believed."""
    silent, loud = _container(""), _container("0")
    found = resources.assumed(pod(containers=[silent, silent, loud]).spec)
    assert (found.cpu, found.memory) == (2 * ASSUMED_CPU, 3 * ASSUMED_MEMORY)


def test_extended_resources_are_counted_in_pieces() -> None:
    found = resources.requested(pod(requests={"example.com/gpu": "2", "cpu": "1"}).spec)
    assert dict(found.extended) == {"example.com/gpu": 2}
