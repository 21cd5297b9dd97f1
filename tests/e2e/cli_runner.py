"""Runs the real program, as a user would, against a cluster that `helmling up` has started."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.addresses import pod_range, service_range
from tests.e2e import forked

LONG = 60  # seconds after which something is broken, and not only slow
PROGRAM = [sys.executable, "-m", "cli.main"]
ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    def lines(self) -> list[str]:
        return self.out.splitlines()

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Cli:
    """The program in one environment."""

    data_dir: Path
    environment: dict[str, str] = field(default_factory=dict)

    def env(self) -> dict[str, str]:
        inherited = {
            k: v for k, v in os.environ.items() if k not in ("KUBECONFIG", "HELMLING_DEBUG")
        }
        here = {"HELMLING_DATA_DIR": str(self.data_dir), "PYTHONPATH": str(ROOT)}
        return inherited | here | self.environment

    def run(
        self, *words: str, stdin: str | bytes = "", cwd: Path | None = None, patience: int = LONG
    ) -> Answer:
        """Whatever comes of it."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        code, out, err = forked.run(words, self.env(), cwd or Path.cwd(), given, patience)
        answer = Answer(code, out.decode(), err.decode())
        assert "Traceback" not in answer.err, answer.err
        return answer

    def ok(self, *words: str, stdin: str | bytes = "", patience: int = LONG) -> Answer:
        """It must succeed."""
        answer = self.run(*words, stdin=stdin, patience=patience)
        assert answer.code == 0, (
            f"helmling {' '.join(words)}: {answer.code}\n{answer.out}{answer.err}"
        )
        return answer

    def fails(self, *words: str, stdin: str | bytes = "", code: int = 1) -> str:
        """It must not; returns what it said on standard error."""
        answer = self.run(*words, stdin=stdin)
        assert answer.code == code, (
            f"helmling {' '.join(words)}: {answer.code}\n{answer.out}{answer.err}"
        )
        return answer.err

    def start(self, *words: str, **how: Any) -> subprocess.Popen[bytes]:
        """In the background; the caller ends it."""
        return subprocess.Popen(
            [*PROGRAM, *words],
            env=self.env(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **how,
        )


@contextmanager
def cluster(folder: Path, *options: str) -> Iterator[Cli]:
    """A cluster of its own, gone at the end with all that it started."""
    cli = Cli(folder)
    try:
        ranges = (f"--pod-cidr={pod_range()}", f"--service-cidr={service_range()}")
        cli.ok("up", "--port=0", *ranges, *options)
        yield cli
    finally:
        cli.ok("down", "--wipe", "--yes")


@contextmanager
def background(cli: Cli, *words: str, **how: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A command that runs until it is told to stop."""
    with cli.start(*words, **how) as process:
        try:
            yield process
        finally:
            process.terminate()


def read_until(process: subprocess.Popen[bytes], text: str, stream: IO[bytes] | None = None) -> str:
    """The output (or another stream of it) so far, as soon as it has `text`; fails when it ends without."""
    source = stream or process.stdout
    assert source is not None
    seen = b""
    while text.encode() not in seen:
        line = source.readline()
        assert line, f"it ended without saying {text!r}: {seen.decode()}"
        seen += line
    return seen.decode()
