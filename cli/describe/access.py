"""Roles, bindings and ServiceAccounts in words."""

from collections.abc import Iterable
from typing import Any

from cli.describe.lines import NONE, Field, fields, identity, marks, table


def describe_role(role: Any) -> list[str]:
    """The rules as a table: one line for each resource, verbs put together."""
    meta = role.metadata
    lines = fields([*_names(meta), *marks(meta)])
    head = ["Resources", "Non-Resource URLs", "Resource Names", "Verbs"]
    return [*lines, "PolicyRule:", *table(head, _rules(role.rules))]


def _names(meta: Any) -> list[Any]:
    return identity(meta, namespaced=bool(meta.namespace))


def _rules(rules: Iterable[Any]) -> list[list[str]]:
    verbs: dict[tuple[str, str, str], dict[str, None]] = {}
    for rule in rules:
        names = _words(rule.resourceNames)
        for group in rule.apiGroups:
            for resource in rule.resources:
                full = f"{resource}.{group}" if group else resource
                verbs.setdefault((full, "[]", names), {}).update(dict.fromkeys(rule.verbs))
        for url in rule.nonResourceURLs:
            verbs.setdefault(("", _words([url]), "[]"), {}).update(dict.fromkeys(rule.verbs))
    return sorted([*place, _words(said)] for place, said in verbs.items())


def _words(words: Iterable[str]) -> str:
    return f"[{' '.join(words)}]"


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
