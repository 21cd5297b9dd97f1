"""Making ConfigMaps and Secrets from a command line, and showing them without their values (S#92, S#93)."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from api.jsonform import from_json
from cli import creating_config, exposed
from cli.commands.diff import _mask
from cli.describe.config import describe_config_map, describe_secret
from cli.describe.container import container_lines
from cli.describe.volumes import volume_lines
from cli.errors import CommandError, UsageError
from cli.flags import Flag, Parsed
from proto.v1.pod_pb2 import Container, Pod, Volume
from tests.manifests import created

ALL = (*creating_config.GENERIC_FLAGS, *creating_config.REGISTRY_FLAGS, *creating_config.TLS_FLAGS)


class FakeSession:
    """All that a maker needs of a session."""

    def __init__(self, **given: str | list[str]) -> None:
        known: dict[str, Flag] = {flag.name: flag for flag in ALL}
        values = {
            name.replace("_", "-"): value if isinstance(value, list) else [value]
            for name, value in given.items()
        }
        self.flags = Parsed(known, values=values)


def made(maker: Any, **given: str | list[str]) -> Any:
    return maker(FakeSession(**given), "app")


def values(plain: dict[str, Any]) -> dict[str, bytes]:
    return {key: base64.b64decode(text) for key, text in plain["data"].items()}


def test_literals_and_files(tmp_path: Path) -> None:
    (tmp_path / "app.conf").write_text("a=1\n")
    (tmp_path / "icon").write_bytes(b"\xff\0")
    plain = made(
        creating_config.config_map,
        from_literal=["color=blue", "url=x?a=b"],
        from_file=[str(tmp_path / "app.conf"), f"logo={tmp_path / 'icon'}"],
    )
    assert plain["data"] == {"color": "blue", "url": "x?a=b", "app.conf": "a=1\n"}
    assert plain["binaryData"] == {"logo": base64.b64encode(b"\xff\0").decode()}


def test_a_directory_of_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    (tmp_path / "below").mkdir()
    plain = made(creating_config.generic, from_file=str(tmp_path))
    assert values(plain) == {"a": b"1", "b": b"2"}


def test_a_file_of_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_HERE", "mine")
    file = tmp_path / "env"
    file.write_bytes(b"\xef\xbb\xbfA=1\n# no\n\n  B=x=y\nFROM_HERE\nEMPTY=\n")
    plain = made(creating_config.config_map, from_env_file=str(file))
    assert plain["data"] == {"A": "1", "B": "x=y", "FROM_HERE": "mine", "EMPTY": ""}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"from_literal": "canary"}, "invalid literal source, expected key=value"),
        ({"from_literal": "=canary"}, "invalid literal source, expected key=value"),
        (
            {"from_literal": ["a=canary", "a=2"]},
            "cannot add key a, another key by that name already exists in Data for Secret app",
        ),
        ({"from_file": "/none"}, "error reading /none: No such file or directory"),
        ({"from_file": "=x"}, "key name for file path x missing"),
        ({"from_file": "x="}, "file path for file path x missing"),
        ({"from_file": "a=b=c"}, "key names or file paths cannot contain '='"),
        ({"from_file": "k=/"}, "cannot give a key name for a directory path"),
        (
            {"from_env_file": "x", "from_literal": "a=canary"},
            "from-env-file cannot be combined with from-file or from-literal",
        ),
    ],
)
def test_what_cannot_be_made_is_told_without_values(given: dict[str, Any], told: str) -> None:
    with pytest.raises(CommandError) as error:
        made(creating_config.generic, **given)
    assert error.value.message == told


def test_bytes_in_a_file_of_variables_are_told_by_line(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_bytes(b"A=1\nB=\xff\n")
    with pytest.raises(CommandError, match="contains invalid utf8 bytes at line 2"):
        made(creating_config.generic, from_env_file=str(file))


def test_a_registry_s_secret() -> None:
    plain = made(creating_config.docker_registry, docker_username="u", docker_password="p")
    assert plain["type"] == "kubernetes.io/dockerconfigjson"
    assert values(plain)[".dockerconfigjson"] == (
        b'{"auths":{"https://index.docker.io/v1/":{"username":"u","password":"p","auth":"dTpw"}}}'
    )
    with pytest.raises(UsageError, match="either --from-file or the combination of"):
        made(creating_config.docker_registry, docker_username="u")


def pair(folder: Path, name: str) -> tuple[str, str]:
    """Files of a certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(pem))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(folder / f"{name}.crt"), str(folder / f"{name}.key")


