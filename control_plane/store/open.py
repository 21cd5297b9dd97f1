"""Opens the store that a URL names.

memory://                                    forgets everything at exit; for tests
sqlite:///var/lib/helmling/store.db          one file (two slashes, then the absolute path)
etcd://host:2379,host:2379                   an etcd cluster
    ?ca=/path&cert=/path&key=/path           … over TLS, with a client certificate
"""

from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from control_plane.store.contract import CannotOpen, Store
from control_plane.store.memory import MemoryStore
from control_plane.store.sqlite import SQLiteStore

FORMS = "memory://, sqlite:///absolute/path or etcd://host:port,host:port"
TLS_FILES = ("ca", "cert", "key")


class BadURL(CannotOpen):
    """The URL names no store."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"cannot open the store {url!r}: {why}; a store's URL is {FORMS}")


async def open_store(url: str) -> Store:
    """Raises CannotOpen, whose message says what to do about it."""
    scheme, _, _ = url.partition("://")
    if scheme == "memory":
        return MemoryStore()
    if scheme == "sqlite":
        return await SQLiteStore.open(sqlite_path(url))
    if scheme == "etcd":
        return _open_etcd(url)
    raise BadURL(url, f"there is no kind of store called {scheme!r}")


def sqlite_path(url: str) -> Path:
    path = url.removeprefix("sqlite://")
    if not path.startswith("/") or path.endswith("/"):
        raise BadURL(url, "it must name a file by its absolute path")
    return Path(path)


def _open_etcd(url: str) -> Store:
    # Imported here: grpc takes a tenth of a second, and most control planes use SQLite.
    from control_plane.store.etcd import EtcdStore
    from control_plane.store.etcd_cluster import Access

    endpoints, files = etcd_address(url)
    access = Access(endpoints, **files)
    try:
        return EtcdStore(access)
    except OSError as error:
        raise CannotOpen(f"cannot read {error.filename}, which {url!r} names: {error}") from error


def etcd_address(url: str) -> tuple[tuple[str, ...], dict[str, Path]]:
    """The members' addresses, and the files of the TLS options."""
    parts = urlsplit(url)
    endpoints = tuple(parts.netloc.split(","))
    for endpoint in endpoints:
        host, _, port = endpoint.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise BadURL(url, f"{endpoint!r} is not host:port")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := set(options) - set(TLS_FILES):
        raise BadURL(url, f"it has no option {sorted(unknown)[0]!r}, only ca, cert and key")
    if options and "ca" not in options:
        raise BadURL(url, "cert and key need ca, the certificate that the members are checked by")
    if ("cert" in options) != ("key" in options):
        raise BadURL(url, "cert and key go together")
    return endpoints, {name: Path(path) for name, path in options.items()}
