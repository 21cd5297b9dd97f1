"""A real lab for tests: machines with networks, engines and agents of their own, and a check that nothing stays.

    def test_something(lab: TestLab) -> None:      # three nodes; shared by the whole session, whole again after each test
        lab.ok("create", "deployment", "web", "--image=helmling/hello:v1", "--replicas=3")
        lab.ok("rollout", "status", "deploy/web")
        ip = lab.pods("web")[0].ip
        lab.power("kill", "n2")                    # helmling lab kill n2
        lab.inside("n1", "ip", "route")            # a command in a machine
        lab.wget("n1", f"http://{ip}/")            # asked from a machine

The fixture `lab` is in tests/e2e/conftest.py; `with running(folder, "--nodes=2") as lab` makes one of one's own.
"""

import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.lab import hierarchies, record
from cli.lab.plan import RUN, Lab
from tests.e2e.cli_runner import Answer, Cli
from tests.waiting import eventually

BOOT = 300  # seconds: three engines that start on a busy machine
GRACE = "12s"  # longer than anybody's: no node shall be taken for dead that is only slow
NAMESPACE = "default"
_numbers = itertools.count()


@dataclass(frozen=True)
class PodSeen:
    name: str
    ip: str
    node: str
    ready: bool
    ending: bool


@dataclass
class TestLab:
    """One lab. What is run in the cluster is run as its administrator."""

    __test__ = False
    name: str
    folder: Path
    cli: Cli

    @property
    def plan(self) -> Lab:
        return record.find(self.name)

    # The cluster

    def ok(self, *words: str, stdin: str = "") -> Answer:
        """`helmling …` against the lab's cluster; it must succeed."""
        return self.cli.ok(*words, stdin=stdin, patience=BOOT)

    def run(self, *words: str, stdin: str = "") -> Answer:
        return self.cli.run(*words, stdin=stdin, patience=BOOT)

    def get(self, *words: str) -> Any:
        return self.ok("get", *words, "-o", "json").json()

    def apply(self, manifest: str) -> None:
        self.ok("apply", "-f", "-", stdin=manifest)

    def nodes(self) -> dict[str, Any]:
        return {node["metadata"]["name"]: node for node in self.get("nodes")["items"]}

    def ready(self) -> set[str]:
        """The names of nodes that are ready."""
        return {name for name, node in self.nodes().items() if _holds(node, "Ready")}

    def pods(self, app: str = "", namespace: str = NAMESPACE) -> list[PodSeen]:
        """Those with the label app=…, or all."""
        which = ("-l", f"app={app}") if app else ()
        found = self.get("pods", "-n", namespace, *which)["items"]
        return [_seen(pod) for pod in found]

    def pod_on(
        self,
        node: str,
        name: str,
        *,
        image: str = "helmling/hello:v1",
        command: tuple[str, ...] = (),
    ) -> PodSeen:
        """A pod on this very node, ready."""
        spec = {"nodeName": node, "terminationGracePeriodSeconds": 1,
                "containers": [{"name": "app", "image": image, **({"command": list(command)} if command else {})}]}  # fmt: skip
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": spec,
        }
        self.apply(json.dumps(pod))
        self.ok("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=120s")
        return self.pods(name)[0]

    # The machines

    def power(self, *words: str) -> Answer:
        """`helmling lab …` on this lab."""
        return self.cli.ok("lab", words[0], f"--name={self.name}", *words[1:], patience=BOOT)

    def inside(self, node: str, *command: str, stdin: str = "") -> str:
        """What a command in the machine prints; it must succeed."""
        answer = self.cli.ok(
            "lab", "exec", f"--name={self.name}", node, "--", *command, stdin=stdin
        )
        return answer.out

    def succeeds(self, node: str, *command: str) -> bool:
        words = ("lab", "exec", f"--name={self.name}", node, "--", *command)
        return self.cli.run(*words).code == 0

    def wget(self, node: str, url: str) -> str:
        """What the machine gets from there."""
        return self.inside(node, "curl", "-sf", "-m", "10", url)

    def reaches(self, pod: str, ip: str, port: int = 80) -> bool:
        """Whether the pod can ask the other one, over HTTP."""
        script = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {ip} {port} | grep -q '200 OK'"
        return self.run("exec", pod, "--", "sh", "-c", script).code == 0

    def restore(self) -> None:
        """Cables in, power on, nothing in the default namespace."""
        self.power("heal")
        self.power("up")
        self.ok(
            "delete", "deployments,daemonsets,statefulsets,jobs,cronjobs,pods", "--all", "--now"
        )
        eventually(lambda: self.pods() == [])


def _holds(obj: Any, kind: str) -> bool:
    found = obj["status"].get("conditions", [])
    return any(each["type"] == kind and each["status"] == "True" for each in found)


def _seen(pod: Any) -> PodSeen:
    return PodSeen(
        pod["metadata"]["name"],
        pod["status"].get("podIP", ""),
        pod["spec"].get("nodeName", ""),
        _holds(pod, "Ready"),
        "deletionTimestamp" in pod["metadata"],
    )


@contextmanager
def running(folder: Path, *options: str) -> Iterator[TestLab]:
    """A lab of its own, gone at the end with all that it had. `options`: of `helmling lab up`."""
    name = f"t{os.getpid()}-{next(_numbers)}"
    kubeconfig = str(folder / "server" / "admin.conf")
    lab = TestLab(name, folder, Cli(folder, {"KUBECONFIG": kubeconfig}))
    try:
        lab.power("up", f"--data-dir={folder}", f"--grace={GRACE}", *options)
        yield lab
    finally:
        lab.power("down")
        nothing_left(name, folder)


def nothing_left(name: str, folder: Path) -> None:
    """No namespace, link, control group, mount, process or file of the lab."""
    assert name not in _printed("ip", "netns", "list")
    known = {lab.link for each in record.names() if (lab := record.read(each)) is not None}
    links = {
        row.split()[0].partition("@")[0] for row in _printed("ip", "-brief", "link").splitlines()
    }
    assert {link for link in links if link.startswith("hlab")} <= known
    assert not [root for root in hierarchies._roots() if (root / "helmling-lab" / name).exists()]
    assert str(folder) not in Path("/proc/self/mountinfo").read_text()
    assert not [pid for pid in _processes() if str(folder) in pid or f"/{name}/" in pid]
    assert not (RUN / name).exists()
    assert not folder.exists()


def _printed(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _processes() -> list[str]:
    """Command lines of all processes but our own and those who run us."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if "pytest" not in line:
            found.append(line)
    return found