def test_a_certificate_must_fit_its_key(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path, "one")
    other_certificate, other_key = pair(tmp_path, "two")
    plain = made(creating_config.tls, cert=certificate, key=key)
    assert plain["type"] == "kubernetes.io/tls"
    assert values(plain)["tls.key"] == Path(key).read_bytes()
    with pytest.raises(CommandError, match="private key does not match public key"):
        made(creating_config.tls, cert=certificate, key=other_key)
    with pytest.raises(CommandError, match="the private key is not in PEM form"):
        made(creating_config.tls, cert=certificate, key=other_certificate)
    with pytest.raises(CommandError, match="the certificate is not in PEM form"):
        made(creating_config.tls, cert=key, key=key)
    with pytest.raises(UsageError, match="key and cert must be specified"):
        made(creating_config.tls, cert=certificate)


# Showing


def test_a_config_map_is_shown_with_its_text() -> None:
    config = created("ConfigMap", {"data": {"a": "1\n2"}, "binaryData": {"b": "AAAA"}})
    lines = describe_config_map(config)
    assert lines[lines.index("Data") :] == [
        *("Data", "====", "a:", "----", "1", "2", "", "color:", "----", "blue", ""),
        *("", "BinaryData", "====", "b:  3 bytes", ""),
    ]


def test_a_secret_is_shown_by_its_length() -> None:
    secret = created("Secret", {"immutable": True})
    lines = describe_secret(secret)
    assert lines[lines.index("Data") :] == ["Data", "====", "password:  7 bytes", ""]
    assert "Type:  Opaque" in lines
    assert "Immutable:    True" in lines
    assert "hunter2" not in "\n".join(lines)


def test_variables_are_shown_by_where_they_come_from() -> None:
    container, causes = from_json(
        Container,
        {
            "name": "a",
            "envFrom": [
                {"configMapRef": {"name": "settings"}},
                {"secretRef": {"name": "keys", "optional": True}, "prefix": "DB_"},
            ],
            "env": [
                {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "c"}}},
                {"name": "P", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "p"}}},
            ],
        },
    )
    assert causes == []
    lines = [line.strip() for line in container_lines(container, None)]
    assert lines[lines.index("Environment Variables from:") :][:6] == [
        "Environment Variables from:",
        "settings  ConfigMap  Optional: false",
        "keys  Secret with prefix 'DB_'  Optional: true",
        "Environment:",
        "C:  <set to the key 'c' of config map 'settings'>  Optional: false",
        "P:  <set to the key 'p' in secret 'keys'>  Optional: false",
    ]


def test_volumes_are_shown_by_what_fills_them() -> None:
    document = {
        "name": "all",
        "projected": {
            "sources": [
                {"secret": {"name": "keys"}},
                {"configMap": {"name": "settings", "optional": True}},
                {"downwardAPI": {}},
                {"serviceAccountToken": {"path": "t", "expirationSeconds": 600}},
            ]
        },
    }
    volume, _ = from_json(Volume, document)
    shown = [line.split(":")[0].strip() for line in volume_lines(volume)]
    assert shown == [
        *("all", "Type", "SecretName", "Optional", "ConfigMapName", "Optional"),
        *("DownwardAPI", "TokenExpirationSeconds"),
    ]


def test_a_difference_of_secrets_shows_no_value() -> None:
    before: dict[str, Any] = {"data": {"same": "a", "other": "b", "gone": "c"}}
    after: dict[str, Any] = {"data": {"same": "a", "other": "x", "new": "d"}}
    _mask(before, after)
    assert before == {"data": {"same": "***", "other": "*** (before)", "gone": "***"}}
    assert after == {"data": {"same": "***", "other": "*** (after)", "new": "***"}}


def test_secrets_in_the_environment_are_warned_of() -> None:
    pod = Pod()
    assert exposed.warning(pod) == ""
    pod.spec.containers.add().envFrom.add().configMapRef.name = "a"
    assert exposed.warning(pod) == ""
    pod.spec.containers.add().envFrom.add().secretRef.name = "a"
    pod.spec.initContainers.add().env.add().valueFrom.secretKeyRef.name = "a"
    assert exposed.warning(pod).startswith("Warning: initContainers[0], containers[1]: ")
    assert exposed.warning(created("Secret")) == ""
