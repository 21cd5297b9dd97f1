"""`helmling config`: look at kubeconfig files, and change the namespace or the context."""

import os
from typing import Any

from cli import kubeconfig
from cli.command import Command, Session
from cli.errors import CommandError, UsageError, did_you_mean
from cli.flags import switch
from cli.output import chosen, table


def run(session: Session) -> int | None:
    if not session.args:
        raise UsageError(f"which? One of: {', '.join(ACTIONS)}")
    word, *rest = session.args
    action = ACTIONS.get(word)
    if action is None:
        raise UsageError(
            f'unknown command "{word}" for "helmling config"{did_you_mean(word, list(ACTIONS))}'
        )
    session.flags.args[:] = rest
    return action(session)


def _files(session: Session) -> list[str]:
    return kubeconfig.paths(session.flags)


def view(session: Session) -> int:
    config = kubeconfig.load(_files(session))
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": n, "cluster": c} for n, c in config.clusters.items()],
        "contexts": [{"name": n, "context": c} for n, c in config.contexts.items()],
        "current-context": config.current,
        "users": [{"name": n, "user": _without_secrets(u)} for n, u in config.users.items()],
    }
    output = chosen.read(session.flags.text("output") or "yaml", tables=False)
    chosen.write(output, document)
    return 0


SECRET = ("token", "password", "client-key-data")


def _without_secrets(user: dict[str, Any]) -> dict[str, Any]:
    return {key: "REDACTED" if key in SECRET else value for key, value in user.items()}


def current_context(session: Session) -> int:
    current = kubeconfig.load(_files(session)).current
    if not current:
        raise CommandError("current-context is not set")
    session.say(current)
    return 0


def get_contexts(session: Session) -> int:
    config = kubeconfig.load(_files(session))
    rows = [["CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE"]]
    for name, context in sorted(config.contexts.items()):
        mark = "*" if name == config.current else ""
        rows.append(
            [mark, name, *(str(context.get(key, "")) for key in ("cluster", "user", "namespace"))]
        )
    for line in table.render(rows):
        session.say(line)
    return 0


def use_context(session: Session) -> int:
    if len(session.args) != 1:
        raise UsageError("config use-context takes exactly one context")
    name = session.args[0]
    config = kubeconfig.load(_files(session))
    if name not in config.contexts:
        raise CommandError(
            f'no context exists with the name: "{name}"{did_you_mean(name, list(config.contexts))}'
        )
    path = config.paths[0]
    kubeconfig.write(path, kubeconfig.read(path) | {"current-context": name})
    session.say(f'Switched to context "{name}".')
    return 0


def set_context(session: Session) -> int:
    """`set-context --current --namespace=x`, or a context by name."""
    config = kubeconfig.load(_files(session))
    name = config.current if session.flags.on("current") else next(iter(session.args), "")
    if not name:
        raise UsageError("name a context, or use --current")
    if name not in config.contexts:
        raise CommandError(
            f'no context exists with the name: "{name}"{did_you_mean(name, list(config.contexts))}'
        )
    if not session.flags.given("namespace"):
        raise UsageError("nothing to set: --namespace=NAME")
    path = _defining(config.paths, name)
    content = kubeconfig.read(path)
    for entry in content["contexts"]:
        if entry.get("name") == name:
            entry.setdefault("context", {})["namespace"] = session.flags.text("namespace")
    kubeconfig.write(path, content)
    session.say(f'Context "{name}" modified.')
    return 0


def _defining(paths: list[str], name: str) -> str:
    """The file that has the context."""
    for path in paths:
        if os.path.exists(path) and any(
            each.get("name") == name for each in kubeconfig.read(path).get("contexts") or []
        ):
            return path
    return paths[0]


ACTIONS = {
    "view": view,
    "current-context": current_context,
    "get-contexts": get_contexts,
    "use-context": use_context,
    "set-context": set_context,
}
CONFIG = Command(
    usage="config (view | current-context | get-contexts | use-context NAME | set-context (NAME | --current) "
    "--namespace=NAME)",
    about="Read and change kubeconfig files.",
    examples="""  # What is known
  helmling config view

  # From now on, work in the namespace shop
  helmling config set-context --current --namespace=shop""",
    run=run,
    flags=(chosen.OUTPUT, switch("current", "Change the current context.")),
)  # fmt: skip
