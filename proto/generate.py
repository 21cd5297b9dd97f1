"""Regenerates everything that is made from the .proto files: `make proto`.

Two things are made: the Python modules beside each .proto file, and comments.json, the comments of every
message and field, which the modules do not carry and `helmling explain` shows. Both are committed; `make check`
regenerates them and fails on a difference.
"""

import json
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
V1 = ROOT / "proto" / "v1"
MESSAGES, FIELDS, NESTED = 4, 2, 3  # field numbers in descriptor.proto, as source paths use them


def run_protoc(*arguments: str) -> None:
    includes = ["-I.", f"-I{files('grpc_tools') / '_proto'}"]
    if protoc.main(["protoc", *includes, *arguments]) != 0:
        sys.exit("protoc failed")


def comments(descriptors: FileDescriptorSet) -> dict[str, dict[str, str]]:
    """For each message: its own comment under "", and each field's under its JSON name."""
    found: dict[str, dict[str, str]] = {}
    for file in descriptors.file:
        said = {
            tuple(place.path): " ".join((place.leading_comments or place.trailing_comments).split())
            for place in file.source_code_info.location
        }

        def visit(message: DescriptorProto, path: tuple[int, ...], said: dict = said) -> None:
            if message.options.map_entry:
                return
            texts = {"": said.get(path, "")}
            for i, field in enumerate(message.field):
                texts[field.json_name] = said.get((*path, FIELDS, i), "")
            found[message.name] = {name: text for name, text in texts.items() if text}
            for i, nested in enumerate(message.nested_type):
                visit(nested, (*path, NESTED, i))

        for i, message in enumerate(file.message_type):
            visit(message, (MESSAGES, i))
    return found


def main() -> None:
    ours = sorted(str(path.relative_to(ROOT)) for path in V1.glob("*.proto"))
    others = sorted(
        str(path.relative_to(ROOT))
        for path in (ROOT / "proto").rglob("*.proto")
        if path.parent != V1
    )
    run_protoc("--python_out=.", "--pyi_out=.", *ours, *others)
    with tempfile.NamedTemporaryFile() as out:
        run_protoc("--include_source_info", f"--descriptor_set_out={out.name}", *ours)
        descriptors = FileDescriptorSet.FromString(Path(out.name).read_bytes())
    text = json.dumps(comments(descriptors), indent=1, ensure_ascii=False, sort_keys=True)
    (V1 / "comments.json").write_text(text + "\n")


if __name__ == "__main__":
    import os

    os.chdir(ROOT)
    main()
