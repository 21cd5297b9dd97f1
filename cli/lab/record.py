"""Which labs there are. A lab's few numbers are in /run: after the host's own restart there is no lab, only its
disks.
"""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from ipaddress import IPv4Interface
from pathlib import Path

from cli.errors import CommandError, did_you_mean
from cli.kubeconfig import DATA_DIR
from cli.lab import plan, wires
from cli.lab.plan import RUN, Lab


def find(name: str) -> Lab:
    """Raises CommandError when there is none of this name."""
    lab = read(name)
    if lab is None:
        guess = did_you_mean(name, names())
        raise CommandError(f'there is no lab "{name}"{guess}. Make one: helmling lab up')
    return lab


def read(name: str) -> Lab | None:
    try:
        return Lab(**json.loads((RUN / plan.check_name(name) / "lab.json").read_text()))
    except FileNotFoundError:
        return None


def names() -> list[str]:
    return sorted(file.parent.name for file in RUN.glob("*/lab.json"))


def write(lab: Lab) -> None:
    scratch = lab.run / "lab.json.new"
    scratch.write_text(json.dumps(asdict(lab)) + "\n")
    scratch.replace(lab.run / "lab.json")


def default_folder(name: str) -> Path:
    return Path(DATA_DIR) / "labs" / name


def begin(wanted: Lab) -> Lab:
    """A new lab, on the first slot that nobody has, whatever slot is wanted."""
    with locked(RUN / "lock"):
        taken = {lab.slot for each in names() if (lab := read(each)) is not None}
        used = [IPv4Interface(text).network for text in wires.used_networks()]
        for slot in range(plan.SLOTS):
            lab = replace(wanted, slot=slot)
            mine = [lab.router(segment).network for segment in range(lab.segments)]
            if slot not in taken and not any(a.overlaps(b) for a in mine for b in used):
                lab.run.mkdir(parents=True, exist_ok=True)
                write(lab)
                return lab
    raise CommandError(
        "all of 10.77.0.0/16 is in use on this machine: there is no room for another lab"
    )


def grown(lab: Lab, nodes: int) -> Lab:
    """With more nodes."""
    larger = replace(lab, nodes=nodes)
    write(larger)
    return larger


def forget_place() -> None:
    """With the last lab goes the folder of all."""
    if not names():
        (RUN / "lock").unlink(missing_ok=True)
    with suppress(OSError):
        RUN.rmdir()


def lock_of(name: str) -> Path:
    return RUN / f"{name}.lock"


@contextmanager
def locked(path: Path, busy: str = "") -> Iterator[None]:
    """One process at a time; with `busy`, who comes second is told that and does not wait. Raises CommandError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except PermissionError:
        raise CommandError(f"cannot write to {path.parent}: a lab needs root") from None
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0))
        except BlockingIOError:
            raise CommandError(busy) from None
        yield
