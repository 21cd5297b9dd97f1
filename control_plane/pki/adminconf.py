"""admin.conf: the kubeconfig with which the cluster's administrator begins."""

import json
from base64 import b64encode
from pathlib import Path

from api import keyfiles
from api.identities import ADMIN
from api.tls import Identity


def write_admin_conf(path: Path, address: str, admin: Identity) -> None:
    """The kubeconfig of the cluster's administrator, replaced at once and readable by its owner only.

    JSON is YAML, and a client can read it without importing a YAML parser.
    """
    cluster = {"server": f"https://{address}", "certificate-authority-data": _base64(admin.ca)}
    user = {
        "client-certificate-data": _base64(admin.certificate),
        "client-key-data": _base64(admin.key),
    }
    context = {"cluster": "helmling", "user": ADMIN, "namespace": "default"}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "helmling", "cluster": cluster}],
        "users": [{"name": ADMIN, "user": user}],
        "contexts": [{"name": "helmling", "context": context}],
        "current-context": "helmling",
    }
    keyfiles.write(path, json.dumps(content, indent=2).encode() + b"\n")


def _base64(content: bytes) -> str:
    return b64encode(content).decode()
