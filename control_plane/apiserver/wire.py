"""Messages put together from bytes that are there already, without decoding anything.

What the store holds is a serialised object whose resourceVersion is empty: the version is the store's revision, and
nobody knows it before the write. It is added on the way out. Two serialised messages, one after the other, are the
serialised message that merges both; so appending the few bytes of `metadata {resourceVersion: "123"}` stamps an
object. In the same way a list, an event and a batch of events are frames around bytes at hand. An object is
serialised once in its life, however many clients read it.

The layout of these frames is the protobuf encoding (https://protobuf.dev/programming-guides/encoding): a field is
its tag (number * 8 + 2 for anything with a length), the length, the content.
"""

from functools import lru_cache

from google.protobuf.any_pb2 import Any as Envelope

from proto.v1 import cluster_pb2, meta_pb2, pod_pb2, service_pb2

LENGTH_DELIMITED = 2


def varint(number: int) -> bytes:
    """A length, seven bits to the byte, the lowest first."""
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _tag(message: type, field: str) -> bytes:
    number = message.DESCRIPTOR.fields_by_name[field].number  # type: ignore[attr-defined]
    return varint(number << 3 | LENGTH_DELIMITED)


_METADATA = _tag(pod_pb2.Pod, "metadata")
assert _tag(cluster_pb2.Namespace, "metadata") == _METADATA  # the same in every kind
_VERSION = _tag(meta_pb2.ObjectMeta, "resourceVersion")
_URL, _VALUE = _tag(Envelope, "type_url"), _tag(Envelope, "value")
_ITEM = _tag(service_pb2.ListResponse, "items")
_LIST_METADATA = _tag(service_pb2.ListResponse, "metadata")
_EVENT = _tag(service_pb2.WatchBatch, "events")
_TYPE, _OBJECT = _tag(service_pb2.WatchEvent, "type"), _tag(service_pb2.WatchEvent, "object")


def stamp(revision: int) -> bytes:
    """To be appended to a serialised object: `metadata {resourceVersion}`."""
    digits = b"%d" % revision
    field = _VERSION + varint(len(digits)) + digits
    return _METADATA + varint(len(field)) + field


@lru_cache(maxsize=256)
def _url(type_url: str) -> bytes:
    return _URL + varint(len(type_url)) + type_url.encode() + _VALUE


def envelope(type_url: str, value: bytes, revision: int) -> bytes:
    """A stamped object as google.protobuf.Any. Revision 0: not stamped (it was never stored)."""
    version = stamp(revision) if revision else b""
    return b"".join((_url(type_url), varint(len(value) + len(version)), value, version))


def listing(metadata: bytes, envelopes: list[bytes]) -> bytes:
    """A ListResponse of serialised parts."""
    parts = [_LIST_METADATA, varint(len(metadata)), metadata]
    for each in envelopes:
        parts += (_ITEM, varint(len(each)), each)
    return b"".join(parts)


def event(type: str, envelope: bytes) -> bytes:
    """A WatchEvent as one element of a WatchBatch; joined, such elements are a batch."""
    length = varint(len(envelope))
    body = len(_TYPE) + 1 + len(type) + len(_OBJECT) + len(length) + len(envelope)
    head = (_EVENT, varint(body), _TYPE, varint(len(type)), type.encode())
    return b"".join((*head, _OBJECT, length, envelope))
