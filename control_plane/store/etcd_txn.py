"""Transactions in etcd's words, and who it was when an answer got lost.

A transaction compares mod revisions, writes in its success branch, and reads the keys back in its
failure branch, so that a Conflict costs no second call. The hard part is the answer that never comes:
the write may have happened, may not, or may still be on its way to happen.

If some key is expected at a revision (not ABSENT) and written, the transaction can happen only once:
afterwards that key is at another revision, and no key ever returns to one. Such a transaction may be
sent again; call this key its anchor. If the second try then fails, the FIRST change of the anchor
after the expected revision tells everything. It is ours, and so the first try did happen; or it is
another's, and ours never will. "Ours" means: it wrote our value. Another client that wrote the very
same bytes from the very same revision cannot be told apart, but then the state is what we asked for.
A deletion carries no value to know it by, so there nobody knows.

A creation has no anchor: the key could be created by the lost try, deleted by somebody, and created
again by the second try, risen from the dead. It is sent once. If its answer is lost, one look decides:
our values are there, all at one revision newer than any we had seen (ours); otherwise nobody knows.

    anchor_of     may it be sent again?
    judge         what a failed comparison means after a lost answer
    seems_ours    what a look means after a lost answer
"""

from collections.abc import Mapping
from enum import Enum

from control_plane.store.contract import ABSENT, Change, Item
from proto.etcd import kv_pb2 as kv
from proto.etcd import rpc_pb2 as rpc

Expect = Mapping[str, int]
Write = Mapping[str, bytes | None]
Found = dict[str, Item | None]


def request(expect: Expect, write: Write) -> rpc.TxnRequest:
    compares = [
        rpc.Compare(
            result=rpc.Compare.EQUAL,
            target=rpc.Compare.MOD,
            key=key.encode(),
            mod_revision=revision,  # etcd too says 0 of a key that is not there
        )
        for key, revision in expect.items()
    ]
    return rpc.TxnRequest(
        compare=compares,
        success=[_operation(key, value) for key, value in write.items()],
        failure=[_look(key) for key in expect],
    )


def look(keys: list[str]) -> rpc.TxnRequest:
    """Reads the keys at one moment."""
    return rpc.TxnRequest(success=[_look(key) for key in keys])


def _operation(key: str, value: bytes | None) -> rpc.RequestOp:
    if value is None:
        return rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key=key.encode()))
    return rpc.RequestOp(request_put=rpc.PutRequest(key=key.encode(), value=value))


def _look(key: str) -> rpc.RequestOp:
    return rpc.RequestOp(request_range=rpc.RangeRequest(key=key.encode()))


def found(keys: list[str], response: rpc.TxnResponse) -> Found:
    """What a response says the keys hold."""
    rows = [answer.response_range.kvs for answer in response.responses]
    return {key: item_of(kvs[0]) if kvs else None for key, kvs in zip(keys, rows, strict=True)}


def mismatches(expect: Expect, held: Found) -> Found:
    return {key: item for key, item in held.items() if revision_of(item) != expect[key]}


def item_of(row: kv.KeyValue) -> Item:
    return Item(row.key.decode(), row.value, row.mod_revision)


def revision_of(item: Item | None) -> int:
    return item.revision if item else ABSENT


def anchor_of(expect: Expect, write: Write) -> str | None:
    """The key that keeps the transaction from happening twice; one with a value, if there is one."""
    anchors = [key for key in write if expect.get(key, ABSENT) != ABSENT]
    return next((key for key in anchors if write[key] is not None), next(iter(anchors), None))


class Judgement(Enum):
    OURS = "the lost try happened"
    CONFLICT = "it did not, and never will"
    UNKNOWN = "nobody knows"


def judge(
    expect: Expect, write: Write, anchor: str, first: Change | None, wrong: Found
) -> Judgement:
    """What happened, given the first change of the anchor after its expected revision, if any."""
    if first is None:  # the lost try has not happened; another key is in its way
        for_ever = any(expect[key] != ABSENT for key in wrong)
        return Judgement.CONFLICT if for_ever else Judgement.UNKNOWN
    if first.value != write[anchor]:
        return Judgement.CONFLICT
    return Judgement.UNKNOWN if first.value is None else Judgement.OURS


def seems_ours(write: Write, held: Found, newer_than: int) -> int | None:
    """The revision of the lost try, if what the keys hold now shows that it happened."""
    written = {revision_of(held[key]) for key, value in write.items() if value is not None}
    as_written = all((item.value if item else None) == write[key] for key, item in held.items())
    if as_written and len(written) == 1 and (revision := written.pop()) > newer_than:
        return revision
    return None
