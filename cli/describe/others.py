"""Namespaces, events, leases, and any kind that has no words of its own yet."""

from typing import Any

from api.jsonform import to_json
from cli.describe.lines import UNSET, Field, fields, identity, marks, moment, table
from cli.output.yamlform import dump


def describe_namespace(namespace: Any) -> list[str]:
    rows = [*identity(namespace.metadata, namespaced=False), *marks(namespace.metadata)]
    lines = fields([*rows, ("Status", namespace.status.phase)])
    conditions = [[c.type, c.status, c.reason, c.message] for c in namespace.status.conditions]
    if conditions:
        lines += ["Conditions:", *table(["Type", "Status", "Reason", "Message"], conditions)]
    return lines


def describe_event(event: Any) -> list[str]:
    about = event.involvedObject
    rows: list[Field] = [
        *identity(event.metadata),
        *marks(event.metadata),
        (
            "Involved Object",
            f"{about.kind}/{about.name}{f' in {about.namespace}' if about.namespace else ''}",
        ),
        ("Type", event.type),
        ("Reason", event.reason),
        ("Message", event.message),
        ("Count", str(event.count or event.series.count or 1)),
        (
            "First Seen",
            moment(event.firstTimestamp if event.firstTimestamp.seconds else event.eventTime),
        ),
        (
            "Last Seen",
            moment(event.lastTimestamp if event.lastTimestamp.seconds else event.eventTime),
        ),
        ("From", event.reportingComponent or event.source.component),
        ("Instance", event.reportingInstance or event.source.host),
    ]
    return fields(rows)


def describe_lease(lease: Any) -> list[str]:
    spec = lease.spec
    duration = f"{spec.leaseDurationSeconds}s" if spec.HasField("leaseDurationSeconds") else UNSET
    rows: list[Field] = [
        *identity(lease.metadata),
        *marks(lease.metadata),
        ("Holder", spec.holderIdentity or UNSET),
        ("Duration", duration),
        ("Acquired", moment(spec.acquireTime)),
        ("Renewed", moment(spec.renewTime)),
        ("Transitions", str(spec.leaseTransitions)),
    ]
    return fields(rows)


def describe_any(obj: Any) -> list[str]:
    """Every field, as YAML."""
    return dump(to_json(obj)).rstrip("\n").split("\n")
