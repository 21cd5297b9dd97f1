"""`helmling status`: what of the cluster runs on this machine, and how it feels. Exit code 3 when it is down."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from api.duration import human_duration
from api.errors import ApiError
from api.kinds import find
from cli.cluster import daemons, usage
from cli.cluster.layout import Layout, Wishes
from cli.command import Command, Session
from cli.commands.version import own_version
from cli.connection import Connection
from cli.errors import CommandError, UsageError
from cli.flags import Flag
from cli.kubeconfig import data_dir, of_file
from cli.output.table import render

DOWN = 3
ANSWER = 5.0  # seconds the server has to answer


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    state: str  # running, down
    pid: int = 0
    age: float = 0.0  # seconds
    rss: int = 0  # bytes
    cpu: float = 0.0  # percent of a core, on average


@dataclass(frozen=True, slots=True)
class Report:
    folder: str
    address: str
    version: str
    hollow: int
    parts: list[Part]
    engine: str
    nodes: list[dict[str, str]]
    problem: str  # why the server could not be asked

    @property
    def is_up(self) -> bool:
        return not self.problem and all(part.state == "running" for part in self.parts)


def run(session: Session) -> int | None:
    output = session.flags.text("output")
    if output not in ("", "json", "yaml"):
        raise UsageError(f"--output must be json or yaml, not {output}")
    report = look(Layout(Path(data_dir(session.flags)).absolute()))
    if output:
        from cli.output import chosen

        chosen.write(chosen.read(output), asdict(report) | {"up": report.is_up})
    else:
        _print(session, report)
    return 0 if report.is_up else DOWN


def look(layout: Layout) -> Report:
    wishes = layout.read_wishes() or Wishes()
    address = f"127.0.0.1:{wishes.port}"
    parts = [_part(layout, part) for part in daemons.PARTS]
    running = parts[0].state == "running"
    version, nodes, problem = _ask(layout) if running else ("", [], "the server does not run")
    engine = "not needed" if wishes.is_hollow else _engine(layout)
    return Report(str(layout.root), address, version, wishes.hollow, parts, engine, nodes, problem)


def _part(layout: Layout, name: str) -> Part:
    process = daemons.running(layout, name)
    used = usage.of(process.pid) if process is not None else None
    if process is None or used is None:
        return Part(name, "down")
    return Part(name, "running", process.pid, used.age, used.rss, round(used.percent, 1))


def _ask(layout: Layout) -> tuple[str, list[dict[str, str]], str]:
    """(version, nodes, what went wrong)."""
    try:
        server = Connection(of_file(str(layout.admin)), timeout=ANSWER)
    except CommandError as error:
        return "", [], error.message
    kind = find("nodes")
    assert kind is not None
    try:
        version = server.version().helmling
        nodes, _ = server.list(kind)
    except (ApiError, CommandError) as error:
        return "", [], error.message
    finally:
        server.close()
    return version, [{"name": node.metadata.name, "ready": _readiness(node)} for node in nodes], ""


def _readiness(node: Any) -> str:
    for condition in node.status.conditions:
        if condition.type == "Ready":
            return "Ready" if condition.status == "True" else f"NotReady: {condition.message}"
    return "NotReady: its agent has not reported yet"


def _engine(layout: Layout) -> str:
    from node_agent.engine import DEFAULT_ADDRESS, EngineError, ask_version, started

    address = os.environ.get("DOCKER_HOST") or DEFAULT_ADDRESS
    try:
        version = ask_version(address)
    except EngineError as error:
        return f"down: {error}"
    whose = ", started by helmling up" if started(layout.engine) is not None else ""
    return f"Docker {version} at {address}{whose}"


def _print(session: Session, report: Report) -> None:
    rows = [["PART", "STATE", "PID", "UP", "MEMORY", "CPU"]]
    for part in report.parts:
        if part.state == "down":
            rows.append([part.name, "down", "-", "-", "-", "-"])
            continue
        memory, cpu = f"{part.rss / 2**20:.0f} MiB", f"{part.cpu:.1f} %"
        rows.append([part.name, part.state, str(part.pid), human_duration(part.age), memory, cpu])
    for line in render(rows):
        session.say(line)
    session.say()
    session.say(f"Folder:   {report.folder}")
    session.say(
        f"Server:   {report.address}" + (f", version {report.version}" if report.version else "")
    )
    session.say(f"Client:   version {own_version()}")
    session.say(f"Engine:   {report.engine}")
    if report.problem:
        session.say(f"Problem:  {report.problem}")
    _print_nodes(session, report)
    if not report.is_up:
        session.say("The cluster is down. Start it with: helmling up")


def _print_nodes(session: Session, report: Report) -> None:
    ready = sum(node["ready"] == "Ready" for node in report.nodes)
    hollow = " (hollow: nothing really runs)" if report.hollow else ""
    if report.nodes:
        session.say(f"Nodes:    {ready} of {len(report.nodes)} ready{hollow}")
    for node in report.nodes:
        if node["ready"] != "Ready":
            session.say(f"  {node['name']}: {node['ready']}")


STATUS = Command(
    usage="status [-o json|yaml] [--data-dir=DIR]",
    about="Show what of the cluster runs on this machine: its processes, what they cost, and whether the "
    "nodes are ready.\n\n"
    "Exit status: 0 all runs, 3 something is down.",
    examples="""  # How is it?
  helmling status

  # For a script
  helmling status -o json""",
    run=run,
    flags=(Flag("output", "One of: (json, yaml).", "o"),),
)
