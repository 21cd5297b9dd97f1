"""A registry on the loopback address with one image and one user: just enough of the distribution protocol for a pull."""

import base64
import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


@dataclass(frozen=True)
class Registry:
    address: str  # 127.0.0.1:port
    image: str  # what to pull
    attempts: list[str]  # who tried to log in: user names, "" for nobody


@contextmanager
def registry(user: str, password: str) -> Iterator[Registry]:
    """Serves until the end of the block."""
    blobs, manifest = _image()
    attempts: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if not self._is_known():
                self._answer(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}', "application/json")
                return
            digest = self.path.rpartition("/")[2]
            if self.path == "/v2/":
                self._answer(200, b"{}", "application/json")
            elif "/manifests/" in self.path:
                self._answer(200, manifest, _MANIFEST)
            elif digest in blobs:
                self._answer(200, blobs[digest], "application/octet-stream")
            else:
                self._answer(404, b"{}", "application/json")

        do_HEAD = do_GET

        def _is_known(self) -> bool:
            told = self.headers.get("Authorization", "").removeprefix("Basic ")
            given = base64.b64decode(told).decode()
            attempts.append(given.partition(":")[0])
            return given == f"{user}:{password}"

        def _answer(self, status: int, body: bytes, type: str) -> None:
            self.send_response(status)
            self.send_header("WWW-Authenticate", 'Basic realm="test"')
            self.send_header("Content-Type", type)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Docker-Content-Digest", _digest(body))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"127.0.0.1:{server.server_address[1]}"
        try:
            yield Registry(address, f"{address}/helmling-test/app:1", attempts)
        finally:
            server.shutdown()
            thread.join()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _image() -> tuple[dict[str, bytes], bytes]:
    """Blobs by digest, and the manifest: one layer with one file, and nothing to run."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        about = tarfile.TarInfo("hello")
        about.size = 2
        tar.addfile(about, io.BytesIO(b"hi"))
    layer = gzip.compress(plain.getvalue(), mtime=0)
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["/hello"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(plain.getvalue())]},
        }
    ).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": {"mediaType": _CONFIG, "size": len(config), "digest": _digest(config)},
        "layers": [{"mediaType": _LAYER, "size": len(layer), "digest": _digest(layer)}],
    }
    return {_digest(config): config, _digest(layer): layer}, json.dumps(manifest).encode()
