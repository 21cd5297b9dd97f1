"""Runs the real kubectl, as it comes from its makers, against a cluster of ours."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.e2e.cli_runner import LONG, Answer, Cli


def program() -> str:
    """Its path. Without one the test fails: nothing else shows that kubectl works."""
    found = os.environ.get("KUBECTL") or shutil.which("kubectl")
    if not found:
        pytest.fail(
            "there is no kubectl: scripts/setup.sh installs Debian's package kubernetes-client"
        )
    return found


@cache
def minor(path: str) -> int:
    """32, of v1.32.4."""
    told = subprocess.run(
        [path, "version", "--client", "-o", "json"], capture_output=True, text=True, timeout=LONG
    )
    match = re.search(r'"gitVersion": "v1\.(\d+)', told.stdout)
    assert match, told
    return int(match[1])


@dataclass
class Kubectl:
    """kubectl with a kubeconfig of its own, in one namespace."""

    folder: Path  # its home: caches, and the kubeconfig

    @classmethod
    def of(cls, cli: Cli, folder: Path) -> "Kubectl":
        """As the user and in the namespace of this Cli."""
        cli.ok("kubeconfig", f"--write={folder}/config")
        return cls(folder)

    def env(self) -> dict[str, str]:
        path = os.environ.get("PATH", "")
        mine = {"HOME": str(self.folder), "KUBECONFIG": f"{self.folder}/config", "PATH": path}
        return {**mine, "EDITOR": "sed -i s/before-the-edit/after-the-edit/", "TERM": "dumb"}

    def run(self, *words: str, stdin: str = "", patience: int = LONG) -> Answer:
        done = subprocess.run(
            [program(), *words],
            env=self.env(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=patience,
            cwd=self.folder,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def ok(self, *words: str, stdin: str = "", patience: int = LONG) -> Answer:
        answer = self.run(*words, stdin=stdin, patience=patience)
        assert answer.code == 0, f"kubectl {' '.join(words)}: {answer.err or answer.out}"
        return answer
