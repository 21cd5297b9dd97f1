"""`make bench`: everything that DESIGN-level figures were promised for, in one run, beside the floor.

    python -m bench [start] [pods] [services] [ingress] [rollouts] [api] [scheduler] [encryption] [workloads] [names]

Read the ratios. Absolute figures depend on the machine and on who else is using it; the floor was measured on the same
machine in the same minutes. Goals are printed beside each figure; nothing fails when one is missed.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable

import docker
from rich.console import Console
from rich.table import Table

from bench import (
    api_load,
    encryption,
    floor,
    ingress_path,
    names,
    pods,
    rollout,
    scheduler_load,
    service_path,
    workloads,
)

# What the Kubernetes 1.36 control plane did on a machine like this one (2 cores, client and server sharing them).
KUBERNETES = {
    ("get", 1): 352, ("get", 16): 1219, ("get", 64): 1519,
    ("create", 1): 189, ("create", 16): 537, ("create", 64): 652,
    ("watch, full speed", 100): 8661,
}  # fmt: skip
GOALS = {"get": 1.4, "create": 2.0, "watch, full speed": 2.0}  # times Kubernetes
# Seconds until 500 pods of a new Deployment were bound there, by nodes, and what is wanted here.
KUBERNETES_BOUND, GOAL_BOUND = {100: 3.3, 1000: 7.0}, {100: 1.0, 1000: 1.5}
REPLICAS = 500
IDLE_SECONDS = 20.0

console = Console(width=110)  # also where no terminal tells its width


def table(title: str, *columns: str) -> Table:
    made = Table(title=title, title_justify="left", title_style="bold")
    for number, column in enumerate(columns):
        made.add_column(column, justify="left" if number == 0 else "right")
    return made


def start() -> None:
    """From nothing to a ready node; then what the cluster costs when nobody wants anything."""
    shown = table("Start and weight", "what", "measured", "goal")
    with pods.cluster("--port=0") as running:
        shown.add_row(
            "helmling up, cold, to node Ready", f"{running.seconds_to_ready:.2f} s", "≤ 2 s"
        )
        wall = pods.seconds_of(running.data_dir, "get", "pods")
        shown.add_row("helmling get pods, wall time", f"{wall * 1000:.0f} ms", "≤ 200 ms")
        time.sleep(3)  # what follows a start is not yet idleness
        pids = running.pids()
        before = pods.cpu_seconds(pids)
        time.sleep(IDLE_SECONDS)
        percent = (pods.cpu_seconds(pids) - before) / IDLE_SECONDS * 100
        shown.add_row(
            "idle: server + agent, resident", f"{pods.resident_mb(pids):.0f} MB", "≤ 150 MB"
        )
        shown.add_row("idle: server + agent, of one core", f"{percent:.2f} %", "≤ 1 %")
    console.print(shown)


def pods_beside_docker() -> None:
    """apply → running, beside the same two container starts by hand."""
    shown = table("Pods, image present", "what", "Helmling", "Docker by hand", "ratio", "goal")
    engine = docker.from_env()
    with pods.cluster("--port=0") as running:

        async def measure() -> None:
            async with api_load.administrator(running.conf) as client:
                for count, rounds in ((1, 9), (20, 3)):
                    pair = await pods.beside(client, engine, count=count, rounds=rounds)
                    told = [
                        f"{pair.ours:.3f} s",
                        f"{pair.floor:.3f} s",
                        f"{pair.ratio:.2f}",
                        "≤ 1.3",
                    ]
                    shown.add_row(f"{count} pod(s), created → running", *told)

        asyncio.run(measure())
    console.print(shown)


def services() -> None:
    """The way to a pod through its service, 64 connections to one nginx; and a change of one endpoint."""
    shown = table("Reaching a pod", "way", "connections kept", "new ones", "goal")
    found = {one.way: one for one in service_path.throughput()}
    for one in found.values():
        shown.add_row(one.way, f"{one.kept:.2f}", f"{one.new:.2f}", "")
    bare, ours = found["one nft rule by hand"], found["ClusterIP"]
    kept, new = ours.kept / bare.kept, ours.new / bare.new
    shown.add_row("ClusterIP beside the rule by hand", f"{kept:.2f}", f"{new:.2f}", "≥ 0.95")
    console.print(shown)
    shown = table("One endpoint of 10,000 changes", "how", "decided", "in the kernel", "goal")
    for change in service_path.one_endpoint():
        goal = "≤ 2 ms" if "library" in change.how and "place" in change.how else ""
        shown.add_row(change.how, f"{change.decided_ms:.1f} ms", f"{change.median_ms:.2f} ms", goal)
    console.print(shown)


def rollouts() -> None:
    """Three machines, ten pods, three rounds of 20,000 requests and more: none may fail."""
    shown = table(
        "Rollouts under load, three machines",
        "way",
        "round",
        "rollouts",
        "requests",
        "failed",
        "goal",
    )
    for number, one in enumerate(rollout.measure(), start=1):
        for result in one.results:
            counts = (str(number), str(one.rollouts), f"{result.requests}", f"{result.failed}")
            shown.add_row(result.what, *counts, "0")
        asked, failed = (
            sum(getattr(each, name) for each in one.results) for name in ("requests", "failed")
        )
        shown.add_row(
            "all", str(number), str(one.rollouts), f"{asked}", f"{failed}", "0 of ≥ 20,000"
        )
    console.print(shown)


def ingress() -> None:
    """Our configuration of HAProxy, with 1,000 hosts, beside one by hand for the same pod; 64 connections."""
    shown = table("Ingress beside a bare HAProxy", "what", "connections kept", "new ones", "goal")
    for one in ingress_path.ratios():
        shown.add_row(one.what, f"{one.kept:.2f}", f"{one.new:.2f}", "≥ 0.8")
    console.print(shown)


def api() -> None:
    """Calls per second over gRPC on SQLite with synchronous=FULL, from processes that share the cores."""
    shown = table(
        "API",
        "call",
        "clients",
        "per s",
        "p50 ms",
        "p99 ms",
        "of an empty call",
        "of Kubernetes",
        "goal",
    )
    empty: dict[int, float] = {}
    arguments = argparse.Namespace(clients="1,16,64", seconds=5.0, watchers="100,200")
    with api_load.a_server() as (conf, pid):
        for rate in api_load.measure(conf, pid, arguments):
            if rate.what == "version":
                empty[rate.clients] = rate.per_second
            beside = rate.per_second / empty[rate.clients] if rate.clients in empty else None
            theirs = KUBERNETES.get((rate.what, rate.clients))
            shown.add_row(
                "empty call" if rate.what == "version" else rate.what,
                str(rate.clients),
                f"{rate.per_second:.0f}",
                f"{rate.p50_ms:.2f}",
                f"{rate.p99_ms:.2f}",
                f"{rate.server_us:.0f}" if rate.server_us else "",
                f"{beside:.2f}×" if beside else "",
                f"{rate.per_second / theirs:.1f}×" if theirs else "",
                f"≥ {GOALS[rate.what]}×" if theirs else "",
            )
    commit = floor.sqlite_commit(total=500)
    shown.add_row(
        "floor: one bare SQLite commit",
        "1",
        f"{commit.per_second:.0f}",
        f"{commit.p50:.2f}",
        f"{commit.p99:.2f}",
    )
    console.print(shown)


def scheduler() -> None:
    """Decisions alone: choosing a node and counting the pod there."""
    shown = table("Scheduler", "nodes", "pods", "first decision", "then, per s")
    for nodes in (100, 1000, 5000):
        for sort in ("plain", "replicas", "apart"):
            first, speed = scheduler_load.measure(nodes, sort)
            shown.add_row(str(nodes), sort, f"{first * 1000:.1f} ms", f"{speed:.0f}")
    console.print(shown)


def five_hundred_pods() -> None:
    """Until all pods of a Deployment have their node; and until all of them have another version."""
    shown = table(
        "Workloads", "what", "nodes", "measured", "processor time", "Kubernetes", "ratio", "goal"
    )
    for took in workloads.measure(sorted(KUBERNETES_BOUND), REPLICAS):
        theirs = KUBERNETES_BOUND[took.nodes] if took.what.endswith("bound") else None
        shown.add_row(
            took.what,
            str(took.nodes),
            f"{took.seconds:.2f} s",
            f"{took.cpu:.2f} s",
            f"{theirs:.1f} s" if theirs else "",
            f"{theirs / took.seconds:.1f}× faster" if theirs else "",
            f"≤ {GOAL_BOUND[took.nodes]} s" if theirs else "",
        )
    console.print(shown)


def encryption_at_rest() -> None:
    """What sealing costs, and what a store with it costs beside one without. The store itself answers from memory."""
    shown = table("Encryption at rest, 1 KiB", "what", "plain", "encrypted", "ratio")
    for provider in ("aesgcm", "aescbc", "secretbox"):
        seal, open_ = encryption.alone(provider, rounds=300)
        shown.add_row(f"{provider}: seal, open", "", f"{seal:.1f} µs, {open_:.1f} µs", "")
    for cost in encryption.store():
        plain, sealed = f"{cost.plain:.1f} µs", f"{cost.encrypted:.1f} µs"
        shown.add_row(cost.what, plain, sealed, f"{cost.ratio:.2f}")
    console.print(shown)


def name_server() -> None:
    """Answers per second of one node's name server, beside a server that only sends back what it gets."""
    columns = (
        "question",
        "under way",
        "per s",
        "p50 ms",
        "p99 ms",
        "processor",
        "of the floor",
        "goal",
    )
    shown = table("Names, 1,000 services × 10 endpoints", *columns)
    bare: dict[int, float] = {}
    for each in names.measure():
        rate, width = each.rate, each.under_way
        beside = rate.per_second / bare.setdefault(width, rate.per_second)
        speed = (f"{rate.per_second:.0f}", f"{rate.p50:.2f}", f"{rate.p99:.2f}")
        goal = "≥ 5000 per s" if each.ask.server == "names" and width > 1 else ""
        cost = f"{each.server_us:.0f} µs"
        shown.add_row(each.ask.what, str(width), *speed, cost, f"{beside:.2f}×", goal)
    shown.add_row("one endpoint changes, until it is told", "", "", f"{names.change() / 1000:.3f}")
    console.print(shown)


SECTIONS: dict[str, Callable[[], None]] = {
    "start": start,
    "pods": pods_beside_docker,
    "services": services,
    "ingress": ingress,
    "rollouts": rollouts,
    "api": api,
    "scheduler": scheduler,
    "workloads": five_hundred_pods,
    "encryption": encryption_at_rest,
    "names": name_server,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)}; default: all")
    wanted = parser.parse_args().sections or list(SECTIONS)
    if unknown := set(wanted) - set(SECTIONS):
        sys.exit(f"no such section: {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    console.print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the start")
    for name in wanted:
        SECTIONS[name]()


if __name__ == "__main__":
    main()
