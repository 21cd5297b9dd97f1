"""What of a workload's ConfigMaps and Secrets has changed, and what follows. Pure.

What was seen last is noted in an annotation of the workload, one fingerprint for each object. Only a change from what
was noted begins a rollout, so neither asking for the service nor a `rollout undo` does. What is named for the first
time is noted and no more, and so is an object that its pods were waiting for: they have not started with anything else.

A fingerprint of a password could be compared with those of all likely passwords, by everybody who may read the
workload. So it is keyed with the object's uid, which only those know who may read the object itself.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from api.configrefs import Content, Reference, named
from proto.v1.apps_pb2 import DaemonSet, Deployment, StatefulSet
from proto.v1.config_pb2 import ConfigMap

Workload = Deployment | StatefulSet | DaemonSet
Found = Mapping[Reference, Content | None]  # None: there is none of that name

WANTED = "helmling.dev/restart-on-config-change"
SEEN = "helmling.dev/config-seen"  # on the workload: `configmap/settings=1f0c…,secret/keys=…`
HASH = "helmling.dev/config-hash"  # on the template: makes it another one
ABSENT = "-"
_LETTERS = 16  # of a fingerprint


@dataclass(frozen=True)
class Decision:
    """What the workload's notes are to say, and why it is to begin anew."""

    seen: str  # "": no note
    changed: tuple[str, ...] = field(default=())  # `configmap "settings"`; empty: no rollout
    hash: str = ""


def is_wanted(workload: Workload) -> bool:
    return workload.metadata.annotations.get(WANTED) == "true"


def references(workload: Workload) -> dict[Reference, bool]:
    """What its pods read, and whether they start without it."""
    return named(workload.spec.template.spec, workload.metadata.namespace)


def plan(workload: Workload, found: Found) -> Decision:
    """`found` has an entry for each of the workload's references."""
    noted = workload.metadata.annotations.get(SEEN, "")
    if not is_wanted(workload):
        return Decision("")
    wanted, before = references(workload), _read(noted)
    if noted and any(found.get(each) is None for each in wanted if not wanted[each]):
        return Decision(noted)  # a new pod could not start: wait until everything is there
    after, changed = {}, []
    for reference in sorted(wanted):
        key, content = _key(reference), found.get(reference)
        last = before.get(key)
        after[key] = fingerprint(content) if content is not None else last or ABSENT
        appeared = last == ABSENT and wanted[reference]
        if last is not None and after[key] != last and (last != ABSENT or appeared):
            changed.append(str(reference))
    seen = ",".join(f"{key}={value}" for key, value in sorted(after.items()))
    digest = hashlib.sha256(seen.encode()).hexdigest()[:_LETTERS] if changed else ""
    return Decision(seen, tuple(changed), digest)


def fingerprint(content: Content) -> str:
    """The same for the same content of the same object, and no help for guessing it."""
    told = hmac.new(content.metadata.uid.encode(), digestmod=hashlib.sha256)
    values = {key: content.data[key] for key in content.data}
    binary = dict(content.binaryData) if isinstance(content, ConfigMap) else {}
    for part in (values, binary):
        told.update(b"%d;" % len(part))
        for key in sorted(part):
            value = part[key]
            raw = value if isinstance(value, bytes) else value.encode()
            told.update(b"%d:%d:" % (len(key), len(raw)) + key.encode() + raw)
    return told.hexdigest()[:_LETTERS]


def _key(reference: Reference) -> str:
    return f"{reference.kind.lower()}/{reference.name}"


def _read(noted: str) -> dict[str, str]:
    """What is not of our form counts as never seen."""
    pairs = (each.partition("=") for each in noted.split(","))
    return {key: value for key, sign, value in pairs if sign}
