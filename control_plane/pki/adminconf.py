"""admin.conf: the kubeconfig with which the cluster's administrator begins.

A cluster is reached in two ways, and a kubeconfig has one field for it. So the other way stands in an extension,
which is what the format has for such things: `server` is where helmling connects (gRPC), and the extension says where
kubectl does. `helmling kubeconfig` prints the same with both exchanged; helmling takes either (cli/kubeconfig.py).
"""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

from api import keyfiles
from api.identities import ADMIN
from api.tls import Identity

HTTP = "helmling.dev/http"  # the extension of a cluster that says where it speaks HTTP


def write_admin_conf(path: Path, address: str, admin: Identity, *, http: str = "") -> None:
    """The kubeconfig of the cluster's administrator, replaced at once and readable by its owner only.

    JSON is YAML, and a client can read it without importing a YAML parser.
    """
    cluster: dict[str, Any] = {
        "server": f"https://{address}",
        "certificate-authority-data": _base64(admin.ca),
    }
    if http:
        cluster["extensions"] = [{"name": HTTP, "extension": {"server": f"https://{http}"}}]
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
