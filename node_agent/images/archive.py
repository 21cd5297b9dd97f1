"""An image as the file that `docker load` reads: one layer, its configuration, a manifest.

`docker import` would be shorter, but it stamps the current time into the image. Here nothing
depends on when or by whom it is built: the same packages give the same image ID on every machine,
and loading an image again is a no-op.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from node_agent.images.rootfs import BORN


def pack(root: Path, *, image: str, architecture: str, config: Mapping[str, object]) -> bytes:
    """The image archive. `architecture` is Go's name for it, as Docker reports it: amd64, arm64."""
    content, newest = layer(root)
    created = datetime.fromtimestamp(newest, UTC).isoformat().replace("+00:00", "Z")
    description = {
        "architecture": architecture,
        "os": "linux",
        "created": created,
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(content)}"]},
        "history": [{"created": created, "created_by": "python -m node_agent.images"}],
    }
    text = json.dumps(description, sort_keys=True).encode()
    files = {f"{sha256(text)}.json": text, f"{sha256(content)}/layer.tar": content}
    about, only_layer = files
    manifest = [{"Config": about, "RepoTags": [image], "Layers": [only_layer]}]
    return tar_of({**files, "manifest.json": json.dumps(manifest).encode()})


def layer(root: Path) -> tuple[bytes, int]:
    """All below `root` as a tar owned by root, and the date of its newest file."""
    newest = BORN
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(root.rglob("*")):
            entry = tar.gettarinfo(path, str(path.relative_to(root)))
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = "root"
            if entry.isfile():
                entry.mtime = int(entry.mtime)
                newest = max(newest, int(entry.mtime))
                with path.open("rb") as content:
                    tar.addfile(entry, content)
            else:  # folders and links were made just now
                entry.mtime = BORN
                tar.addfile(entry)
    return stream.getvalue(), newest


def tar_of(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
