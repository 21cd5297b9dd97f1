"""Certificates and keys on disk: a certificate and its key are one file, so that they are replaced together.

Files appear whole or not at all, are written through to the disk before they count, and are their owner's alone.
"""

import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from api.certificates import BadCertificate, holder_of, public_bytes, read, read_key

SECRET, PUBLIC = 0o600, 0o644  # modes of files
RENEW_AT = 0.75  # of a certificate's life: time enough to notice that it does not work
KEY = b"-----BEGIN PRIVATE KEY-----"


@dataclass(frozen=True, slots=True)
class Pair:
    """Both in PEM form; the certificate may bring its chain."""

    certificate: bytes
    key: bytes = field(repr=False)

    @property
    def renewal(self) -> datetime:
        """From when on a new one is to be had."""
        holder = holder_of(self.certificate)
        return holder.since + (holder.until - holder.since) * RENEW_AT


def write_pair(path: Path, pair: Pair) -> None:
    write(path, pair.certificate + pair.key)


def read_pair(path: Path) -> Pair | None:
    """None: there is none. Raises BadCertificate when what is there is of no use."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    start = content.find(KEY)
    if start < 0:
        raise BadCertificate(f"{path} has no private key in it")
    pair = Pair(content[:start], content[start:])
    try:
        check_match(pair)
    except BadCertificate as error:
        raise BadCertificate(f"{path}: {error}") from None
    return pair


def check_match(pair: Pair) -> None:
    """Raises BadCertificate when the key is another certificate's."""
    certified = read(pair.certificate).public_key()
    if public_bytes(certified) != public_bytes(read_key(pair.key).public_key()):
        raise BadCertificate("the private key does not belong to the certificate")


def write(path: Path, content: bytes, mode: int = SECRET) -> None:
    """Replaces the file at once; when it returns, the disk has it. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # or the new name may be gone after a power failure
    finally:
        os.close(folder)
