"""`helmling create configmap` and `create secret generic|docker-registry|tls`: flags in, a manifest out."""

import json
from base64 import b64encode
from pathlib import Path

from cli import sources
from cli.command import Session
from cli.errors import CommandError, UsageError
from cli.flags import Flag
from cli.generate import Plain

HUB = "https://index.docker.io/v1/"
GENERIC_FLAGS = (*sources.FLAGS, Flag("type", "With secret generic: its type; default Opaque."))
REGISTRY_FLAGS = (
    *sources.FLAGS[1:2],
    Flag("docker-server", "With secret docker-registry: the registry.", default=HUB),
    Flag("docker-username", "With secret docker-registry: who logs in."),
    Flag("docker-password", "With secret docker-registry: the password."),
    Flag("docker-email", "With secret docker-registry: an address, for registries that want one."),
)
TLS_FLAGS = (
    Flag("cert", "With secret tls: the file of the certificate, in PEM form."),
    Flag("key", "With secret tls: the file of its private key."),
)


def config_map(session: Session, name: str) -> Plain:
    """Text goes into data, everything else into binaryData."""
    made: Plain = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    for key, value in sources.gather(session.flags, f"ConfigMap {name}").items():
        try:
            made.setdefault("data", {})[key] = value.decode()
        except UnicodeDecodeError:
            made.setdefault("binaryData", {})[key] = b64encode(value).decode()
    return made


def generic(session: Session, name: str) -> Plain:
    return _secret(
        name, session.flags.text("type"), sources.gather(session.flags, f"Secret {name}")
    )


def docker_registry(session: Session, name: str) -> Plain:
    flags = session.flags
    kind = "kubernetes.io/dockerconfigjson"
    files = flags.many("from-file")
    user, password = flags.text("docker-username"), flags.text("docker-password")
    if len(files) > 1:
        raise UsageError("exactly one --from-file makes a secret docker-registry")
    if files:
        path = Path(files[0].removeprefix(".dockerconfigjson="))
        return _secret(name, kind, {".dockerconfigjson": sources.read(path)})
    if not (user and password):
        raise UsageError(
            "either --from-file or the combination of --docker-username, --docker-password and "
            "--docker-server is required"
        )
    entry = {"username": user, "password": password, "email": flags.text("docker-email")}
    entry["auth"] = b64encode(f"{user}:{password}".encode()).decode()
    login = {key: value for key, value in entry.items() if value}
    text = json.dumps({"auths": {flags.text("docker-server"): login}}, separators=(",", ":"))
    return _secret(name, kind, {".dockerconfigjson": text.encode()})


def tls(session: Session, name: str) -> Plain:
    flags = session.flags
    if not (flags.text("cert") and flags.text("key")):
        raise UsageError("key and cert must be specified")
    certificate = sources.read(Path(flags.text("cert")))
    key = sources.read(Path(flags.text("key")))
    _check_pair(certificate, key)
    return _secret(name, "kubernetes.io/tls", {"tls.crt": certificate, "tls.key": key})


def _secret(name: str, type: str, values: dict[str, bytes]) -> Plain:
    made: Plain = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
    if values:
        made["data"] = {key: b64encode(value).decode() for key, value in values.items()}
    if type:
        made["type"] = type
    return made


def _check_pair(certificate: bytes, key: bytes) -> None:
    """A certificate that does not fit its key would be noticed by the first visitor only."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificate

    try:
        public = load_pem_x509_certificate(certificate).public_key()
    except ValueError:
        raise CommandError(
            "failed to load key pair: tls: the certificate is not in PEM form"
        ) from None
    try:
        private = load_pem_private_key(key, None)
    except (ValueError, TypeError):
        raise CommandError(
            "failed to load key pair: tls: the private key is not in PEM form, or needs a password"
        ) from None
    if private.public_key() != public:
        raise CommandError("failed to load key pair: tls: private key does not match public key")
