"""The keys at hand: which of them writes what, and which opens what is there.

A ring never changes. When the configuration does, another takes its place (EncryptedStore.use), so that every single
operation sees one state of the file and no mixture.
"""

from collections.abc import Iterable

from cryptography.exceptions import InvalidTag

from control_plane.secrets.ciphers import CIPHERS, IDENTITY, Sealer
from control_plane.secrets.configuration import PLAIN, Configuration, Key, Rule, covered
from control_plane.secrets.envelope import Header, header_of, is_sealed, open_sealed, seal
from control_plane.secrets.resources import named
from control_plane.store.contract import Unreadable

Use = tuple[str, str]  # (provider, name of the key): what a value says of itself


class Ring:
    def __init__(
        self, configuration: Configuration, rules: Iterable[tuple[str, Rule]] | None = None
    ) -> None:
        """`rules`: what keys begin with and the rule for them, if it is not what the configuration names."""
        self.configuration = configuration
        self._rules = list(covered(configuration) if rules is None else rules)
        self._prefixes = tuple(prefix for prefix, _ in self._rules)
        self._sealers: dict[Use, Sealer] = {
            (key.provider, key.name): CIPHERS[key.provider](key.secret)
            for key in configuration.all_keys()
        }

    def writer(self, key: str) -> Key:
        """What a new value at this place is sealed with."""
        if key.startswith(self._prefixes):
            for prefix, rule in self._rules:
                if key.startswith(prefix):
                    return rule.writer
        return PLAIN

    def seal(self, key: str, value: bytes) -> bytes:
        """Raises ValueError: a plain value that would be taken for a sealed one."""
        writer = self.writer(key)
        if writer.encrypts:
            sealer = self._sealers[writer.provider, writer.name]
            return seal(writer.provider, writer.name, sealer, value, key.encode())
        if is_sealed(value):
            raise ValueError(f"a value of {key} may not begin like an encrypted one")
        return value

    def open(self, key: str, stored: bytes) -> bytes:
        """What was written; or what is stored, as Unreadable. Never raises."""
        header = header_of(stored)
        if header is None:
            return stored
        sealer = self._sealers.get((header.provider, header.name))
        if sealer is None:
            return Unreadable(stored, _missing(key, header))
        try:
            return open_sealed(header, sealer, stored, key.encode())
        except InvalidTag:
            return Unreadable(stored, _damaged(key, header))

    def is_current(self, key: str, stored: bytes) -> bool:
        """It is stored just as it would be written now."""
        writer, header = self.writer(key), header_of(stored)
        if header is None:
            return not writer.encrypts
        return header.enveloped and (header.provider, header.name) == (writer.provider, writer.name)


def use_of(stored: bytes) -> Use:
    """Under which key a value is."""
    header = header_of(stored)
    return (header.provider, header.name) if header else (IDENTITY, "")


def _missing(key: str, header: Header) -> str:
    which = f'the key "{header.name}" ({header.provider})' if header.name else header.provider
    return (
        f"{named(key)} cannot be read: it is encrypted with {which}, which is not in the server's encryption "
        "configuration. Put that key back, or the object is lost: then delete it and create it anew"
    )


def _damaged(key: str, header: Header) -> str:
    return (
        f'{named(key)} cannot be read: the key "{header.name}" ({header.provider}) does not open it. That key has '
        "another secret now, or the value was damaged, or moved here from another object. If the key's old secret is "
        "gone, the object is lost: delete it and create it anew"
    )
