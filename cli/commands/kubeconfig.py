"""`helmling kubeconfig`: the kubeconfig for kubectl, and for everything else that speaks Kubernetes' HTTP API."""

import os
from typing import Any

from cli import kubeconfig
from cli.command import Command, Session
from cli.errors import CommandError, UsageError
from cli.flags import Flag, switch
from cli.kubeconfig import GRPC, HTTP, SECTIONS


def run(session: Session) -> int | None:
    if session.args:
        raise UsageError(f"kubeconfig takes no arguments: {' '.join(session.args)}")
    path, merge = session.flags.text("write"), session.flags.on("merge")
    made = for_kubectl(kubeconfig.load(kubeconfig.paths(session.flags)))
    if merge:
        path = path or os.path.expanduser("~/.kube/config")
        if os.path.exists(path):
            made = merged(kubeconfig.read(path), made)
    if not path:
        import yaml

        session.say(yaml.safe_dump(made, sort_keys=False).rstrip())
        return 0
    os.makedirs(os.path.dirname(os.path.abspath(path)), mode=0o700, exist_ok=True)
    kubeconfig.write(path, made)
    session.say(f"{path} is written: kubectl --kubeconfig={path} get nodes")
    return 0


def for_kubectl(config: kubeconfig.Config) -> dict[str, Any]:
    """The current context and what belongs to it, with HTTP as the way to go and gRPC in the extension."""
    name = config.current
    context = config.contexts.get(name)
    if context is None:
        raise CommandError("no current context is set: name one with helmling config use-context")
    cluster = config.clusters.get(str(context.get("cluster", "")), {})
    user = str(context.get("user", ""))
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": context.get("cluster", ""), "cluster": _turned(cluster)}],
        "users": [{"name": user, "user": config.users.get(user, {})}],
        "contexts": [{"name": name, "context": context}],
        "current-context": name,
    }


def _turned(cluster: dict[str, Any]) -> dict[str, Any]:
    """Raises CommandError."""
    if kubeconfig.extension(cluster, GRPC):
        return cluster  # it is kubectl's already
    http = kubeconfig.extension(cluster, HTTP)
    if not http:
        raise CommandError(
            "this kubeconfig does not say where the cluster speaks HTTP: it is of an older server. Start the server "
            "again (helmling down, helmling up): it writes a new admin.conf at every start"
        )
    others = {key: value for key, value in cluster.items() if key not in ("server", "extensions")}
    grpc = {"name": GRPC, "extension": {"server": cluster["server"]}}
    return {"server": http, **others, "extensions": [grpc]}


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Entries of the same name are replaced, all others stay; the new context becomes the current one."""
    out = {**old, "current-context": new["current-context"]}
    for section in SECTIONS:
        names = {entry["name"] for entry in new[section]}
        kept = [entry for entry in old.get(section) or [] if entry.get("name") not in names]
        out[section] = [*kept, *new[section]]
    return out


KUBECONFIG = Command(
    usage="kubeconfig [--write=FILE] [--merge]",
    about="Print a kubeconfig for kubectl, and for every program that speaks Kubernetes' HTTP API.\n\nIt names the "
    "current context's cluster and user. helmling understands the file as well, so one file serves both.",
    examples="""  # For kubectl
  helmling kubeconfig > kubectl.conf && kubectl --kubeconfig=kubectl.conf get nodes

  # Into ~/.kube/config, beside the clusters that are there already
  helmling kubeconfig --merge""",
    run=run,
    flags=(
        Flag("write", "Write this file instead of printing."),
        switch("merge", "Keep what is in the file (default ~/.kube/config), and add this cluster."),
    ),
)
