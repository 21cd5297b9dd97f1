"""What a kubeconfig says about who we are and whom to believe, as an Identity.

Certificates and keys stand in the file (…-data, in base64) or are files beside it; data counts more, as with kubectl.
https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

import os
from binascii import Error as NotBase64
from binascii import a2b_base64
from collections.abc import Mapping
from typing import Any

from api.tls import Identity
from cli.errors import CommandError

FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
# What kubectl can do and we cannot; said aloud, because to go on without would be another user, or none.
UNSUPPORTED = ("exec", "auth-provider", "username", "password")


def resolve(entry: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """File names are relative to the file they stand in."""
    named = {key: os.path.join(folder, str(entry[key])) for key in FILES if entry.get(key)}
    return {**entry, **named}


def identity_of(cluster: Mapping[str, Any], user: Mapping[str, Any], source: str) -> Identity:
    """Raises CommandError."""
    if cluster.get("insecure-skip-tls-verify"):
        raise CommandError(
            f"{source}: insecure-skip-tls-verify is not supported: whoever answered would get our token and our "
            "Secrets. Give the cluster's certificate-authority instead (it is in the server's admin.conf)"
        )
    for key in UNSUPPORTED:
        if user.get(key):
            raise CommandError(
                f'{source}: "{key}" is not supported: use a client certificate or a token'
            )
    ca = _content(cluster, "certificate-authority", source)
    if not ca:
        raise CommandError(
            f"{source}: the cluster has no certificate-authority-data, so nobody could tell whether the server is the "
            "right one"
        )
    identity = Identity(
        ca,
        _content(user, "client-certificate", source),
        _content(user, "client-key", source),
        _token(user),
    )
    _check(identity, source)
    return identity


def _check(identity: Identity, source: str) -> None:
    if bool(identity.certificate) != bool(identity.key):
        lacking = "client-key" if identity.certificate else "client-certificate"
        raise CommandError(
            f"{source}: the user has no {lacking}-data: a certificate and its key go together"
        )
    if not identity.certificate and not identity.token:
        raise CommandError(
            f"{source}: the user has neither a client certificate nor a token, and nobody is let in without"
        )


def _content(entry: Mapping[str, Any], key: str, source: str) -> bytes:
    data = entry.get(f"{key}-data")
    if data:
        try:
            return a2b_base64("".join(str(data).split()), strict_mode=True)
        except NotBase64 as error:
            raise CommandError(f"{source}: {key}-data is not base64: {error}") from None
    return read_file(str(entry[key])) if entry.get(key) else b""


def _token(user: Mapping[str, Any]) -> str:
    if user.get(
        "tokenFile"
    ):  # counts more than token, as with kubectl: it is replaced when it gets old
        return read_file(str(user["tokenFile"])).decode(errors="replace").strip()
    return str(user.get("token") or "")


def read_file(path: str) -> bytes:
    """Raises CommandError."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from None
