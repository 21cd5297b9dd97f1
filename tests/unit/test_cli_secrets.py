"""What `helmling secrets status` says beside its table."""

import pytest

from cli.commands.secrets import _remarks
from proto.v1.service_pb2 import EncryptionStatus, LostObject


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (EncryptionStatus(), []),
        (EncryptionStatus(behind=3), ["Not under the key that writes: 3. `helmling secrets reencrypt` changes that."]),
        (
            EncryptionStatus(behind=3, plain=2),
            ["Not under the key that writes: 3, 2 of them stored in the clear. `helmling secrets reencrypt` changes that."],
        ),
        (
            EncryptionStatus(behind=3, unfinished=["rewrite 3 objects", "give up the history"]),
            ["A rotation was begun and is not finished. `helmling secrets rotate-key` goes on:\n  rewrite 3 objects\n  give up the history"],
        ),
        (
            EncryptionStatus(lost=[LostObject(object='secrets "a/b"', why="no key")]),
            ["Lost, unless their keys are put back: 1", '  secrets "a/b"\n    no key'],
        ),
    ],
)  # fmt: skip
def test_what_is_worth_knowing_is_said(status: EncryptionStatus, said: list[str]) -> None:
    assert _remarks(status) == said
