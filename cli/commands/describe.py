"""`helmling describe`: an object, what belongs to it, and what happened to it, for people.

This module reads; cli/describe/ makes the lines.
"""

from typing import Any

from api import services
from api.errors import Forbidden, NotFound
from api.kinds import Kind, find
from cli.command import Command, Session
from cli.commands.events import about, section
from cli.errors import UsageError
from cli.flags import switch
from cli.manifests import FILENAME, RECURSIVE, from_flags
from cli.resources import (
    ALL_NAMESPACES,
    CHUNK_SIZE,
    FIELD_SELECTOR,
    SELECTOR,
    Wanted,
    nothing_found,
    scope,
    wanted,
)
from cli.writing import settle

LEASES = "kube-node-lease"


def run(session: Session) -> int | None:
    code, shown = 0, 0
    for kind, obj in _objects(session):
        if isinstance(obj, NotFound):
            session.warn(f"Error from server (NotFound): {obj.message}")
            code = 1
            continue
        if shown:
            session.say("\n")
        session.say("\n".join(lines(session, kind, obj)))
        shown += 1
    if not shown and code == 0:
        session.warn(nothing_found(session))
    return code


def lines(session: Session, kind: Kind, obj: Any) -> list[str]:
    """The description of one object."""
    told = _described(session, kind, obj)
    if session.flags.on("show-events") and kind.name != "Event":
        told += _events(session, kind, obj.metadata)
    return told


def _events(session: Session, kind: Kind, meta: Any) -> list[str]:
    """The object is worth telling even to those who may not see what happened to it."""
    try:
        found = about(session.server, meta.namespace, kind.name, meta.name, _uid(kind, meta))
    except Forbidden as error:
        return [f"Events:  <not shown: {error.message}>"]
    return section(found)


def _uid(kind: Kind, meta: Any) -> str:
    """A node's events name it by its name, because those who report may never have seen the object."""
    return "" if kind.name == "Node" else str(meta.uid)


def _described(session: Session, kind: Kind, obj: Any) -> list[str]:
    if kind.name == "Pod":
        from cli.describe.pod import describe_pod

        return describe_pod(obj)
    if kind.name == "Node":
        return _node(session, obj)
    if kind.name == "Namespace":
        return _namespace(session, obj)
    if kind.name == "Service":
        return _service(session, obj)
    if kind.name in ("ReplicaSet", "Deployment", "StatefulSet", "DaemonSet"):
        return _workload(session, kind, obj)
    from cli.describe import access, autoscaling, batch, budget, config, network, others, quota

    forms = {
        "Job": batch.describe_job,
        "CronJob": batch.describe_cronjob,
        "HorizontalPodAutoscaler": autoscaling.describe_autoscaler,
        "PodDisruptionBudget": budget.describe_budget,
        "ResourceQuota": quota.describe_quota,
        "LimitRange": quota.describe_limits,
        "ConfigMap": config.describe_config_map,
        "Secret": config.describe_secret,
        "EndpointSlice": network.describe_slice,
        "Ingress": network.describe_ingress,
        "IngressClass": network.describe_class,
        "NetworkPolicy": network.describe_policy,
        "Event": others.describe_event,
        "Lease": others.describe_lease,
        "ServiceAccount": access.describe_account,
        "Role": access.describe_role,
        "ClusterRole": access.describe_role,
        "RoleBinding": access.describe_binding,
        "ClusterRoleBinding": access.describe_binding,
    }
    return forms.get(kind.name, others.describe_any)(obj)


def _namespace(session: Session, namespace: Any) -> list[str]:
    """With what its objects may have."""
    from cli.describe import others, quota

    told = others.describe_namespace(namespace)
    for word, add in (("resourcequotas", quota.of_namespace), ("limitranges", quota.bounds)):
        kind = find(word)
        assert kind is not None
        listed, _ = session.server.list(kind, namespace.metadata.name)
        told += ["", *add(listed)]
    return told


def _service(session: Session, service: Any) -> list[str]:
    """With who stands behind it, and who does not and why."""
    from cli.describe import network

    return network.describe_service(service, *behind_service(session, service))


