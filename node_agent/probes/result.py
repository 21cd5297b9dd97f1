"""What one check of a probe found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """`ok` None: the check itself did not work; it counts neither way."""

    ok: bool | None
    message: str = ""
