"""A cluster with hollow nodes, for tests that need no containers; and a lab, for those that need several machines."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.cli_runner import Cli, cluster
from tests.lab import TestLab, running


@pytest.fixture(scope="session")
def hollow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with cluster(tmp_path_factory.mktemp("hollow"), "--hollow=2", "--node-name=n") as cli:
        yield cli


@pytest.fixture
def cli(hollow: Cli, request: pytest.FixtureRequest) -> Cli:
    """A namespace of its own for each test, in its kubeconfig. It goes with the cluster."""
    name = request.node.originalname.removeprefix("test_").replace("_", "-")[:50].strip("-")
    config = json.loads((hollow.data_dir / "admin.conf").read_text())
    config["contexts"][0]["context"]["namespace"] = name
    mine = hollow.data_dir / f"{name}.conf"
    mine.write_text(json.dumps(config))
    hollow.ok("create", "namespace", name)
    return Cli(hollow.data_dir, {"KUBECONFIG": str(mine)})


@pytest.fixture(scope="session")
def three_machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestLab]:
    """Use `lab`, which mends what a test has broken."""
    with running(tmp_path_factory.mktemp("labs") / "three", "--nodes=3") as made:
        yield made


@pytest.fixture
def lab(three_machines: TestLab) -> Iterator[TestLab]:
    """A cluster of three machines: n1, n2, n3 (tests/lab.py)."""
    yield three_machines
    three_machines.restore()
