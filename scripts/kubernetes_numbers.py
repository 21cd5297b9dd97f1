"""Makes control_plane/gateway/kubernetes.json: the numbers of Kubernetes' own protobuf fields.

Go clients since Kubernetes 1.32 send objects in that encoding, without asking whether a server understands JSON only.
Field numbers never change, so the table holds for every version. They are read out of a kubectl: each carries the
compressed descriptors of its API. Run it again, with a newer kubectl, when a kind has grown a field:

    python scripts/kubernetes_numbers.py /usr/bin/kubectl
"""

import json
import re
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.message import DecodeError

from api.kinds import KINDS, REVIEWS, SCALE, TOKEN_REQUEST

OUT = Path(__file__).parent.parent / "control_plane" / "gateway" / "kubernetes.json"
MAGIC, LONGEST = b"\x1f\x8b\x08", 1 << 20  # of gzip; bytes of one compressed file
WORDS = {
    FieldDescriptorProto.TYPE_STRING: "string",
    FieldDescriptorProto.TYPE_BYTES: "bytes",
    FieldDescriptorProto.TYPE_BOOL: "bool",
    FieldDescriptorProto.TYPE_INT32: "int",
    FieldDescriptorProto.TYPE_INT64: "int",
    FieldDescriptorProto.TYPE_DOUBLE: "double",
}


def files(program: bytes) -> Iterator[FileDescriptorProto]:
    at = program.find(MAGIC)
    while at >= 0:
        try:
            inner = zlib.decompressobj(31).decompress(program[at : at + LONGEST])
            found = FileDescriptorProto.FromString(inner)
        except (zlib.error, DecodeError):
            pass
        else:
            if found.package.startswith("k8s.io."):
                yield found
        at = program.find(MAGIC, at + 1)


def short(name: str) -> str:
    """k8s.io.api.core.v1.Pod → core.v1.Pod"""
    return re.sub(
        r"^\.?k8s\.io\.(apimachinery\.pkg\.(apis\.|api\.|util\.)?|api\.|metrics\.pkg\.apis\.)",
        "",
        name,
    )


def row(message: DescriptorProto) -> dict[str, list[str]]:
    """Number → name, type ("string", "core.v1.Container", …), and how often: one, list, map."""
    maps = {each.name: each for each in message.nested_type if each.options.map_entry}
    found = {}
    for field in message.field:
        entry = maps.get(field.type_name.rpartition(".")[2])
        of, often = field, "list" if field.label == field.LABEL_REPEATED else "one"
        if entry is not None:
            of, often = entry.field[1], "map"
        found[str(field.number)] = [field.name, WORDS.get(of.type) or short(of.type_name), often]
    return found


def reachable(roots: list[str], rows: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name in rows and name not in found:
            found[name] = rows[name]
            todo += [field[1] for field in rows[name].values()]
    return dict(sorted(found.items()))


def main(path: str) -> None:
    rows = {
        short(f"{file.package}.{message.name}"): row(message)
        for file in files(Path(path).read_bytes())
        for message in file.message_type
    }
    roots = {}
    for kind in (*KINDS, *REVIEWS, SCALE, TOKEN_REQUEST):
        group = kind.group.removesuffix(".k8s.io").replace("rbac.authorization", "rbac") or "core"
        roots[f"{kind.api_version} {kind.name}"] = f"{group}.{kind.version}.{kind.name}"
    roots["v1 Binding"], roots["policy/v1 Eviction"] = "core.v1.Binding", "policy.v1.Eviction"
    roots["DeleteOptions"] = "meta.v1.DeleteOptions"
    roots = {about: name for about, name in roots.items() if name in rows}
    table = {"roots": roots, "messages": reachable(list(roots.values()), rows)}
    OUT.write_text(json.dumps(table, separators=(",", ":")).replace("},", "},\n") + "\n")
    print(f"{OUT}: {len(roots)} kinds, {len(table['messages'])} messages")


if __name__ == "__main__":
    main(sys.argv[1])
