"""`make demo`: a cluster on this machine, the examples on it, and a look around. It may be run again at any time.

Everything is done through the command line that anybody would use; each command is shown before it runs. Where no
Docker Engine can run, the same is shown on hollow nodes: real control plane, real agents, containers that are only
bookkeeping.
"""

import json
import os
import select
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node_agent.engine import DEFAULT_ADDRESS, EngineError, ask_version

ROOT = Path(__file__).resolve().parent.parent
HELMLING = str(ROOT / ".venv" / "bin" / "helmling")
READY = ("hello", "shared", "staged", "probed", "informed", "spread-a", "spread-b", "beside")
PATIENCE = "180s"
BOLD, PLAIN = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")


class DemoFailed(Exception):
    """A step did not work; the command has said why."""


def title(text: str) -> None:
    print(f"\n{BOLD}== {text}{PLAIN}", flush=True)


def shown(arguments: str) -> list[str]:
    print(f"{BOLD}$ helmling {arguments}{PLAIN}", flush=True)
    return [HELMLING, *shlex.split(arguments)]


def helmling(arguments: str) -> None:
    """Show a command and run it; the demonstration ends if it fails."""
    if subprocess.run(shown(arguments), cwd=ROOT, check=False).returncode != 0:
        raise DemoFailed(f"`helmling {arguments}` failed.")


@contextmanager
def meanwhile(arguments: str) -> Iterator[None]:
    """Show a command that runs until it is interrupted, and do something while it does."""
    process = subprocess.Popen(shown(arguments), cwd=ROOT)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def pod(name: str) -> dict[str, dict[str, str]]:
    """The pod as the API server has it."""
    answer = subprocess.run(
        [HELMLING, "get", "pod", name, "-o", "json"], capture_output=True, text=True, check=True
    )
    found: dict[str, dict[str, str]] = json.loads(answer.stdout)
    return found


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def engine_answers() -> bool:
    try:
        ask_version(os.environ.get("DOCKER_HOST") or DEFAULT_ADDRESS)
    except EngineError:
        return False
    return True


def bring_up() -> bool:
    """Start the cluster; whether it is one with real containers."""
    title("A cluster on this machine")
    if subprocess.run(shown("up"), cwd=ROOT, check=False).returncode == 0:
        return True
    if engine_answers():
        raise DemoFailed("There is a Docker Engine, but the cluster did not come up.")
    bring_up_hollow()
    return False


def bring_up_hollow() -> None:
    # A folder that needs no rights, and keeps the usual one free for a real cluster.
    os.environ["HELMLING_DATA_DIR"] = str(ROOT / ".cache" / "hollow-demo")
    os.environ.pop("KUBECONFIG", None)
    title("No Docker Engine can run here (the reason is above)")
    print(
        "What follows runs on HOLLOW NODES: the control plane, the scheduler and the agents are\n"
        "real, but no container is started. Pods are reported as running; nothing serves."
    )
    helmling("up --hollow 3")


def build_images() -> None:
    title("Images, made on this machine from Debian packages")
    done = subprocess.run([sys.executable, "-m", "node_agent.images"], cwd=ROOT, check=False)
    if done.returncode != 0:
        raise DemoFailed("The images could not be built.")


def apply_and_watch() -> None:
    title("The examples: from manifests to running pods")
    helmling("apply -f examples/")
    with meanwhile("get pods -w"):
        names = " ".join(f"pod/{name}" for name in READY)
        helmling(f"wait --for=condition=Ready --timeout={PATIENCE} {names}")
    helmling("get pods -A -o wide")
    print("(`crashing` is meant to crash: examples/08-crash-loop.yaml says where to look then.)")


def request_and_follow(url: str) -> None:
    """Three requests, each followed by the line that the pod logs for it."""
    # --since, so that a request sent before the log is being followed is in it all the same.
    with subprocess.Popen(shown("logs -f --since=5s hello"), stdout=subprocess.PIPE) as logs:
        assert logs.stdout is not None
        for _ in range(3):
            print(f"GET {url}\n  answer: {get(url)}", end="", flush=True)
            if not select.select([logs.stdout], [], [], 20)[0]:
                break
            print(f"  logged: {os.read(logs.stdout.fileno(), 4096).decode()}", end="", flush=True)
        logs.send_signal(signal.SIGINT)


def look_inside() -> None:
    title("A request to the pod's own address")
    address = pod("hello")["status"]["podIP"]
    request_and_follow(f"http://{address}/")
    title("A command inside the pod")
    helmling("exec hello -- wget -qO- http://localhost/")
    helmling("exec hello -- ps")
    title("A pod that runs once")
    # After a `down` it has succeeded long ago, and its log went with its container: so it runs anew.
    helmling("replace --force -f examples/07-once.yaml")
    helmling(f"wait --for=jsonpath='{{.status.phase}}'=Succeeded --timeout={PATIENCE} pod/once")
    helmling("logs once")


def explain_one() -> None:
    title("Why is it where it is, and what happened to it?")
    helmling("describe pod hello")


def next_steps(*, real: bool) -> None:
    title("Try next")
    data = os.environ.get("HELMLING_DATA_DIR")
    print("  export PATH=$PWD/.venv/bin:$PATH" + (f" HELMLING_DATA_DIR={data}" if data else ""))
    if real:
        print(
            "  helmling exec -it hello -- sh                # a shell in the pod\n"
            "  helmling logs -f shared -c writer            # two containers, one pod\n"
            "  helmling exec probed -- touch /tmp/sick      # make its liveness probe fail...\n"
            "  helmling get pod probed -w                   # ...and see it restarted\n"
            "  helmling logs crashing --previous            # what a crashing program said"
        )
    print(
        "  helmling explain pod.spec.containers         # every field, documented\n"
        "  helmling delete -f examples/                 # remove what the demo made\n"
        "\nThe cluster goes on running. To stop it:\n"
        + ("  make down" if not data else f"  .venv/bin/helmling down --data-dir {data}")
    )


def main() -> int:
    try:
        real = bring_up()
        if real:
            build_images()
        apply_and_watch()
        if real:
            look_inside()
        explain_one()
        next_steps(real=real)
    except DemoFailed as error:
        print(f"\nThe demo stopped: {error}", file=sys.stderr)
        print("`make down` stops what is running; `make demo` may be tried again.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
