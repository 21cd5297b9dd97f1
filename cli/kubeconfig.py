"""Which cluster to talk to: kubeconfig files, as every Kubernetes tool has them.

The first that is there counts: `--kubeconfig`, `--data-dir` (its admin.conf), the files in $KUBECONFIG,
admin.conf in $HELMLING_DATA_DIR or /var/lib/helmling. `--server` is another address of the same cluster, and
`--token` shows a token instead of the user's certificate. A kubeconfig is YAML and so may be JSON; admin.conf is
written as JSON, which is read without importing a YAML parser (an eighth of what `helmling get` may take).
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from api.tls import Identity
from cli.credentials import identity_of, resolve
from cli.errors import CommandError, did_you_mean
from cli.flags import Parsed

DATA_DIR = "/var/lib/helmling"
ADMIN = "admin.conf"
SECTIONS = {"clusters": "cluster", "contexts": "context", "users": "user"}  # what each entry holds
ADDRESS = re.compile(r"^(?:(?P<scheme>[a-z]+)://)?(?P<host>\[[^]]+\]|[^:/]+):(?P<port>\d+)/?$")


@dataclass(frozen=True, slots=True)
class Target:
    """Where the server is, and what to assume when nobody says otherwise."""

    address: str  # host:port
    identity: Identity
    namespace: str = ""
    context: str = ""
    cluster: str = ""
    source: str = ""  # the file that says so


@dataclass(slots=True)
class Config:
    """One or several kubeconfig files, merged: the first to name a thing defines it."""

    clusters: dict[str, dict[str, Any]] = field(default_factory=dict)
    contexts: dict[str, dict[str, Any]] = field(default_factory=dict)
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    current: str = ""
    paths: list[str] = field(default_factory=list)


def data_dir(flags: Parsed) -> str:
    return flags.text("data-dir") or os.environ.get("HELMLING_DATA_DIR") or DATA_DIR


def paths(flags: Parsed) -> list[str]:
    """The files to read."""
    if flags.given("kubeconfig"):
        return [flags.text("kubeconfig")]
    from_environment = [path for path in os.environ.get("KUBECONFIG", "").split(":") if path]
    if from_environment and not flags.given("data-dir"):
        return from_environment
    return [os.path.join(data_dir(flags), ADMIN)]


def find(flags: Parsed) -> Target:
    """The server to talk to, and as whom. Raises CommandError when there is none to be found."""
    config = load(paths(flags))
    target = _target(config, flags.text("context") or config.current, flags.text("token"))
    if flags.given("server"):
        return replace(target, address=address_of(flags.text("server"), "--server"))
    return target


def of_file(path: str) -> Target:
    """The current context of one file."""
    config = load([path])
    return _target(config, config.current)


def _target(config: Config, name: str, token: str = "") -> Target:
    context = _context(config, name, config.paths)
    cluster = str(context.get("cluster", ""))
    if cluster not in config.clusters:
        raise CommandError(f'context "{name}" names the cluster "{cluster}", which is not defined')
    source = " and ".join(config.paths)
    user = {"token": token} if token else _user(config, context)
    return Target(
        address_of(str(config.clusters[cluster].get("server", "")), source),
        identity_of(config.clusters[cluster], user, source),
        str(context.get("namespace", "")),
        name,
        cluster,
        source,
    )


def _context(config: Config, name: str, files: list[str]) -> dict[str, Any]:
    if not config.contexts:
        raise CommandError(
            f"no cluster found: {' and '.join(files)} has no contexts. Start one with: helmling up"
        )
    context = config.contexts.get(name)
    if context is None:
        what = f'context "{name}" does not exist' if name else "no current context is set"
        raise CommandError(what + did_you_mean(name, list(config.contexts)))
    return context


def _user(config: Config, context: Mapping[str, Any]) -> dict[str, Any]:
    name = str(context.get("user", ""))
    if name and name not in config.users:
        raise CommandError(f'the context names the user "{name}", who is not defined')
    return config.users.get(name, {})


def load(files: list[str]) -> Config:
    """Files that are missing are passed over as long as one is there, as kubectl does."""
    config = Config()
    for path in files:
        if os.path.exists(path):
            _merge(config, read(path), path)
    if not config.paths:
        raise CommandError(
            f"no cluster found: there is no {' and no '.join(files)}.\n"
            "Start one with: helmling up (or name a kubeconfig with --kubeconfig or $KUBECONFIG)"
        )
    return config


def _merge(config: Config, content: Mapping[str, Any], path: str) -> None:
    config.paths.append(path)
    config.current = config.current or str(content.get("current-context") or "")
    for section, inner in SECTIONS.items():
        named: dict[str, dict[str, Any]] = getattr(config, section)
        for entry in content.get(section) or []:
            found = resolve(entry.get(inner) or {}, os.path.dirname(os.path.abspath(path)))
            named.setdefault(str(entry.get("name", "")), found)


def read(path: str) -> dict[str, Any]:
    """The file's content. Raises CommandError if it is not a kubeconfig."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandError(f"{path} is not a kubeconfig: it is no text in UTF-8") from None
    content = _parse(text, path)
    if not isinstance(content, dict) or content.get("kind", "Config") != "Config":
        raise CommandError(f'{path} is not a kubeconfig: expected "kind: Config"')
    for section, inner in SECTIONS.items():
        _check_form(content.get(section) or [], f"{path}: {section}", inner)
    return content


def _check_form(entries: Any, where: str, inner: str) -> None:
    form = f"{{name: …, {inner}: …}}"
    if not isinstance(entries, list):
        raise CommandError(f"{where} must be a list of {form}")
    for place, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get(inner) or {}, dict):
            raise CommandError(f"{where}[{place}] must be {form}, and its {inner} a map")


def _parse(text: str, path: str) -> Any:
    import json

    try:
        return json.loads(text)
    except json.JSONDecodeError:
        pass
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CommandError(f"{path} is not valid YAML: {error}") from None


def address_of(server: str, source: str) -> str:
    """host:port. Refuses what is not ours to speak to."""
    match = ADDRESS.match(server)
    if match is None or match["scheme"] not in (None, "https", "http"):
        raise CommandError(
            f'{source}: "{server}" is no server address: expected https://127.0.0.1:6440'
        )
    if match["scheme"] == "http":
        raise CommandError(
            f"{source} points to {server}: Helmling never speaks plain text. Write https://, or let the server write "
            "a new admin.conf: it does so at every start"
        )
    return f"{match['host']}:{match['port']}"


def write(path: str, content: Mapping[str, Any]) -> None:
    """Replaces the file at once, readable by its owner only."""
    import json

    scratch = f"{path}.{os.getpid()}"
    with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
    os.replace(scratch, path)
