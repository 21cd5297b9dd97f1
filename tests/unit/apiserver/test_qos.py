"""Classes of service (S#46)."""

from typing import Any

import pytest

from tests.manifests import created

FULL = {"limits": {"cpu": "1", "memory": "1Gi"}}


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ([{}], "BestEffort"),
        ([{"limits": {"cpu": "0"}}], "BestEffort"),
        ([{"limits": {"ephemeral-storage": "1Gi"}}], "BestEffort"),
        ([FULL], "Guaranteed"),
        ([{**FULL, "requests": {"cpu": "1000m", "memory": "1024Mi"}}], "Guaranteed"),
        ([FULL, FULL], "Guaranteed"),
        ([{**FULL, "requests": {"cpu": "500m"}}], "Burstable"),
        ([{"limits": {"cpu": "1"}}], "Burstable"),
        ([{"requests": {"cpu": "1", "memory": "1Gi"}}], "Burstable"),
        ([FULL, {}], "Burstable"),
        ([{"requests": {"memory": "1Mi"}}, {}], "Burstable"),
        ([{"limits": {"cpu": "lots"}}], "BestEffort"),
    ],
)
def test_the_class_follows_from_requests_and_limits(
    resources: list[dict[str, Any]], expected: str
) -> None:
    containers = [
        {"name": f"c{index}", "image": "i", "resources": each}
        for index, each in enumerate(resources)
    ]
    assert created("Pod", {"spec": {"containers": containers}}).status.qosClass == expected


def test_init_containers_count() -> None:
    pod = created(
        "Pod",
        {
            "spec": {
                "initContainers": [{"name": "i", "image": "x"}],
                "containers": [{"name": "a", "image": "x", "resources": FULL}],
            }
        },
    )
    assert pod.status.qosClass == "Burstable"
