"""The file that says what is encrypted and with which keys: Kubernetes' EncryptionConfiguration.

    apiVersion: apiserver.config.k8s.io/v1
    kind: EncryptionConfiguration
    resources:
    - resources: [secrets]
      providers:
      - aesgcm:
          keys:
          - name: key-20260101T120000Z
            secret: …                          # 16, 24 or 32 bytes in base64
      - identity: {}

The first rule that covers a resource decides. Its first key writes; all keys of the file read. `identity` leaves
values as they are: as the first it switches encryption off, further down it allows values that were written before
(which here is always allowed: a value says itself whether it is sealed). Everything that is wrong is said at once,
each with its path in the file, and no message ever quotes a key.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import yaml

from api.errors import Cause
from control_plane.secrets.ciphers import CIPHERS, IDENTITY, LENGTHS
from control_plane.secrets.resources import complaint, prefixes_of

API_VERSION, KIND = "apiserver.config.k8s.io/v1", "EncryptionConfiguration"
NAME_LENGTH = 63
REQUIRED = "FieldValueRequired"


class BadConfiguration(Exception):
    """The file is of no use; the message lists why."""

    def __init__(self, causes: Sequence[Cause]) -> None:
        super().__init__("; ".join(str(cause) for cause in causes))
        self.causes = tuple(causes)


@dataclass(frozen=True, slots=True)
class Key:
    """One way to write or read values; `identity` has neither name nor secret."""

    provider: str
    name: str = ""
    secret: bytes = field(default=b"", repr=False)

    @property
    def encrypts(self) -> bool:
        return self.provider != IDENTITY


PLAIN = Key(IDENTITY)


@dataclass(frozen=True, slots=True)
class Rule:
    """Which resources, and their keys: the first writes."""

    resources: tuple[str, ...]  # "secrets", "deployments.apps", "*.apps", "*.", "*.*"
    keys: tuple[Key, ...]

    @property
    def writer(self) -> Key:
        return self.keys[0]


@dataclass(frozen=True, slots=True)
class Configuration:
    rules: tuple[Rule, ...]

    def all_keys(self) -> list[Key]:
        """Every key once, in the order of the file."""
        return list(dict.fromkeys(key for rule in self.rules for key in rule.keys if key.encrypts))


def read(text: str) -> Configuration:
    """Raises BadConfiguration."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadConfiguration([Cause("", _where(error))]) from None
    reader = _Reader()
    configuration = reader.configuration(content)
    if reader.causes:
        raise BadConfiguration(reader.causes)
    return configuration


def _where(error: yaml.YAMLError) -> str:
    """Without the lines themselves, which may hold a key."""
    mark = getattr(error, "problem_mark", None)
    place = f"line {mark.line + 1}: " if mark else ""
    return f"{place}this is no YAML: {getattr(error, 'problem', None) or 'it cannot be read'}"


