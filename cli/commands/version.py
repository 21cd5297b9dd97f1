"""`helmling version`: which program this is, and which one answers."""

import platform
import sys
from typing import Any

from cli.command import Command, Session
from cli.errors import CommandError, UsageError
from cli.flags import Flag, switch


def own_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("helmling")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "0.0.0+source"


def run(session: Session) -> int | None:
    output = session.flags.text("output")
    if output not in ("", "json", "yaml"):
        raise UsageError(f"--output must be 'yaml' or 'json', not '{output}'")
    told: dict[str, Any] = {"clientVersion": client()}
    failure: CommandError | None = None
    if not session.flags.on("client"):
        try:
            told["serverVersion"] = server(session)
        except CommandError as error:
            failure = error
    session.say(_text(told, output))
    if failure is not None:
        raise failure
    return 0


def client() -> dict[str, str]:
    return {
        "gitVersion": f"v{own_version()}",
        "python": platform.python_version(),
        "platform": f"{sys.platform}/{platform.machine()}",
    }


def server(session: Session) -> dict[str, str]:
    answer = session.server.version()
    return {
        "gitVersion": f"v{answer.helmling.lstrip('v')}",
        "kubernetes": answer.kubernetes,
        "python": answer.python,
        "platform": answer.platform,
        "cluster": answer.cluster,
    }


def _text(told: dict[str, Any], output: str) -> str:
    if output == "json":
        import json

        return json.dumps(told, indent=2)
    if output == "yaml":
        from cli.output.yamlform import dump

        return dump(told).rstrip("\n")
    lines = [f"Client Version: {told['clientVersion']['gitVersion']}"]
    if "serverVersion" in told:
        answer = told["serverVersion"]
        lines.append(
            f"Server Version: {answer['gitVersion']} (behaves like Kubernetes {answer['kubernetes']})"
        )
    return "\n".join(lines)


VERSION = Command(
    usage="version [--client] [-o json|yaml]",
    about="Print the client and server version information for the current context.",
    examples="""  # Both versions
  helmling version

  # Only this program's
  helmling version --client -o yaml""",
    run=run,
    flags=(
        switch("client", "Only this program's version: needs no server."),
        Flag("output", "One of 'yaml' or 'json'.", "o"),
    ),
)
