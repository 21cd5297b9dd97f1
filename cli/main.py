"""The program `helmling`: finds the command, runs it, and says what went wrong in words.

A command's module is imported only when it is asked for, and nothing heavy is imported here: this file decides how
long `helmling get pods` takes. There is never a traceback, unless HELMLING_DEBUG=1 asks for one.
"""

import contextlib
import gc
import os
import signal
import sys
from typing import TYPE_CHECKING

from cli.errors import INTERRUPTED, REFUSED, CommandError, Exit, UsageError

if TYPE_CHECKING:
    from cli.command import Command

# word -> (module in cli/commands, group in the help, what it does in one line). The Command in the module has the
# word's name in capitals: `port-forward` is cli.commands.portforward.PORT_FORWARD.
CLUSTER, BEGINNER, INTERMEDIATE = (
    "Your Own Cluster",
    "Basic Commands (Beginner)",
    "Basic Commands (Intermediate)",
)
DEBUG, ADVANCED = "Troubleshooting and Debugging Commands", "Advanced Commands"
DEPLOY = "Deploy Commands"
NODES = "Cluster Management Commands"
SETTINGS, OTHER = "Settings Commands", "Other Commands"
COMMANDS: dict[str, tuple[str, str, str]] = {
    "up": ("up", CLUSTER, "Start a cluster on this machine, in the background"),
    "status": ("status", CLUSTER, "Show what runs, where, and how it feels"),
    "down": ("down", CLUSTER, "Stop the cluster on this machine; its state stays"),
    "lab": ("lab", CLUSTER, "Run a lab: a cluster of several machines on this one"),
    "server": ("server", CLUSTER, "Run the control plane in the foreground"),
    "secrets": ("secrets", CLUSTER, "Encryption at rest: its keys, and changing them"),
    "agent": ("agent", CLUSTER, "Run a node's agent in the foreground"),
    "create": ("create", BEGINNER, "Create a resource from a file or from stdin"),
    "run": ("run", BEGINNER, "Run a particular image on the cluster"),
    "expose": ("expose", BEGINNER, "Expose a pod, deployment or replica set as a service"),
    "set": ("set", INTERMEDIATE, "Set specific features on objects"),
    "explain": ("explain", INTERMEDIATE, "Get documentation for a resource"),
    "get": ("get", INTERMEDIATE, "Display one or many resources"),
    "edit": ("edit", INTERMEDIATE, "Edit a resource on the server"),
    "delete": ("delete", INTERMEDIATE, "Delete resources by file names, stdin, resources and names, or by selector"),
    "rollout": ("rollout", DEPLOY, "Manage the rollout of a resource"),
    "scale": ("scale", DEPLOY, "Set a new size for a deployment, replica set or stateful set"),
    "autoscale": ("autoscale", DEPLOY, "Set the number of pods by what they use"),
    "top": ("top", NODES, "Display resource (CPU/memory) usage"),
    "token": ("token", CLUSTER, "Manage join tokens, with which other machines become nodes"),
    "certificate": ("certificate", NODES, "Modify certificate resources"),
    "cluster-info": ("clusterinfo", NODES, "Display cluster information"),
    "cordon": ("drain", NODES, "Mark nodes as unschedulable"),
    "uncordon": ("drain", NODES, "Mark nodes as schedulable"),
    "drain": ("drain", NODES, "Drain nodes in preparation for maintenance"),
    "taint": ("taint", NODES, "Update the taints on one or more nodes"),
    "auth": ("auth", NODES, "Inspect authorization"),
    "describe": ("describe", DEBUG, "Show details of a specific resource or group of resources"),
    "why": ("why", DEBUG, "Say why a pod does not run, or who can get at a secret"),
    "logs": ("logs", DEBUG, "Print the logs for a container in a pod"),
    "attach": ("exec", DEBUG, "Attach to a running container"),
    "exec": ("exec", DEBUG, "Execute a command in a container"),
    "port-forward": ("portforward", DEBUG, "Forward one or more local ports to a pod"),
    "cp": ("cp", DEBUG, "Copy files and directories to and from containers"),
    "events": ("events", DEBUG, "List events"),
    "diff": ("diff", ADVANCED, "Diff the live version against a would-be applied version"),
    "apply": ("apply", ADVANCED, "Apply a configuration to a resource by file name or stdin"),
    "patch": ("patch", ADVANCED, "Update fields of a resource"),
    "replace": ("replace", ADVANCED, "Replace a resource by file name or stdin"),
    "wait": ("wait", ADVANCED, "Wait for a specific condition on one or many resources"),
    "label": ("label", SETTINGS, "Update the labels on a resource"),
    "annotate": ("label", SETTINGS, "Update the annotations on a resource"),
    "completion": ("completion", SETTINGS, "Output shell completion code (bash, zsh or fish)"),
    "api-resources": ("apiresources", OTHER, "Print the supported API resources on the server"),
    "kubeconfig": ("kubeconfig", CLUSTER, "Print the kubeconfig for kubectl"),
    "config": ("config", OTHER, "Read and change kubeconfig files"),
    "version": ("version", OTHER, "Print the client and server version information"),
}  # fmt: skip
HIDDEN = {"__complete": ("completion", "", "")}
KUBECTL_ONLY = {
    "proxy", "debug", "kustomize", "api-versions", "plugin", "options", "alpha", "kuberc",
}  # fmt: skip


