"""`helmling help`, `helmling COMMAND --help`: what there is, grouped as kubectl groups it."""

import sys

from cli.command import GLOBAL_FLAGS
from cli.flags import describe

INTRODUCTION = """helmling, the little helmsman, controls a small cluster that speaks Kubernetes.

 A first minute:  helmling up;  helmling run web --image=helmling/hello:v1 --port=80;  helmling get pods"""


def show(words: list[str]) -> int:
    sys.stdout.write(overview() if not words else of_command(words[0]))
    return 0


def overview() -> str:
    from cli.main import COMMANDS

    groups: dict[str, list[str]] = {}
    for word, (_, group, summary) in COMMANDS.items():
        groups.setdefault(group, []).append(f"  {word:<15} {summary}")
    told = [INTRODUCTION, ""]
    for group, lines in groups.items():
        told += [f"{group}:", *lines, ""]
    told += [
        "Usage:\n  helmling [flags] [options]\n",
        'Use "helmling <command> --help" for more information about a given command.',
        "Flags that every command takes:",
        "",
        describe(GLOBAL_FLAGS),
    ]
    return "\n".join(told) + "\n"


def of_command(word: str) -> str:
    from cli.main import command_named

    command = command_named(word)
    told = [command.about, "", "Examples:", command.examples]
    if command.flags:
        told += ["", "Options:", describe(command.flags)]
    told += [
        "",
        f"Usage:\n  helmling {command.usage}",
        "",
        'Use "helmling help" for the flags that every command takes.',
    ]
    return "\n".join(told) + "\n"
