"""ConfigMaps and Secrets: keys that are file names, sizes, types, and what "immutable" forbids (S#92, S#93).

No sentence here shows a value: what is said of a Secret is read by more people than the Secret.
"""

import json
from collections.abc import Callable, Mapping, Sequence

from api.errors import Cause
from control_plane.apiserver.validation import causes, schema
from control_plane.apiserver.validation.formats import config_key
from proto.v1.config_pb2 import ConfigMap, Secret

MOST_BYTES = 1024 * 1024  # of all values together
ACCOUNT = "kubernetes.io/service-account.name"
_FIXED = "field is immutable when `immutable` is set"


def validate_config_map(config: ConfigMap) -> list[Cause]:
    found = _keys(config.data, "data") + _keys(config.binaryData, "binaryData")
    for key in sorted(config.data.keys() & config.binaryData.keys()):
        told = "duplicate of key present in binaryData"
        found.append(causes.invalid(f"data[{key}]", key, told))
    size = sum(len(text.encode()) for text in config.data.values())
    size += sum(len(value) for value in config.binaryData.values())
    return [*found, causes.too_long("data", MOST_BYTES)] if size > MOST_BYTES else found


def validate_config_map_update(new: ConfigMap, old: ConfigMap) -> list[Cause]:
    return _immutable(new, old, ("data", "binaryData"))


def validate_secret(secret: Secret) -> list[Cause]:
    found = _keys(secret.data, "data")
    if sum(len(value) for value in secret.data.values()) > MOST_BYTES:
        found.append(causes.too_long("data", MOST_BYTES))
    check = _TYPES.get(secret.type)
    return [*found, *check(secret)] if check else found


def validate_secret_update(new: Secret, old: Secret) -> list[Cause]:
    found = schema.check_immutable(new, old, deep=False)
    return found + _immutable(new, old, ("data",))


def _keys(values: Mapping[str, str] | Mapping[str, bytes], path: str) -> list[Cause]:
    return [
        causes.invalid(f"{path}[{key}]", key, problem)
        for key in sorted(values)
        for problem in config_key(key)
    ]


def _immutable(
    new: ConfigMap | Secret, old: ConfigMap | Secret, names: Sequence[str]
) -> list[Cause]:
    if not old.immutable:
        return []
    changed = [name for name in names if getattr(new, name) != getattr(old, name)]
    if not new.immutable:
        changed.insert(0, "immutable")
    return [causes.forbidden(name, _FIXED) for name in changed]


Check = Callable[[Secret], list[Cause]]


def _all_of(*keys: str) -> Check:
    def check(secret: Secret) -> list[Cause]:
        return [causes.required(f"data[{key}]") for key in keys if key not in secret.data]

    return check


def _one_of(*keys: str) -> Check:
    def check(secret: Secret) -> list[Cause]:
        if any(key in secret.data for key in keys):
            return []
        told = f"one of the keys {' and '.join(keys)} must be there"
        return [causes.required(f"data[{key}]", told) for key in keys]

    return check


def _filled(key: str) -> Check:
    def check(secret: Secret) -> list[Cause]:
        return [] if secret.data.get(key) else [causes.required(f"data[{key}]")]

    return check


def _json(key: str) -> Check:
    def check(secret: Secret) -> list[Cause]:
        if key not in secret.data:
            return [causes.required(f"data[{key}]")]
        try:
            wrong = "" if isinstance(json.loads(secret.data[key]), dict) else "must be an object"
        except (ValueError, RecursionError):
            wrong = "must be valid JSON"
        redacted = "<secret contents redacted>"
        return [causes.invalid(f"data[{key}]", redacted, wrong)] if wrong else []

    return check


def _of_an_account(secret: Secret) -> list[Cause]:
    if secret.metadata.annotations.get(ACCOUNT):
        return []
    return [causes.required(f"metadata.annotations[{ACCOUNT}]")]


_TYPES: dict[str, Check] = {
    "kubernetes.io/tls": _all_of("tls.crt", "tls.key"),
    "kubernetes.io/dockerconfigjson": _json(".dockerconfigjson"),
    "kubernetes.io/dockercfg": _json(".dockercfg"),
    "kubernetes.io/basic-auth": _one_of("username", "password"),
    "kubernetes.io/ssh-auth": _filled("ssh-privatekey"),
    "kubernetes.io/service-account-token": _of_an_account,
    "bootstrap.kubernetes.io/token": _all_of("token-id", "token-secret"),
}