def main() -> int:
    """The program. It leaves without Python's tidying up, which takes 30 ms and tidies nothing that outlives us."""
    gc.disable()  # garbage there is none while modules are imported, but looking for it takes 15 ms
    code = execute(sys.argv[1:])
    if os.environ.get("HELMLING_DEBUG") != "1":
        os._exit(code)
    return code


def execute(words: list[str]) -> int:
    """Runs a command line and says what went wrong; returns the exit code."""
    try:
        return _flushed(run(words))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has seen enough
        _silence(sys.stdout)
        return REFUSED
    except Exit as end:
        return _flushed(end.code)
    except Exception as error:
        if os.environ.get("HELMLING_DEBUG") == "1":
            raise
        return _tell(error, words)


def run(words: list[str]) -> int:
    from cli.command import GLOBAL_FLAGS, Session
    from cli.flags import parse, parse_leading

    leading, rest = parse_leading(GLOBAL_FLAGS, words)
    if not rest or rest[0] == "help":
        from cli.commands import help as help_command

        return help_command.show(rest[1:])
    command = command_named(rest[0])
    if leading.on("help") or _asks_for_help(command, rest[1:]):
        from cli.commands import help as help_command

        return help_command.show([rest[0]])
    parsed = parse((*GLOBAL_FLAGS, *command.flags), rest[1:])
    for name, values in leading.values.items():
        parsed.values[name] = values + parsed.values.get(name, [])
    if not command.tidies_up:
        signal.signal(signal.SIGINT, _leave_at_once)
    session = Session(parsed, command)
    gc.enable()
    try:
        return command.run(session) or 0
    finally:
        session.close()


def _leave_at_once(number: int, frame: object) -> None:
    """For Ctrl-C. A KeyboardInterrupt may be lost when it is raised inside of gRPC's callbacks; this cannot."""
    with contextlib.suppress(Exception):  # whoever read our output may be gone
        sys.stdout.flush()
    os._exit(INTERRUPTED)


def _asks_for_help(command: "Command", words: list[str]) -> bool:
    before_dash = words[: words.index("--")] if "--" in words else words
    return "--help" in before_dash or (
        "-h" in before_dash and all(f.short != "h" for f in command.flags)
    )


def command_named(word: str) -> "Command":
    """Imports the one module that has the command. Raises UsageError for a word that is none."""
    from importlib import import_module

    row = COMMANDS.get(word) or HIDDEN.get(word)
    if row is None:
        raise CommandError(_unknown(word))
    module = import_module(f"cli.commands.{row[0]}")
    command: Command = getattr(module, word.strip("_").replace("-", "_").upper())
    return command


def _unknown(word: str) -> str:
    from cli.errors import nearest

    if word.startswith("-"):
        return f"unknown flag: {word}"
    if word in KUBECTL_ONLY:
        return f'"{word}" is a kubectl command that helmling does not have; "helmling help" lists those it has'
    guess = nearest(word, list(COMMANDS))
    meant = (
        f"\n\nDid you mean this?\n\t{guess}" if guess else '\nRun "helmling help" for the commands.'
    )
    return f'unknown command "{word}" for "helmling"{meant}'


def _tell(error: Exception, words: list[str]) -> int:
    """Says what went wrong, on standard error, as kubectl words it."""
    try:
        sys.stdout.flush()
        sys.stderr.write(_sentence(error, words) + "\n")
        sys.stderr.flush()
    except BrokenPipeError:
        _silence(sys.stdout, sys.stderr)
    return error.code if isinstance(error, CommandError) else REFUSED


def _sentence(error: Exception, words: list[str]) -> str:
    if isinstance(error, UsageError):
        asked = _asked(words)
        see = f"'helmling {asked} -h'" if asked else "'helmling help'"
        return f"error: {error.message}\nSee {see} for help and examples"
    if isinstance(error, CommandError):
        return error.prefix + error.message
    from cli.wording import of_error

    return of_error(error)


def _asked(words: list[str]) -> str:
    """The command in this line, with the word that says which of several: `set env`."""
    place = next((place for place, word in enumerate(words) if word in COMMANDS), None)
    if place is None:
        return ""
    actions = command_named(words[place]).actions
    action = next((word for word in words[place + 1 :] if word in actions), "")
    return f"{words[place]} {action}".rstrip()


def _flushed(code: int) -> int:
    sys.stdout.flush()
    return code


def _silence(*streams: object) -> None:
    """Python flushes at exit: give it somewhere to flush to."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main())
