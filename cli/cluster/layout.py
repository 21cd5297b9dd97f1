"""The folder of a cluster on this machine, and the wishes it was started with.

admin.conf            how to reach it, as the administrator (written by the server)
pki/                  the cluster's authority, and the server's certificates
up.json               what `helmling up` was told: the next `up` does the same
run/server.json       which processes are ours: PID and moment of birth
run/agent.json
logs/server.log       what they say
logs/agent.log
store/                the server's
agent/                the agent's
engine/               of a Docker Engine that we started
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from cli.errors import CommandError
from cli.kubeconfig import ADMIN

HOST = "127.0.0.1"  # where the processes of this machine find the server
EVERYWHERE = "0.0.0.0"
PORT, TOKEN_PORT, HTTP_PORT = 6440, 6441, 6443
LEASE_PERIOD = 10.0
CLUSTER_DOMAIN = "cluster.local"
SERVICE_CIDR = "10.96.0.0/16"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What `helmling up` was asked for."""

    port: int = PORT  # 0: any free one
    token_port: int = TOKEN_PORT  # for machines that join; 0: any free one
    http_port: int = HTTP_PORT  # for kubectl; 0: any free one
    advertise_address: str = (
        ""  # the address at which other machines find this one; "": they do not
    )
    node_name: str = ""  # default: the machine's name
    pod_cidr: str = ""  # default: what the cluster gives the node
    cluster_dns: str = ""  # the name server's address; default: the tenth of the services'
    cluster_domain: str = CLUSTER_DOMAIN  # what names of the cluster end in
    service_cidr: str = SERVICE_CIDR
    hollow: int = 0  # so many hollow nodes instead of a real one
    store: str = ""  # default: SQLite in the folder
    lease_period: float = LEASE_PERIOD  # seconds between two signs of life of a node
    ingress: str = "auto"  # off: the node serves none
    ingress_http_port: int = 80
    ingress_https_port: int = 443

    @property
    def is_hollow(self) -> bool:
        return self.hollow > 0


@dataclass(frozen=True, slots=True)
class Layout:
    root: Path

    @property
    def admin(self) -> Path:
        return self.root / ADMIN

    @property
    def engine(self) -> Path:
        return self.root / "engine"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    def log(self, part: str) -> Path:
        return self.root / "logs" / f"{part}.log"

    def record(self, part: str) -> Path:
        return self.root / "run" / f"{part}.json"

    @property
    def wishes(self) -> Path:
        return self.root / "up.json"

    def make(self) -> None:
        """Raises CommandError where we may not write."""
        try:
            for folder in (self.root, self.root / "run", self.root / "logs"):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(self.root, os.W_OK):
                raise PermissionError(13, "Permission denied")
        except OSError as error:
            raise CommandError(
                f"cannot write to {self.root}: {error.strerror}. Run this as root, or choose "
                "another folder with --data-dir or $HELMLING_DATA_DIR"
            ) from None

    def read_wishes(self) -> Wishes | None:
        """None: nothing has been started here yet."""
        try:
            kept = json.loads(self.wishes.read_text())
        except (FileNotFoundError, ValueError):
            return None
        return Wishes(**{f.name: kept[f.name] for f in fields(Wishes) if f.name in kept})

    def write_wishes(self, wishes: Wishes) -> None:
        scratch = self.wishes.with_suffix(".new")
        scratch.write_text(json.dumps(asdict(wishes), indent=2) + "\n")
        scratch.replace(self.wishes)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One `up` or `down` at a time."""
        import fcntl

        with (self.root / "run" / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CommandError(
                    f"another helmling up or down is at work on {self.root}"
                ) from None
            yield
