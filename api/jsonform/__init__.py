"""Objects as JSON, in Kubernetes' form: what manifests, patches and the HTTP gateway speak.

    to_json(message)             protobuf → dict        (write.py)
    from_json(type, value)       dict → protobuf, and everything that is wrong with it   (read.py)
    message_for(value)           which kind a document is   (lookup.py)

protobuf's own json_format would do for a toy: it takes 150–500 µs per pod, writes int64 as strings, keeps no
null, and stops at the first problem. Here each message type is planned once from its descriptor and then walked.
"""

from api.jsonform.lookup import message_for
from api.jsonform.read import from_json
from api.jsonform.write import to_json

__all__ = ["from_json", "message_for", "to_json"]
