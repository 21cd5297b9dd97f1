"""From names to what runs: which container, or which sandbox, a stream is about."""

from collections.abc import Callable, Iterable

from api.errors import BadRequest, NotFound
from node_agent.pods import fate
from node_agent.pods.view import View
from node_agent.runtime.model import ContainerStatus, Sandbox
from proto.v1.service_pb2 import ContainerTarget

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"  # an annotation


class Targets:
    """`views` are the pods of this node, as they are now."""

    def __init__(self, views: Callable[[], Iterable[View]]) -> None:
        self._views = views

    def sandbox(self, namespace: str, name: str) -> Sandbox:
        """Raises NotFound, BadRequest."""
        view = self._view(namespace, name)
        if view.sandbox is None or not view.sandbox_ready:
            raise BadRequest(f'pod "{name}" is not running: it has no network to connect to')
        return view.sandbox

    def running(self, target: ContainerTarget) -> ContainerStatus:
        """Raises NotFound, BadRequest."""
        view = self._view(target.namespace, target.pod)
        name = self._name(view, target)
        run = view.latest(name)
        if run is None or run.state != "running":
            raise BadRequest(f'container "{name}" in pod "{target.pod}" is not running')
        return run

    def logged(self, target: ContainerTarget, *, previous: bool) -> ContainerStatus:
        """The run whose log is meant. Raises NotFound, BadRequest."""
        view = self._view(target.namespace, target.pod)
        name = self._name(view, target)
        runs = [run for run in view.runs_of(name) if run.state != "created"]
        if not previous:
            if runs:
                return runs[-1]
            if view.pod.status.phase in ("Succeeded", "Failed"):
                raise BadRequest(
                    f'container "{name}" in pod "{target.pod}" has ended, and its log is gone with it'
                )
            raise BadRequest(f'container "{name}" in pod "{target.pod}" is waiting to start')
        ended = [run for run in runs if run.state == "exited"]
        if ended and ended[-1] is runs[-1] and not fate.run_awaits_restart(view, ended[-1]):
            ended.pop()  # it is the present one, for good
        if not ended:
            raise BadRequest(
                f'previous terminated container "{name}" in pod "{target.pod}" not found'
            )
        return ended[-1]

    def _view(self, namespace: str, name: str) -> View:
        for view in self._views():
            meta = view.pod.metadata
            if meta.name == name and meta.namespace == namespace:
                return view
        raise NotFound(f'pod "{namespace}/{name}" is not on this node')

    def _name(self, view: View, target: ContainerTarget) -> str:
        """The one asked for; the one marked as the usual one; the first."""
        pod = view.pod
        marked = pod.metadata.annotations.get(DEFAULT_CONTAINER, "")
        name = target.container or marked or pod.spec.containers[0].name
        if view.container(name) is None:
            known = " ".join(c.name for c in (*pod.spec.containers, *pod.spec.initContainers))
            raise BadRequest(
                f"container {name} is not valid for pod {pod.metadata.name}, "
                f"choose one of: [{known}]"
            )
        return name
