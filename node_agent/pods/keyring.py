"""From imagePullSecrets to logins: which of them are for the registry of an image. Pure.

https://kubernetes.io/docs/concepts/containers/images/#config-json
"""

import base64
import binascii
import fnmatch
import json
from collections.abc import Iterable, Mapping
from typing import Any

from node_agent.runtime import references
from node_agent.runtime.model import RegistryLogin
from proto.v1.config_pb2 import Secret

HUB = "docker.io"
_HUBS = ("index.docker.io", "registry-1.docker.io", HUB)  # one registry under three names


def logins(image: str, secrets: Iterable[Secret]) -> tuple[RegistryLogin, ...]:
    """Those to try, the most specific first; of equal ones in the order of the Secrets."""
    host, path = _place(references.parse(image).name)
    found = [
        (len(key), login)
        for secret in secrets
        for key, login in _entries(secret)
        if _matches(key, host, path)
    ]
    found.sort(key=lambda each: -each[0])  # stable
    return tuple(dict.fromkeys(login for _, login in found))


def _place(name: str) -> tuple[str, str]:
    """Registry and path of an image: `nginx` is docker.io and library/nginx."""
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return (HUB if first in _HUBS else first), rest
    return HUB, name if slash else f"library/{name}"


def _entries(secret: Secret) -> Iterable[tuple[str, RegistryLogin]]:
    """(registry with perhaps a path, login) of whatever of the Secret can be read."""
    if ".dockerconfigjson" in secret.data:
        table = _object(_json(secret.data[".dockerconfigjson"]).get("auths"))
    else:
        table = _json(secret.data.get(".dockercfg", b"{}"))
    for key, entry in table.items():
        login = _login(_object(entry))
        if login is not None:
            yield key, login


def _json(text: bytes) -> Mapping[str, Any]:
    try:
        return _object(json.loads(text))
    except (ValueError, RecursionError):
        return {}


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _login(entry: Mapping[str, Any]) -> RegistryLogin | None:
    user, password = entry.get("username"), entry.get("password")
    if isinstance(user, str) and isinstance(password, str):
        return RegistryLogin(user, password)
    try:
        text = base64.b64decode(str(entry.get("auth", ""))).decode()
    except (binascii.Error, ValueError):
        return None
    user, colon, password = text.partition(":")
    return RegistryLogin(user, password) if colon else None


def _matches(key: str, host: str, path: str) -> bool:
    """`*.example.com:5000/team` is for all images below team/ in registries of that form; a part has as many dots."""
    bare = key.removeprefix("https://").removeprefix("http://").rstrip("/")
    named, _, below = bare.partition("/")
    named = HUB if named in _HUBS else named
    below = "" if below in ("v1", "v2") else below.removeprefix("v1/").removeprefix("v2/")
    same = named.count(".") == host.count(".") and fnmatch.fnmatchcase(host, named)
    return same and (not below or path == below or path.startswith(f"{below}/"))
