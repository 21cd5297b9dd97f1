"""No Secret's value is anywhere on the disk: the real server, on SQLite and etcd, through rotation, kill -9 and restart."""

import os
import signal
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.canaries import forms, found, new_canary
from tests.e2e.cli_runner import PROGRAM, Cli
from tests.encryption import base64
from tests.etcd_server import EtcdServers
from tests.waiting import eventually

OFF = """apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources: [{resources: [secrets], providers: [{identity: {}}]}]
"""


@pytest.mark.parametrize("form", forms(new_canary()))
def test_a_canary_is_found_in_every_form(tmp_path: Path, form: str) -> None:
    """Also where it was cut in two, and between holes."""
    canary = new_canary()
    written = forms(canary)[form]
    (tmp_path / "deep").mkdir()
    file = tmp_path / "deep" / "file"
    file.write_bytes(os.urandom(5000) + written + os.urandom(100))
    assert f"{file} ({form})" in found(canary, tmp_path)
    file.write_bytes(written[: len(written) // 2])
    assert f"{file} ({form})" in found(canary, tmp_path)
    with file.open("wb") as opened:
        opened.seek(1 << 20)
        opened.write(written)
        opened.truncate(1 << 22)
    assert f"{file} ({form})" in found(canary, tmp_path)
    assert found(new_canary(), tmp_path) == []
    with pytest.raises(FileNotFoundError):
        found(canary, tmp_path / "nothing")


class Server:
    """`helmling server` in a directory of its own; `log` is all that it says."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.rotate = "--only-server=false"  # the flag that `rotate-key` needs
        self.cli = Cli(folder / "data")
        self.log = folder / "log"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        (self.cli.data_dir / "admin.conf").unlink(missing_ok=True)
        command = [*PROGRAM, "server", "--listen=127.0.0.1:0", "--log-level=debug", *self._options]
        with self.log.open("ab") as log:
            before = log.tell()
            self._process = subprocess.Popen(command, env=self.cli.env(), stderr=log, stdout=log)
        process = self._process

        def ready() -> bool:
            said = self.log.read_bytes()[before:]
            assert process.poll() is None, said.decode()
            return b"Control plane at" in said

        eventually(ready)

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    def write(self, name: str, value: str) -> None:
        manifest = (
            f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\n"
            f"data: {{password: {b64encode(value.encode()).decode()}}}\n"
        )
        self.cli.ok("replace" if self.has(name) else "create", "-f", "-", stdin=manifest)

    def has(self, name: str) -> bool:
        return self.cli.run("get", "secret", name).code == 0

    def read(self, name: str) -> str:
        data: str = self.cli.ok("get", "secret", name, "-o", "json").json()["data"]["password"]
        return data


@contextmanager
def server(folder: Path, *options: str) -> Iterator[Server]:
    made = Server(folder, *options)
    try:
        made.start()
        yield made
    finally:
        made.end()


def through_a_life(running: Server, *disk: Path) -> None:
    """What happens to Secrets; nothing of them may be found at any moment."""
    kept, changed, deleted = (new_canary() for _ in range(3))
    canaries = [kept, changed, deleted]

    def clean() -> None:
        assert [place for canary in canaries for place in found(canary, *disk, running.log)] == []

    for name, canary in (("kept", kept), ("changed", changed), ("deleted", deleted)):
        running.write(name, canary)
    large = new_canary()
    canaries.append(large)
    running.write("large", large * 2_000)  # over many pages
    clean()
    canaries.append(new_canary())
    running.write("changed", canaries[-1])
    running.cli.ok("delete", "secret", "deleted")
    clean()
    running.cli.ok("secrets", "rotate-key", running.rotate)
    clean()
    running.end(signal.SIGKILL)
    clean()
    running.start()
    assert running.read("kept") == base64(kept.encode())
    running.cli.ok("secrets", "rotate-key", running.rotate)
    running.cli.ok("secrets", "reencrypt")
    running.end(signal.SIGTERM)
    clean()
    running.start()
    assert running.read("changed") == base64(canaries[-1].encode())


def test_nothing_is_found_on_sqlite(tmp_path: Path) -> None:
    with server(tmp_path) as running:
        through_a_life(running, running.cli.data_dir)


@pytest.mark.etcd
def test_nothing_is_found_on_etcd(tmp_path: Path) -> None:
    with EtcdServers.started(tmp_path / "etcd") as etcd:
        options = (f"--store={etcd.url}",)
        with server(tmp_path, *options) as running:
            said = running.cli.fails("secrets", "rotate-key")
            assert "other servers may use this etcd" in said
            running.rotate = "--only-server"
            through_a_life(running, running.cli.data_dir, tmp_path / "etcd")


@pytest.mark.parametrize(
    ("content", "mode", "complaint"),
    [
        (None, 0o600, "there is no encryption configuration {}"),
        (OFF, 0o644, "others than its owner may read the keys in {} (mode 0644): chmod 600 {}"),
        ("kind: [", 0o600, "the encryption configuration {} is of no use:\n  line 1: this is no YAML"),
        (OFF.replace("identity: {}", "kms: {}"), 0o600, "\n  resources[0].providers[0].kms: key services (KMS) are not supported"),
    ],
)  # fmt: skip
def test_a_server_does_not_start_with_a_file_that_is_wrong(
    tmp_path: Path, content: str | None, mode: int, complaint: str
) -> None:
    config = tmp_path / "config.yaml"
    if content is not None:
        config.write_text(content)
        config.chmod(mode)
    cli = Cli(tmp_path / "data")
    said = cli.fails("server", "--listen=127.0.0.1:0", f"--encryption-provider-config={config}")
    assert complaint.replace("{}", str(config)) in said


def test_a_server_whose_key_is_gone_says_what_is_lost(tmp_path: Path) -> None:
    """It starts only when somebody accepts that, and then serves the rest."""
    with server(tmp_path) as running:
        running.write("lost", "swordfish")
        running.end(signal.SIGTERM)
        (running.cli.data_dir / "encryption.yaml").unlink()
        said = running.cli.fails("server", "--listen=127.0.0.1:0")
        assert (
            "encryption.yaml is not there, but the store has encrypted objects (1; keys: key-"
            in said
        )
        again = Server(tmp_path, "--accept-lost-secrets")
        try:
            again.start()
            again.write("new", "sardine")
            assert again.read("new") == base64(b"sardine")
            assert 'secrets "default/lost" cannot be read' in again.cli.fails(
                "get", "secret", "lost"
            )
            assert again.cli.ok("get", "secrets", "-o", "name").lines() == [
                "secret/lost",
                "secret/new",
            ]
            status = again.cli.run("secrets", "status")
            assert status.code == 3
            assert "Lost, unless their keys are put back: 1" in status.out
            assert "count=1 objects='secrets \"default/lost\"'" in again.log.read_text()
            again.cli.ok("delete", "secret", "lost")
            again.cli.ok("secrets", "status")
        finally:
            again.end()


def test_what_was_written_in_the_clear_is_gone_after_reencrypt(tmp_path: Path) -> None:
    """Old revisions, deleted Secrets, free pages and the WAL included, and without a restart."""
    config = tmp_path / "config.yaml"
    config.write_text(OFF)
    config.chmod(0o600)
    with server(tmp_path, f"--encryption-provider-config={config}") as running:
        disk = running.cli.data_dir
        canaries = [new_canary() for _ in range(4)]
        for number, canary in enumerate(canaries):
            running.write(f"s{number % 2}", canary * 200)
        running.cli.ok("delete", "secret", "s0")
        assert all(found(canary, disk) for canary in canaries), "they are there in the clear"
        on = f"aesgcm: {{keys: [{{name: k1, secret: {base64(os.urandom(32))}}}]}}"
        config.write_text(OFF.replace("identity: {}", on))
        said = running.cli.ok("secrets", "reencrypt").out
        assert "rewriting: 1 of 1" in said
        assert [place for canary in canaries for place in found(canary, disk, running.log)] == []
        assert running.read("s1") == base64(canaries[3].encode() * 200)
