"""ConfigMaps and Secrets in words: of a Secret only how long each value is."""

from typing import Any

from cli.describe.lines import Field, fields, identity, marks


def describe_config_map(config: Any) -> list[str]:
    lines = [*_head(config), "", "Data", "===="]
    for key in sorted(config.data):
        lines += [f"{key}:", "----", *config.data[key].split("\n"), ""]
    lines += ["", "BinaryData", "===="]
    return lines + _sizes(config.binaryData) + [""]


def describe_secret(secret: Any) -> list[str]:
    kind = ["", *fields([("Type", secret.type)]), ""]
    return [*_head(secret), *kind, "Data", "====", *_sizes(secret.data), ""]


def _head(obj: Any) -> list[str]:
    rows: list[Field] = [*identity(obj.metadata), *marks(obj.metadata)]
    if obj.immutable:
        rows.append(("Immutable", "True"))
    return fields(rows)


def _sizes(values: Any) -> list[str]:
    return fields([(key, f"{len(values[key])} bytes") for key in sorted(values)])
