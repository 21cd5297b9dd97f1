"""Fuzzing that follows the code: atheris looks which lines a request reaches, and varies what reached new ones.

    make fuzz                            a minute of it
    make fuzz ARGS=-max_total_time=3600  an hour; libFuzzer's options are https://llvm.org/docs/LibFuzzer.html#options

What it finds it writes to a file crash-…, which `make fuzz ARGS=crash-…` runs again; make a test of it. It is not part of
`make test`, where hypothesis makes the same choices at random (tests/cluster/test_fuzz.py).
"""

import logging
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["api", "control_plane"]):
    from tests.fuzzing import Victim, request


def main() -> None:
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder, Victim(Path(folder)) as victim:

        def one(data: bytes) -> None:
            choices = atheris.FuzzedDataProvider(data)
            victim.send(*request(lambda count: choices.ConsumeIntInRange(0, count - 1)))

        atheris.Setup(sys.argv, one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