class _Reader:
    """Walks through the file and notes what is wrong."""

    def __init__(self) -> None:
        self.causes: list[Cause] = []
        self._names: dict[str, Key] = {}  # of keys that were read

    def _wrong(self, path: str, message: str, reason: str = "FieldValueInvalid") -> None:
        self.causes.append(Cause(path, message, reason))

    def _fields(self, path: str, value: Any, known: Sequence[str]) -> Mapping[str, Any]:
        """The mapping at a path, without fields that nobody knows."""
        if not isinstance(value, dict):
            self._wrong(path, f"must be a mapping of {', '.join(known)}")
            return {}
        for name in value:
            if name not in known:
                where = f"{path}.{name}" if path else str(name)
                self._wrong(where, f"there is no such field, only {', '.join(known)}")
        return value

    def _items(self, path: str, value: Any) -> list[Any]:
        if not isinstance(value, list) or not value:
            self._wrong(path, "must be a list with at least one entry", REQUIRED)
            return []
        return value

    def configuration(self, content: Any) -> Configuration:
        fields = self._fields("", content, ("apiVersion", "kind", "resources"))
        for name, expected in (("apiVersion", API_VERSION), ("kind", KIND)):
            if fields and fields.get(name) != expected:
                self._wrong(name, f"must be {expected}")
        items = self._items("resources", fields.get("resources")) if fields else []
        return Configuration(
            tuple(self._rule(f"resources[{i}]", item) for i, item in enumerate(items))
        )

    def _rule(self, path: str, value: Any) -> Rule:
        fields = self._fields(path, value, ("resources", "providers"))
        resources = self._items(f"{path}.resources", fields.get("resources"))
        for i, resource in enumerate(resources):
            if why := complaint(resource):
                self._wrong(f"{path}.resources[{i}]", why)
        providers = self._items(f"{path}.providers", fields.get("providers"))
        keys = [
            key
            for i, provider in enumerate(providers)
            for key in self._provider(f"{path}.providers[{i}]", provider)
        ]
        return Rule(tuple(str(each) for each in resources), tuple(keys) or (PLAIN,))

    def _provider(self, path: str, value: Any) -> Iterator[Key]:
        if isinstance(value, dict) and "kms" in value:
            self._wrong(f"{path}.kms", "key services (KMS) are not supported, use aesgcm")
            return
        known = (*CIPHERS, IDENTITY)
        fields = self._fields(path, value, known)
        named = [name for name in known if name in fields]
        if len(named) != 1:
            self._wrong(path, f"must have exactly one of {', '.join(known)}", REQUIRED)
        elif named == [IDENTITY]:
            self._fields(f"{path}.{IDENTITY}", fields[IDENTITY] or {}, ())
            yield PLAIN
        else:
            yield from self._keys(f"{path}.{named[0]}", named[0], fields[named[0]])

    def _keys(self, path: str, provider: str, value: Any) -> Iterator[Key]:
        fields = self._fields(path, value, ("keys",))
        for i, item in enumerate(self._items(f"{path}.keys", fields.get("keys"))):
            key = self._key(f"{path}.keys[{i}]", provider, item)
            if key is not None:
                yield key

    def _key(self, path: str, provider: str, value: Any) -> Key | None:
        fields = self._fields(path, value, ("name", "secret"))
        name, secret = fields.get("name"), fields.get("secret")
        if not _is_name(name):
            told = f"must be 1 to {NAME_LENGTH} printable ASCII characters without a colon"
            self._wrong(f"{path}.name", told, REQUIRED)
            return None
        bytes_ = _bytes(secret)
        if bytes_ is None or len(bytes_) not in LENGTHS[provider]:
            sizes = " or ".join(str(length) for length in LENGTHS[provider])
            made = "head -c 32 /dev/urandom | base64"
            self._wrong(f"{path}.secret", f"must be {sizes} bytes in base64 (make one: {made})")
            return None
        key = Key(provider, str(name), bytes_)
        if self._names.setdefault(key.name, key) != key:
            self._wrong(f"{path}.name", f"{key.name!r} is the name of another key, too")
        return key


def _is_name(name: Any) -> bool:
    return (
        isinstance(name, str)
        and 0 < len(name) <= NAME_LENGTH
        and name.isascii()
        and name.isprintable()
        and ":" not in name
    )


def _bytes(secret: Any) -> bytes | None:
    try:
        return b64decode(secret, validate=True) if isinstance(secret, str) else None
    except (binascii.Error, ValueError):
        return None


def write(configuration: Configuration) -> str:
    """The file's text; `read` gives the same configuration back."""
    content = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "resources": [
            {"resources": list(rule.resources), "providers": list(_providers(rule.keys))}
            for rule in configuration.rules
        ],
    }
    return yaml.safe_dump(content, sort_keys=False)


def _providers(keys: Sequence[Key]) -> Iterator[dict[str, Any]]:
    """Neighbours of one provider are written together."""
    for provider, same in groupby(keys, key=lambda key: key.provider):
        if provider == IDENTITY:
            yield from ({IDENTITY: {}} for _ in same)
        else:
            yield {
                provider: {
                    "keys": [
                        {"name": key.name, "secret": b64encode(key.secret).decode()} for key in same
                    ]
                }
            }


def covered(configuration: Configuration) -> Iterator[tuple[str, Rule]]:
    """The beginnings of keys in the store and their rules; the first that fits decides."""
    for rule in configuration.rules:
        for resource in rule.resources:
            for prefix in prefixes_of(resource):
                yield prefix, rule
