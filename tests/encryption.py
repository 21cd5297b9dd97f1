"""Keys, rings and encrypted stores for tests."""

from base64 import b64encode

from control_plane.secrets.configuration import Configuration, Key, Rule
from control_plane.secrets.ring import Ring
from control_plane.secrets.store import EncryptedStore
from control_plane.store.open import open_store

SECRETS = "/registry/secrets/"


def key(name: str = "key1", provider: str = "aesgcm") -> Key:
    """The same name has the same secret."""
    return Key(provider, name, name.encode().ljust(32, b"."))


def configuration(*keys: Key, resources: tuple[str, ...] = ("secrets",)) -> Configuration:
    return Configuration((Rule(resources, keys or (key(),)),))


def ring(*keys: Key, prefix: str = "/") -> Ring:
    """Covers every key that begins so."""
    made = configuration(*keys)
    return Ring(made, [(prefix, made.rules[0])])


async def open_encrypted(url: str, *keys: Key) -> EncryptedStore:
    """Everything in it is sealed."""
    return EncryptedStore(await open_store(url), ring(*keys))


def base64(secret: bytes) -> str:
    return b64encode(secret).decode()
