"""A store's URL: what it may be, and what is said of one that is not."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from control_plane.store.contract import CannotOpen, StoreUnavailable
from control_plane.store.etcd import EtcdStore
from control_plane.store.etcd_cluster import Access
from control_plane.store.open import etcd_address, open_store, sqlite_path
from tests.etcd_server import EtcdServers


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("/var/lib/store.db", "no kind of store called '/var/lib/store.db'"),
        ("mysql://host", "no kind of store called 'mysql'"),
        ("sqlite://store.db", "by its absolute path"),
        ("sqlite://", "by its absolute path"),
        ("sqlite:///var/lib/", "by its absolute path"),
        ("etcd://", "'' is not host:port"),
        ("etcd://one:2379,two", "'two' is not host:port"),
        ("etcd://one:2379,two:http", "'two:http' is not host:port"),
        ("etcd://one:99999", "'one:99999' is not host:port"),
        ("etcd://one:2379?tls=yes", "no option 'tls', only ca, cert and key"),
        ("etcd://one:2379?cert=/c&key=/k", "need ca"),
        ("etcd://one:2379?ca=/ca&cert=/c", "go together"),
        ("etcd://one:2379?ca=/no/such/ca.crt", "cannot read /no/such/ca.crt"),
    ],
)
def test_a_bad_url_is_explained(url: str, complaint: str) -> None:
    with pytest.raises(CannotOpen) as error:
        asyncio.run(open_store(url))
    assert complaint in str(error.value)
    assert url in str(error.value)


def test_what_urls_mean() -> None:
    assert sqlite_path("sqlite:///var/lib/helmling/store.db") == Path("/var/lib/helmling/store.db")
    assert etcd_address("etcd://one:2379,[::1]:2380?ca=/ca&cert=/c&key=/k") == (
        ("one:2379", "[::1]:2380"),
        {"ca": Path("/ca"), "cert": Path("/c"), "key": Path("/k")},
    )


def openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[EtcdServers]:
    """An etcd that speaks only TLS, and only to those who have a certificate of its authority."""
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1")
    ca_files = ("-keyout", "ca.key", "-out", "ca.crt")
    openssl(tmp_path, "req", "-x509", *new_key, "-subj", "/CN=test-ca", *ca_files)
    (tmp_path / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("server", "client"):
        files = ("-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl(tmp_path, "req", *new_key[:-2], "-subj", f"/CN={name}", *files)
        openssl(
            *(tmp_path, "x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.crt", "-days", "1"),
            *("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names"),
        )
    with EtcdServers.started(tmp_path / "etcd", tls=tmp_path) as servers:
        yield servers


@pytest.mark.etcd
def test_etcd_over_tls(secured: EtcdServers, tmp_path: Path) -> None:
    """With a certificate of its authority; not without one."""

    async def scenario() -> None:
        client = f"&cert={tmp_path}/client.crt&key={tmp_path}/client.key"
        store = await open_store(f"{secured.url}?ca={tmp_path}/ca.crt{client}")
        revision = await store.txn({"/a": 0}, {"/a": b"secret"})
        assert await store.revision() == revision
        await store.close()

    asyncio.run(scenario())


@pytest.mark.etcd
def test_etcd_over_tls_refuses_strangers(secured: EtcdServers, tmp_path: Path) -> None:
    async def scenario() -> None:
        store = EtcdStore(Access(secured.endpoints, ca=tmp_path / "ca.crt"), patience=2)
        with pytest.raises(StoreUnavailable, match="does not answer"):
            await store.get("/a")
        await store.close()

    asyncio.run(scenario())
