"""The real kubectl against the gateway: each row of kubectl_rows.py, and the table that tells of them."""

import os
import shlex
from pathlib import Path

import pytest

from tests.e2e import kubectl
from tests.e2e.cli_runner import ROOT, Cli
from tests.e2e.kubectl import Kubectl
from tests.e2e.kubectl_rows import HEAD, POD, ROWS, table
from tests.waiting import eventually

DOCUMENT = ROOT / "docs" / "kubectl.md"
WRITE = "HELMLING_WRITE_DOCS"  # set: write the table instead of comparing it
SCHEMA_V3 = 29  # the first kubectl that looks at fields by OpenAPI v3
TABLE_BY = 32  # the kubectl whose table is committed


@pytest.fixture
def kube(cli: Cli, tmp_path: Path) -> Kubectl:
    return Kubectl.of(cli, tmp_path)


def test_every_command(kube: Kubectl) -> None:
    """What the table says is what happens."""
    version = kubectl.minor(kubectl.program())
    if version < SCHEMA_V3:  # it asks for a schema that is not offered, before it sends a file
        kube.ok("create", "--validate=false", "-f", "-", stdin=POD)
    wrong = []
    for row in ROWS:
        if not row.since <= version < row.until:
            continue
        stdin = (
            kube.ok("get", "pod", "hello", "-o", "yaml").out if row.stdin == "{pod}" else row.stdin
        )
        words = shlex.split(row.command)
        if row.later:
            eventually(lambda words=words: kube.run(*words).code == 0)
        wrong.append(row.verdict(kube.run(*words, stdin=stdin)))
    assert not any(wrong), "\n\n".join(filter(None, wrong))


def test_the_table_is_current() -> None:
    """docs/kubectl.md is what the rows say; `HELMLING_WRITE_DOCS=1 pytest` writes it."""
    made = HEAD.replace("{version}", f"1.{TABLE_BY}") + table(ROWS)
    if os.environ.get(WRITE):
        DOCUMENT.write_text(made)
    assert DOCUMENT.read_text() == made
