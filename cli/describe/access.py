"""Roles, bindings and ServiceAccounts in words."""

from collections.abc import Iterable
from itertools import product
from typing import Any

from cli.describe.lines import NONE, Field, fields, identity, marks, table

HEADER = ["Resources", "Non-Resource URLs", "Resource Names", "Verbs"]


def describe_role(role: Any) -> list[str]:
    """The rules as a table: one line for each resource, verbs put together."""
    meta = role.metadata
    lines = fields([*_names(meta), *marks(meta)])
    return [*lines, "PolicyRule:", *table(HEADER, rule_rows(role.rules, role.rules))]


def _names(meta: Any) -> list[Any]:
    return identity(meta, namespaced=bool(meta.namespace))


def rule_rows(rules: Iterable[Any], addresses: Iterable[Any]) -> list[list[str]]:
    """One row for each resource (or address) of each rule; the verbs of the same are put together."""
    verbs: dict[tuple[str, str, str], dict[str, None]] = {}
    for rule in rules:
        for group, resource in product(rule.apiGroups, rule.resources):
            full = f"{resource}.{group}" if group else resource
            place = (full, "[]", words(rule.resourceNames))
            verbs.setdefault(place, {}).update(dict.fromkeys(rule.verbs))
    for rule in addresses:
        for url in rule.nonResourceURLs:
            verbs.setdefault(("", words([url]), "[]"), {}).update(dict.fromkeys(rule.verbs))
    rows = [[*place, words(said)] for place, said in verbs.items()]
    return sorted(rows, key=lambda row: (row[0] == "", row))


def words(each: Iterable[str]) -> str:
    return f"[{' '.join(each)}]"


def describe_binding(binding: Any) -> list[str]:
    meta, role = binding.metadata, binding.roleRef
    lines = fields([*_names(meta), *marks(meta)])
    lines += ["Role:", f"  Kind:  {role.kind}", f"  Name:  {role.name}", "Subjects:"]
    subjects = [[each.kind, each.name, each.namespace] for each in binding.subjects]
    return [*lines, *table(["Kind", "Name", "Namespace"], subjects)]


def describe_account(account: Any) -> list[str]:
    meta = account.metadata
    pulls = ", ".join(each.name for each in account.imagePullSecrets) or NONE
    secrets = ", ".join(each.name for each in account.secrets) or NONE
    mounted = "yes"
    if account.HasField("automountServiceAccountToken"):
        mounted = "yes" if account.automountServiceAccountToken else "no"
    rows: list[Field] = [
        ("Image pull secrets", pulls),
        ("Mountable secrets", secrets),
        ("Token in pods", mounted),
    ]
    return fields([*_names(meta), *marks(meta), *rows])