def behind_service(session: Session, service: Any) -> tuple[list[Any], list[Any]]:
    """Its EndpointSlices, and the pods that it selects."""
    slices, pods = find("endpointslices"), find("pods")
    assert slices is not None
    assert pods is not None
    meta = service.metadata
    mine = f"{services.SERVICE_NAME}={meta.name}"
    found = list(session.server.list(slices, meta.namespace, labels=mine)[0])
    if not service.spec.selector:
        return found, []
    chosen = ",".join(f"{key}={value}" for key, value in service.spec.selector.items())
    return found, list(session.server.list(pods, meta.namespace, labels=chosen)[0])


def _workload(session: Session, kind: Kind, obj: Any) -> list[str]:
    """With what it has made: its pods, or its ReplicaSets."""
    from api.selectors import labels_from
    from cli.describe import stateful, workloads

    describe, below = {
        "ReplicaSet": (workloads.describe_replicaset, "pods"),
        "Deployment": (workloads.describe_deployment, "replicasets"),
        "StatefulSet": (stateful.describe_statefulset, "pods"),
        "DaemonSet": (workloads.describe_daemonset, "pods"),
    }[kind.name]
    made = find(below)
    assert made is not None
    chosen = str(labels_from(obj.spec.selector))
    listed, _ = session.server.list(made, obj.metadata.namespace, labels=chosen)
    return describe(obj, workloads.controlled_by(obj, listed))


def _node(session: Session, node: Any) -> list[str]:
    from cli.describe.node import describe_node

    pods_kind, lease_kind = find("pods"), find("leases")
    assert pods_kind is not None
    assert lease_kind is not None
    name = node.metadata.name
    pods, _ = session.server.list(pods_kind, fields=f"spec.nodeName={name}")
    try:
        lease = session.server.get(lease_kind, name, LEASES)
    except NotFound:
        lease = None
    return describe_node(node, pods, lease)


Found = tuple[Kind, Any]  # the object, or a NotFound


def _objects(session: Session) -> list[Found]:
    if session.flags.many("filename"):
        manifests = from_flags(session.flags)
        settle(session, manifests)
        return [_one(session, m.kind, m.namespace, m.name) for m in manifests]
    wants = wanted(session.args)
    if not wants:
        raise UsageError(
            "You must specify the type of resource to describe: helmling describe pod web"
        )
    return [found for want in wants for found in _expand(session, want)]


def _expand(session: Session, want: Wanted) -> list[Found]:
    """As with kubectl, a name that is none may be the beginning of several."""
    namespace, flags = scope(session, want.kind), session.flags
    if not want.names:
        listed, _ = session.server.list(
            want.kind, namespace, labels=flags.text("selector"), fields=flags.text("field-selector")
        )
        return [(want.kind, obj) for obj in listed]
    found: list[Found] = []
    for name in want.names:
        exact = _one(session, want.kind, namespace, name)
        if isinstance(exact[1], NotFound):
            listed, _ = session.server.list(want.kind, namespace)
            similar = [(want.kind, obj) for obj in listed if obj.metadata.name.startswith(name)]
            found += similar or [exact]
        else:
            found.append(exact)
    return found


def _one(session: Session, kind: Kind, namespace: str, name: str) -> Found:
    try:
        return kind, session.server.get(kind, name, namespace)
    except NotFound as error:
        return kind, error


DESCRIBE = Command(
    usage="describe (-f FILENAME | TYPE [NAME_PREFIX | -l label] | TYPE/NAME) [flags]",
    about="Show details of a specific resource or group of resources, with the events that are about "
    "it.\n\nA name may also be the "
    "beginning of the names of several.",
    examples="""  # A pod
  helmling describe pod web

  # A node: what it has, what its pods have asked for
  helmling describe node n1

  # All pods of an app
  helmling describe pods -l app=web""",
    run=run,
    flags=(
        FILENAME,
        RECURSIVE,
        SELECTOR,
        FIELD_SELECTOR,
        ALL_NAMESPACES,
        CHUNK_SIZE,
        switch("show-events", "Also show the events that are about it.", default=True),
    ),
    complete="resources",
)
