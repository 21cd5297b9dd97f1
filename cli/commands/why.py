"""`helmling why`: who can get at a Secret; why a pod does not run, or why there are fewer than there should be.

This module reads; cli/why/ judges. What the caller may not list is missing in the answer, so the answer says so.
"""

from typing import Any

from api.errors import Forbidden
from api.kinds import Kind, find
from cli.command import Command, Session
from cli.commands.events import about
from cli.errors import UsageError
from cli.resources import scope, wanted

WORKLOADS = ("deployments", "statefulsets", "daemonsets", "replicasets", "jobs", "cronjobs")
FINE = ("Nothing is wrong", "It has done its work")
MAKERS = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job")


def run(session: Session) -> int | None:
    wants = wanted(session.args)
    if len(wants) != 1 or len(wants[0].names) != 1:
        raise UsageError(
            "why is asked of one object: helmling why pod/web, helmling why secret/keys"
        )
    [want] = wants
    namespace, [name] = scope(session, want.kind), want.names
    obj = session.server.get(want.kind, name, namespace)
    if want.kind.name == "Secret":
        told = exposed(session, namespace, name)
    elif want.kind.name == "Pod":
        told = _pod(session, want.kind, obj)
    elif want.kind.name == "Service":
        told = _service(session, obj)
    elif want.kind.name in MAKERS:
        told = _maker(session, want.kind, obj)
    else:
        raise UsageError(
            f"why has no answer about {want.kind.plural}: it knows pods, what makes pods, services, and secrets"
        )
    session.say("\n".join(told).rstrip())
    return 0


def _listed(session: Session, word: str, namespace: str = "") -> list[Any]:
    """Raises nothing: what may not be listed is said to be missing."""
    kind = find(word)
    assert kind is not None
    try:
        return list(session.server.list(kind, namespace)[0])
    except Forbidden as refused:
        session.warn(f"Warning: this answer is incomplete: {refused.message}")
        return []


def exposed(session: Session, namespace: str, name: str) -> list[str]:
    """Who can get at a Secret, in lines."""
    from cli.why.exposure import World, exposure, lines

    world = World(  # roles and bindings of all namespaces: a token of an account there may be the way in
        roles=_listed(session, "roles"),
        cluster_roles=_listed(session, "clusterroles"),
        bindings=_listed(session, "rolebindings"),
        cluster_bindings=_listed(session, "clusterrolebindings"),
        pods=_listed(session, "pods", namespace),
        workloads=[each for word in WORKLOADS for each in _listed(session, word, namespace)],
    )
    return lines(exposure(world, namespace, name))


def _pod(session: Session, kind: Kind, pod: Any) -> list[str]:
    from cli.why.pod import reasons

    meta = pod.metadata
    return reasons(pod, about(session.server, meta.namespace, kind.name, meta.name, meta.uid))


def _service(session: Session, service: Any) -> list[str]:
    """Why nobody answers there, or not everybody."""
    from cli.commands.describe import behind_service
    from cli.why.service import reasons

    slices, pods = behind_service(session, service)
    events = {pod.metadata.uid: _events(session, "Pod", pod) for pod in pods}
    return reasons(service, slices, pods, events)


def _maker(session: Session, kind: Kind, owner: Any) -> list[str]:
    """What kept it from making pods, and what keeps its pods from running."""
    from cli.why.pod import missing

    meta = owner.metadata
    told = missing(owner, about(session.server, meta.namespace, kind.name, meta.name, meta.uid))
    if kind.name == "Deployment":
        for each in _children(session, "replicasets", owner):
            told += missing(each, _events(session, "ReplicaSet", each))
            told += _of_pods(session, each)
    told += _of_pods(session, owner)
    return list(dict.fromkeys(told)) or ["Nothing is wrong: all of its pods are there, and ready."]


def _of_pods(session: Session, owner: Any) -> list[str]:
    from cli.why.pod import reasons

    told = []
    for pod in _children(session, "pods", owner):
        found = reasons(pod, _events(session, "Pod", pod))
        if not found[0].startswith(FINE):
            told.append(f"Pod {pod.metadata.name}: {' '.join(found)}")
    return told


def _children(session: Session, word: str, owner: Any) -> list[Any]:
    return [
        each
        for each in _listed(session, word, owner.metadata.namespace)
        if any(
            ref.uid == owner.metadata.uid and ref.controller
            for ref in each.metadata.ownerReferences
        )
    ]


def _events(session: Session, kind: str, obj: Any) -> list[Any]:
    return about(session.server, obj.metadata.namespace, kind, obj.metadata.name, obj.metadata.uid)


WHY = Command(
    usage="why TYPE/NAME [flags]",
    about="Say why, in plain words.\n\nOf a secret: who can get at it, and by which path. Of a pod that does not run: "
    "what stands in its way. Of what makes pods: why there are fewer than there should be. Of a service: who does not "
    "stand behind it.",
    examples="""  # Who can read this secret, through which binding and role; in which pods and on which nodes it is
  helmling why secret/keys

  # Why a pod is Pending, or restarts
  helmling why pod/web

  # Why a deployment has too few pods: quotas, policies, images, nodes
  helmling why deployment/web

  # Why nobody answers at a service
  helmling why service/web""",
    run=run,
    complete="resources",
)
