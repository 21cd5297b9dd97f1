"""`helmling config`: look at kubeconfig files, and change the namespace or the context."""

import os
from binascii import b2a_base64
from typing import Any

from cli import kubeconfig
from cli.command import Command, Session
from cli.credentials import read_file
from cli.errors import CommandError, UsageError, did_you_mean
from cli.flags import Flag, switch
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
    shown = (lambda entry: entry) if session.flags.on("raw") else without_secrets
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": n, "cluster": shown(c)} for n, c in config.clusters.items()],
        "contexts": [{"name": n, "context": c} for n, c in config.contexts.items()],
        "current-context": config.current,
        "users": [{"name": n, "user": shown(u)} for n, u in config.users.items()],
    }
    output = chosen.read(session.flags.text("output") or "yaml", tables=False)
    chosen.write(output, document)
    return 0


SECRET = ("token", "password")


def without_secrets(entry: dict[str, Any]) -> dict[str, Any]:
    """As kubectl shows it: tokens are secret, and certificates and keys too long to be looked at."""
    return {
        key: "REDACTED" if key in SECRET else "DATA+OMITTED" if key.endswith("-data") else value
        for key, value in entry.items()
    }


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
    """`set-context --current --namespace=x`, or a context by name, which may be new."""
    flags = session.flags
    wanted = {key: flags.text(key) for key in ("cluster", "user", "namespace") if flags.given(key)}
    if not wanted:
        raise UsageError("nothing to set: --namespace=NAME, --cluster=NAME, --user=NAME")
    name = next(iter(session.args), "")
    if flags.on("current"):
        name = kubeconfig.load(_files(session)).current
    if not name:
        raise UsageError("name a context, or use --current")
    made = _put(session, "contexts", name, wanted)
    session.say(f'Context "{name}" {"created" if made else "modified"}.')
    return 0


def set_cluster(session: Session) -> int:
    """Where a cluster is, and by what it is known."""
    flags = session.flags
    name, wanted = _one(session, "cluster"), {}
    if flags.given("server"):
        kubeconfig.address_of(flags.text("server"), "--server")
        wanted["server"] = flags.text("server")
    wanted |= _files_of(session, ("certificate-authority",))
    _put(session, "clusters", name, wanted)
    session.say(f'Cluster "{name}" set.')
    return 0


def set_credentials(session: Session) -> int:
    """Who a user is: a certificate with its key, or a token."""
    name = _one(session, "user")
    wanted = _files_of(session, ("client-certificate", "client-key"))
    if session.flags.given("token"):
        wanted["token"] = session.flags.text("token")
    if not wanted:
        raise UsageError(
            "nothing to set: --client-certificate=FILE with --client-key=FILE, or --token=TOKEN"
        )
    _put(session, "users", name, wanted)
    session.say(f'User "{name}" set.')
    return 0


def _one(session: Session, what: str) -> str:
    if len(session.args) != 1:
        raise UsageError(f"name exactly one {what}")
    return session.args[0]


def _files_of(session: Session, keys: tuple[str, ...]) -> dict[str, str]:
    """The files that the flags name; with --embed-certs, what is in them."""
    flags, found = session.flags, {}
    for key in keys:
        if not flags.given(key):
            continue
        path = os.path.abspath(flags.text(key))
        content = read_file(path)
        if flags.on("embed-certs"):
            found[f"{key}-data"] = b2a_base64(content, newline=False).decode()
        else:
            found[key] = path
    return found


def _put(session: Session, section: str, name: str, wanted: dict[str, str]) -> bool:
    """Change an entry in the file that has it, or make one in the first file; whether it is new."""
    inner = section.removesuffix("s")
    files = _files(session)
    path = _defining(files, section, name)
    content: dict[str, Any] = {"apiVersion": "v1", "kind": "Config"}
    if os.path.exists(path):
        content = kubeconfig.read(path)
    entries = content.setdefault(section, [])
    known = next((entry for entry in entries if entry.get("name") == name), None)
    entry = known or {"name": name}
    if known is None:
        entries.append(entry)
    entry[inner] = {**(entry.get(inner) or {}), **wanted}
    kubeconfig.write(path, content)
    return known is None


def _defining(paths: list[str], section: str, name: str) -> str:
    """The file that has the entry; the first if none has."""
    for path in paths:
        if os.path.exists(path) and any(
            each.get("name") == name for each in kubeconfig.read(path).get(section) or []
        ):
            return path
    return paths[0]


ACTIONS = {
    "view": view,
    "current-context": current_context,
    "get-contexts": get_contexts,
    "use-context": use_context,
    "set-context": set_context,
    "set-cluster": set_cluster,
    "set-credentials": set_credentials,
}
CONFIG = Command(
    usage="config (view | current-context | get-contexts | use-context NAME | set-context (NAME | --current) "
    "[--cluster=NAME] [--user=NAME] [--namespace=NAME] | set-cluster NAME [--server=URL] "
    "[--certificate-authority=FILE] | set-credentials NAME [--client-certificate=FILE "
    "--client-key=FILE] [--token=TOKEN])",
    about="Read and change kubeconfig files.",
    examples="""  # What is known
  helmling config view

  # From now on, work in the namespace shop
  helmling config set-context --current --namespace=shop

  # Jane, whose certificate was signed
  helmling config set-credentials jane --client-certificate=jane.crt --client-key=jane.key --embed-certs
  helmling config set-context jane --cluster=helmling --user=jane""",
    run=run,
    flags=(
        chosen.OUTPUT,
        switch("current", "Change the current context."),
        switch("raw", "With view: show tokens, certificates and keys, too."),
        Flag("cluster", "The cluster of the context."),
        Flag("user", "The user of the context."),
        Flag("certificate-authority", "A file with the certificate of the cluster's authority."),
        Flag("client-certificate", "A file with the user's certificate."),
        Flag("client-key", "A file with the user's key."),
        switch("embed-certs", "Copy what is in the files into the kubeconfig."),
    ),
)  # fmt: skip
