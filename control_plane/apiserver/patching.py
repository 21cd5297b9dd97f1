"""PLACEHOLDER until patch lands."""

from typing import Any


class Patch:
    warnings: list[str] = []

    def __init__(self, kind: Any, patch_type: str, body: bytes, validation: str = "") -> None: ...
    def apply(self, old: Any) -> tuple[Any, list[Any]]:
        raise NotImplementedError
