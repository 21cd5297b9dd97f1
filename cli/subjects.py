"""`helmling set subject`: more users, groups and ServiceAccounts for a binding that is there."""

from typing import Any

from cli import rights
from cli.command import Session
from cli.errors import CommandError, UsageError
from cli.podtemplate import Fields

BINDINGS = ("RoleBinding", "ClusterRoleBinding")
FIELDS = ("kind", "apiGroup", "namespace", "name")


def wished(session: Session) -> list[dict[str, str]]:
    """Raises UsageError."""
    found = rights.subjects(session)
    if not found:
        raise UsageError("you must specify at least one value of user, group or serviceaccount")
    return found


def added(binding: Any, wishes: list[dict[str, str]]) -> Fields:
    """A patch; subjects are one list, which is replaced as a whole, so it holds only for the version that was read.

    Raises CommandError when the object is no binding.
    """
    if binding.kind not in BINDINGS:
        raise CommandError(
            f"setting subjects is only supported for RoleBindings and ClusterRoleBindings, not for {binding.kind}"
        )
    there = [
        {name: value for name in FIELDS if (value := getattr(each, name))}
        for each in binding.subjects
    ]
    new = [each for each in wishes if each not in there]
    version = binding.metadata.resourceVersion
    read = {"metadata": {"resourceVersion": version}} if version and new else {}
    return {**read, "subjects": [*there, *new]} if new else {}
