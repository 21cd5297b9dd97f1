"""Kinds are found under every name that people type."""

import pytest

from api import kinds
from proto.v1.apps_pb2 import Deployment
from proto.v1.pod_pb2 import Pod
from proto.v1.policy_pb2 import PodMetrics


@pytest.mark.parametrize(
    ("word", "message"),
    [
        *((word, Pod) for word in ("po", "pod", "pods", "Pod", "pods.v1", "pods.v1.")),
        *((word, Deployment) for word in ("deploy", "deployments.apps", "deploy.apps")),
        ("deployments.v1.apps", Deployment),
        ("pods.metrics.k8s.io", PodMetrics),
        ("pods.v1beta1.metrics.k8s.io", PodMetrics),
    ],
)
def test_found(word: str, message: type[object]) -> None:
    found = kinds.find(word)
    assert found is not None
    assert found.message is message


@pytest.mark.parametrize("word", ["", "web", "deployments.v2.apps", "pods.apps", "po.x"])
def test_not_found(word: str) -> None:
    assert kinds.find(word) is None
