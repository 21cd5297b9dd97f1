"""What there is: groups, versions, resources and their verbs, in the old form and in the aggregated one. Pure.

Everything follows from the table of kinds (api/kinds.py) and from what each kind's Strategy offers, so a new kind is
found by kubectl without a line in here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from api import kinds
from api.kinds import KINDS, REVIEWS, Kind
from control_plane.apiserver.kinds import STRATEGIES

READ = ("get", "list")
ALL = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
PART = ("get", "patch", "update")


@dataclass(frozen=True, slots=True)
class Part:
    """A subresource: what is written there, and how."""

    name: str
    verbs: tuple[str, ...]
    kind: str
    group: str = ""
    version: str = ""


# Of pods and ServiceAccounts; everybody else's follow from the kinds.
PARTS: dict[str, tuple[Part, ...]] = {
    "pods": (
        Part("attach", ("create", "get"), "PodAttachOptions", "", "v1"),
        Part("binding", ("create",), "Binding", "", "v1"),
        Part("eviction", ("create",), "Eviction", "policy", "v1"),
        Part("exec", ("create", "get"), "PodExecOptions", "", "v1"),
        Part("log", ("get",), "Pod", "", "v1"),
        Part("portforward", ("create", "get"), "PodPortForwardOptions", "", "v1"),
    ),
    "serviceaccounts": (Part("token", ("create",), "TokenRequest", "authentication.k8s.io", "v1"),),
}


def verbs(kind: Kind) -> tuple[str, ...]:
    if kind in REVIEWS:
        return ("create",)
    return ALL if kind.stored else READ


def parts(kind: Kind) -> Iterator[Part]:
    """The subresources of a kind."""
    strategy = STRATEGIES.get(kind)
    if strategy is not None and strategy.prepare_approval:
        yield Part("approval", PART, kind.name, kind.group, kind.version)
    if strategy is not None and strategy.prepare_finalize:
        yield Part("finalize", ("update",), kind.name, kind.group, kind.version)
    if kind.scale:
        yield Part("scale", PART, "Scale", kinds.SCALE.group, kinds.SCALE.version)
    if kind.status and kind.stored:
        yield Part("status", PART, kind.name, kind.group, kind.version)
    if kind.stored and kind.group == "":
        yield from PARTS.get(kind.plural, ())


def groups() -> dict[str, dict[str, list[Kind]]]:
    """Group to version to kinds, in the order in which Kubernetes' tools look a word up: the core first."""
    found: dict[str, dict[str, list[Kind]]] = {}
    for kind in (*KINDS, *REVIEWS):
        found.setdefault(kind.group, {}).setdefault(kind.version, []).append(kind)
    return found


def _version(group: str, version: str) -> str:
    return f"{group}/{version}" if group else version


# The old form


def core_versions(address: str) -> dict[str, Any]:
    where = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": where}


def group_list() -> dict[str, Any]:
    made = [_group(name, tuple(versions)) for name, versions in groups().items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": made}


def group(name: str) -> dict[str, Any] | None:
    versions = groups().get(name) if name else None
    return (
        {"kind": "APIGroup", "apiVersion": "v1", **_group(name, tuple(versions))}
        if versions
        else None
    )


def _group(name: str, versions: tuple[str, ...]) -> dict[str, Any]:
    told = [{"groupVersion": _version(name, version), "version": version} for version in versions]
    return {"name": name, "versions": told, "preferredVersion": told[0]}


def resource_list(group: str, version: str) -> dict[str, Any] | None:
    found = groups().get(group, {}).get(version)
    if found is None:
        return None
    rows = [row for kind in found for row in _rows(kind)]
    about = _version(group, version)
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": about, "resources": rows}


def _rows(kind: Kind) -> Iterator[dict[str, Any]]:
    row: dict[str, Any] = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.name,
        "verbs": verbs(kind),
    }
    if kind.short:
        row["shortNames"] = kind.short
    if kind.categories:
        row["categories"] = kind.categories
    yield row
    for part in parts(kind):
        row = {
            "name": f"{kind.plural}/{part.name}",
            "singularName": "",
            "namespaced": kind.namespaced,
        }
        if (part.group, part.version) != (kind.group, kind.version):
            row |= {"group": part.group, "version": part.version}
        yield {**row, "kind": part.kind, "verbs": part.verbs}


# The aggregated form: everything in one answer


def aggregated(*, core: bool, version: str) -> dict[str, Any]:
    items = [
        {"metadata": {"name": name} if name else {}, "versions": _described(name, versions)}
        for name, versions in groups().items()
        if bool(name) != core
    ]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def _described(group: str, versions: dict[str, list[Kind]]) -> list[dict[str, Any]]:
    return [
        {
            "version": version,
            "resources": [_resource(kind) for kind in found],
            "freshness": "Current",
        }
        for version, found in versions.items()
    ]


def _resource(kind: Kind) -> dict[str, Any]:
    row: dict[str, Any] = {
        "resource": kind.plural,
        "responseKind": _kind(kind.group, kind.version, kind.name),
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": verbs(kind),
    }
    if kind.short:
        row["shortNames"] = kind.short
    if kind.categories:
        row["categories"] = kind.categories
    inner = [
        {
            "subresource": part.name,
            "responseKind": _kind(part.group, part.version, part.kind),
            "verbs": part.verbs,
        }
        for part in parts(kind)
    ]
    return row | ({"subresources": inner} if inner else {})


def _kind(group: str, version: str, name: str) -> dict[str, str]:
    return {"group": group, "version": version, "kind": name}
