"""The hands of the rollout on a change of configuration: read, compare, note, begin anew."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from api import controller, kinds
from api.client import Client
from api.configrefs import Content, Reference
from api.informer import Informer, Informers
from api.recorder import Recorder
from api.workqueue import WorkQueue
from control_plane.controllers.configrollout import plan as decisions
from control_plane.controllers.configrollout.plan import Decision, Workload, plan
from proto.v1.apps_pb2 import DaemonSet, Deployment, StatefulSet
from proto.v1.config_pb2 import ConfigMap, Secret

QUIET = 1.0  # seconds: what is changed together makes one rollout
BY_REFERENCE = "config-reference"
KINDS: dict[str, type[Any]] = {
    "Deployment": Deployment,
    "StatefulSet": StatefulSet,
    "DaemonSet": DaemonSet,
}
CONTENTS: dict[str, type[Any]] = {"ConfigMap": ConfigMap, "Secret": Secret}


@dataclass
class ConfigRollouts:
    client: Client
    informers: Informers
    recorder: Recorder
    queue: WorkQueue = field(default_factory=WorkQueue)  # "Deployment default/web"

    def __post_init__(self) -> None:
        self._workloads: dict[str, Informer[Any]] = {
            name: self.informers.of(kind) for name, kind in KINDS.items()
        }
        self._contents: dict[str, Informer[Any]] = {
            name: self.informers.of(kind) for name, kind in CONTENTS.items()
        }
        for informer in self._workloads.values():
            informer.add_index(BY_REFERENCE, _named_by)

    def listen(self) -> None:
        for informer in self._workloads.values():
            informer.add_handler(self._on_workload)
        for informer in self._contents.values():
            informer.add_handler(self._on_content)

    def _on_workload(self, _: Workload | None, new: Workload | None) -> None:
        if new is not None:
            noted = decisions.SEEN in new.metadata.annotations
            if noted or decisions.is_wanted(new):
                self.queue.add(f"{new.kind} {kinds.object_key(new)}")

    def _on_content(self, old: Content | None, new: Content | None) -> None:
        named = _index_key(new or old)
        for kind, informer in self._workloads.items():
            for workload in informer.by_index(BY_REFERENCE, named):
                self.queue.add_later(f"{kind} {kinds.object_key(workload)}", QUIET)

    async def reconcile(self, key: str) -> float | None:
        kind, _, name = key.partition(" ")
        workload = self._workloads[kind].objects.get(name)
        if workload is None or workload.metadata.HasField("deletionTimestamp"):
            return None
        found = {each: self._content(each) for each in decisions.references(workload)}
        await self._carry_out(workload, plan(workload, found))
        return None

    def _content(self, reference: Reference) -> Content | None:
        key = f"{reference.namespace}/{reference.name}"
        found: Content | None = self._contents[reference.kind].objects.get(key)
        return found

    async def _carry_out(self, workload: Workload, decision: Decision) -> None:
        """On the base of what was read: note and rollout are one write, so that none is without the other."""
        if decision.seen == workload.metadata.annotations.get(decisions.SEEN, ""):
            return
        copy: Any = type(workload)()
        copy.CopyFrom(workload)
        if decision.seen:
            copy.metadata.annotations[decisions.SEEN] = decision.seen
        else:
            copy.metadata.annotations.pop(decisions.SEEN, None)
        if decision.changed:
            copy.spec.template.metadata.annotations[decisions.HASH] = decision.hash
        await self.client.update(copy)
        if decision.changed:
            told = f"Rolling out, because of a change of {', '.join(decision.changed)}"
            self.recorder.event(workload, "Normal", "ConfigChanged", told)


def _named_by(workload: Workload) -> Iterable[str]:
    """An index function: what a workload that asks for it names."""
    if not decisions.is_wanted(workload):
        return ()
    return [f"{each.kind} {each.namespace}/{each.name}" for each in decisions.references(workload)]


def _index_key(content: Any) -> str:
    return f"{kinds.of(content).name} {kinds.object_key(content)}"


async def run(client: Client, informers: Informers, recorder: Recorder) -> None:
    """Until cancelled."""
    parts = ConfigRollouts(client, informers, recorder)
    await informers.wait_synced(*KINDS.values(), *CONTENTS.values())
    parts.listen()
    await controller.run(parts.queue, parts.reconcile, name="config-rollout")
