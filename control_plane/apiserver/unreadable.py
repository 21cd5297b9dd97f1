"""What stands in for an object that encryption at rest has sealed and no key opens (store/contract.py::Unreadable).

Whoever means that one object (get, update, patch, a list or watch of that name) is told what is wrong, and gets
nothing that could be taken for its content. A list of many shows it by name, with an annotation that says why there
is no more, beside all the others. It can be deleted: nobody can know what else it waits for, so it goes at once.
"""

from api.errors import Internal
from api.kinds import Kind
from control_plane.store.contract import Item, Unreadable
from proto.v1.meta_pb2 import ObjectMeta

ANNOTATION = "helmling.dev/unreadable"


def stand_in(kind: Kind, key: str, value: Unreadable) -> bytes:
    """A serialised object of the kind: its name, and why there is no more of it."""
    namespace, _, name = key.removeprefix(kind.prefix).rpartition("/")
    meta = ObjectMeta(name=name, namespace=namespace, annotations={ANNOTATION: value.why})
    obj = kind.message(apiVersion=kind.api_version, kind=kind.name, metadata=meta)
    return bytes(obj.SerializeToString())


def refusal(why: str) -> Internal:
    return Internal(why)


def opened(item: Item) -> bytes:
    """The object's bytes, for whoever must not decide without them. Raises Internal."""
    if isinstance(item.value, Unreadable):
        raise refusal(item.value.why)
    return item.value
