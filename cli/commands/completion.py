"""`helmling completion`: scripts that let a shell complete commands, flags, kinds and the names of objects.

The scripts know nothing: at each press of the key they call the hidden `helmling __complete WORDS…`, which
answers with one candidate per line. So candidates come from the same tables as the commands, and names from the
cluster.
"""

import os
import sys
from collections.abc import Iterable

from cli.command import GLOBAL_FLAGS, Command, Session
from cli.errors import UsageError, did_you_mean
from cli.flags import Flag, parse

PATIENCE = 2.0  # seconds: whoever presses a key does not wait longer for a cluster that is down
BASH = """# helmling completion for bash:  source <(helmling completion bash)
_helmling() {
    local word=${COMP_WORDS[COMP_CWORD]} candidates
    local IFS=$'\\n'
    candidates=$(helmling __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    COMPREPLY=($(compgen -W "$candidates" -- "$word"))
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/] ]] && compopt -o nospace
    return 0
}
complete -o default -F _helmling helmling hl
"""
ZSH = """#compdef helmling hl
# helmling completion for zsh:  source <(helmling completion zsh)
_helmling() {
    local -a candidates
    candidates=("${(@f)$(helmling __complete -- "${words[@]:1:$((CURRENT-1))}" 2>/dev/null)}")
    [[ -n "${candidates[1]}" ]] && compadd -a candidates || _files
}
compdef _helmling helmling hl
"""
FISH = """# helmling completion for fish:  helmling completion fish | source
function __helmling_complete
    set -l words (commandline -opc) (commandline -ct)
    helmling __complete -- $words[2..-1] 2>/dev/null
end
complete -c helmling -f -a '(__helmling_complete)'
complete -c hl -f -a '(__helmling_complete)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def run(session: Session) -> int | None:
    if len(session.args) != 1:
        raise UsageError(f"which shell? One of: {', '.join(SCRIPTS)}")
    shell = session.args[0]
    if shell not in SCRIPTS:
        raise UsageError(
            f'unsupported shell type "{shell}"{did_you_mean(shell, list(SCRIPTS))} One of: {", ".join(SCRIPTS)}'
        )
    sys.stdout.write(SCRIPTS[shell])
    return 0


def run_complete(session: Session) -> int | None:
    words = session.flags.after_dash or [""]
    try:
        found = candidates(words[:-1], words[-1])
    except Exception:
        return 0
    for word in sorted(set(found)):
        session.say(word)
    return 0


def candidates(before: list[str], word: str) -> Iterable[str]:
    """What `word`, which comes after the words `before`, may become."""
    from cli.main import COMMANDS, command_named

    name = next((each for each in before if each in COMMANDS), "")
    if not name:
        flags: Iterable[Flag] = GLOBAL_FLAGS
        return _starting(
            [f"--{flag.name}" for flag in flags] if word.startswith("-") else [*COMMANDS, "help"],
            word,
        )
    command = command_named(name)
    after = before[before.index(name) + 1 :]
    flags = (*GLOBAL_FLAGS, *command.flags)
    if after and (flag := _open_flag(flags, after[-1])):
        return _starting(_values(flag, before), word)
    if word.startswith("-"):
        return _starting([f"--{flag.name}" for flag in flags], word)
    return _starting(_arguments(command, name, before, after, word), word)


def _starting(words: Iterable[str], start: str) -> list[str]:
    return [word for word in words if word.startswith(start)]


def _open_flag(flags: Iterable[Flag], last: str) -> Flag | None:
    """The flag that the last word was, if it still needs its value."""
    for flag in flags:
        if flag.takes_value and last in (f"--{flag.name}", f"-{flag.short}"):
            return flag
    return None


def _values(flag: Flag, before: list[str]) -> list[str]:
    from cli.output.chosen import FORMS

    fixed = {
        "output": [
            f"{form}=" if form.startswith(("jsonpath", "custom")) else form for form in FORMS
        ],
        "dry-run": ["none", "client", "server"],
        "type": ["json", "merge", "strategic"],
        "cascade": ["background", "foreground", "orphan"],
        "restart": ["Always", "OnFailure", "Never"],
        "for": ["condition=", "delete", "create", "jsonpath="],
        "types": ["Normal", "Warning"],
    }
    if flag.name == "namespace":
        return names(before, "namespaces")
    if flag.name == "from":
        return [f"cronjob/{each}" for each in names(before, "cronjobs")]
    if flag.name == "filename":
        return [
            each
            for each in os.listdir()
            if os.path.isdir(each) or each.endswith((".yaml", ".yml", ".json"))
        ]
    return fixed.get(flag.name, [])


def _arguments(
    command: Command, name: str, before: list[str], after: list[str], word: str
) -> list[str]:
    from api.kinds import KINDS

    if name == "completion":
        return list(SCRIPTS)
    if name == "config":
        from cli.commands.config import ACTIONS

        return list(ACTIONS)
    given = parse((*GLOBAL_FLAGS, *command.flags), after).args
    if command.actions and not given:
        return list(command.actions)
    given = given[1:] if command.actions else given
    if command.complete == "nodes":
        return names(before, "nodes") if not given else []
    if command.complete == "fields":
        return _fields(word)
    if command.complete not in ("resources", "pods"):
        return []
    if "/" in word:
        kind = word.partition("/")[0]
        return [f"{kind}/{each}" for each in names(before, kind)]
    if command.complete == "pods":
        return names(before, "pods") if not given else []
    plurals = [
        kind.plural
        for kind in KINDS
        if kind.stored and (not command.kinds or kind.name in command.kinds)
    ]
    return names(before, given[0]) if given and "/" not in given[0] else plurals


def _fields(word: str) -> list[str]:
    """`pod.spec.con` → `pod.spec.containers`."""
    from api.kinds import KINDS
    from api.rules import by_json_name
    from cli.commands.explain import find
    from cli.resources import kind_named

    if "." not in word:
        return [kind.singular for kind in KINDS]
    head, *path = word.split(".")
    _, message = find(kind_named(head), path[:-1])
    above = ".".join([head, *path[:-1]])
    return [f"{above}.{name}" for name in by_json_name(message)] if message is not None else []


def names(before: list[str], kind_word: str) -> list[str]:
    """The names of all objects of a kind, in the namespace that the words before choose."""
    from cli.connection import Connection
    from cli.kubeconfig import find as find_target
    from cli.resources import kind_named

    kind = kind_named(kind_word)
    flags = parse(GLOBAL_FLAGS, _global_words(before))
    target = find_target(flags)
    server = Connection(target, timeout=PATIENCE)
    try:
        namespace = flags.text("namespace") or target.namespace or "default"
        found, _ = server.list(kind, namespace)
    finally:
        server.close()
    return [obj.metadata.name for obj in found]


def _global_words(before: list[str]) -> list[str]:
    """Only the flags that say which cluster and namespace."""
    chosen: list[str] = []
    for word, following in zip(before, [*before[1:], ""], strict=True):
        for flag in GLOBAL_FLAGS:
            if not flag.takes_value:
                continue
            if word in (f"--{flag.name}", f"-{flag.short}"):
                chosen += [f"--{flag.name}", following]
            elif word.startswith((f"--{flag.name}=", f"-{flag.short}=" if flag.short else "\0")):
                chosen.append(word)
    return chosen


COMPLETION = Command(
    usage="completion (bash | zsh | fish)",
    about="Output shell completion code.\n\nCompletes commands, flags, kinds, namespaces and the names of "
    "objects in the cluster.",
    examples="""  # For this shell
  source <(helmling completion bash)

  # For every new shell
  helmling completion bash > /etc/bash_completion.d/helmling
  helmling completion fish > ~/.config/fish/completions/helmling.fish""",
    run=run,
)
COMPLETE = Command(usage="__complete -- WORDS", about="", examples="", run=run_complete)
