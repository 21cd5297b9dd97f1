"""What our configuration of HAProxy costs beside one that is written by hand for the same pod: HTTP and TLS.

Ours has a thousand hosts, each with paths and a service of its own; the bare one has a frontend and a server. The
network is that of service_path.py; both are measured in turn, and only the ratio counts.
"""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench.service_path import NODE, POD, Lab, command, lab, program, wait_for
from node_agent.network.ingress.certificates import own_certificate
from node_agent.network.ingress.model import Address, Backend, Routing, Site, Target
from node_agent.network.ingress.render import CONFIG, OWN, Setting, files, places

HOSTS = 1000
ASKED = f"shop-{HOSTS // 2}.test"
HTTP, HTTPS, BARE_HTTP, BARE_HTTPS = 8091, 8092, 8093, 8094
BARE = f"""global
  default-path config
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
frontend web
  bind *:{BARE_HTTP}
  bind *:{BARE_HTTPS} ssl crt {OWN} alpn h2,http/1.1
  default_backend pod
backend pod
  server pod {POD}:80
"""


def routing() -> tuple[Routing, dict[Backend, frozenset[Address]]]:
    """A thousand hosts with three paths each."""
    sites, pods = {}, {}
    for number in range(HOSTS):
        backend = Backend("default", f"shop-{number}", "http")
        target = Target(backend)
        below = {"": target, "/api": target, "/static": target}
        sites[f"shop-{number}.test"] = Site({"/healthz": target}, below)
        pods[backend] = frozenset([Address(POD, 80)])
    return Routing(sites, {}, dict.fromkeys(pods)), pods


@contextmanager
def both(here: Lab) -> Iterator[None]:
    """Ours and the bare one, on the node."""
    with tempfile.TemporaryDirectory() as folder:
        ours, bare = Path(folder) / "ours", Path(folder) / "bare"
        table, pods = routing()
        own = own_certificate(datetime.now(UTC)).pem
        room = dict.fromkeys(pods, places(1))
        made = files(table, pods, room, own, Setting(http=HTTP, https=HTTPS))
        for place, contents in ((ours, made.contents), (bare, {CONFIG: BARE.encode(), OWN: own})):
            place.mkdir()
            for name, content in contents.items():
                (place / name).write_bytes(content)
        with (
            program(here, "haproxy", "-db", "-f", str(ours / CONFIG)),
            program(here, "haproxy", "-db", "-f", str(bare / CONFIG)),
        ):
            for port in (HTTP, HTTPS, BARE_HTTP, BARE_HTTPS):
                wait_for(here, f"{NODE}:{port}")
            yield


def requests_per_second(here: Lab, url: str, *, keep: bool, seconds: int) -> float:
    words = ["wrk", "-t1", "-c64", f"-d{seconds}s", "-H", f"Host: {ASKED}"]
    words += [] if keep else ["-H", "Connection: close"]
    shown = command("ip", "netns", "exec", here.client, *words, f"{url}/version")
    found = re.search(r"Requests/sec:\s+([\d.]+)", shown)
    if found is None or "Non-2xx" in shown:
        raise RuntimeError(f"not every request was answered: {shown}")
    return float(found[1])


@dataclass(frozen=True)
class Ratio:
    what: str
    kept: float  # requests/s through ours as a ratio to the bare one, connections kept
    new: float  # the same, a new connection for each


def ratios(rounds: int = 5, seconds: int = 1) -> Iterator[Ratio]:
    pairs = {
        "HTTP": (f"http://{NODE}:{HTTP}", f"http://{NODE}:{BARE_HTTP}"),
        "TLS": (f"https://{NODE}:{HTTPS}", f"https://{NODE}:{BARE_HTTPS}"),
    }
    with lab() as here, both(here):
        for what, (ours, bare) in pairs.items():
            found: dict[bool, list[float]] = {True: [], False: []}
            for _ in range(rounds):
                for keep, some in found.items():
                    speed = requests_per_second(here, ours, keep=keep, seconds=seconds)
                    other = requests_per_second(here, bare, keep=keep, seconds=seconds)
                    some.append(speed / other)
            yield Ratio(what, median(found[True]), median(found[False]))
