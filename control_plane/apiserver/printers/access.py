"""The rows of roles, bindings and ServiceAccounts, as kubectl prints them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from control_plane.apiserver.printers.cells import AGE, NAME, UNKNOWN, age
from control_plane.apiserver.strategy import Cell, Column
from proto.v1.authentication_pb2 import ServiceAccount

ACCOUNT_COLUMNS = (
    NAME,
    Column("Secrets", "integer", description="How many Secrets are listed in it."),
    AGE,
)
ROLE_COLUMNS = (NAME, Column("Created At", description="When the object was created."))
BINDING_COLUMNS = (
    NAME,
    Column("Role", description="What is given."),
    AGE,
    Column("Users", wide=True, description="The users who get it."),
    Column("Groups", wide=True, description="The groups that get it."),
    Column("ServiceAccounts", wide=True, description="The ServiceAccounts that get it."),
)


def account_row(account: ServiceAccount, now: datetime) -> Sequence[Cell]:
    meta = account.metadata
    return meta.name, len(account.secrets), age(meta.creationTimestamp, now)


def role_row(role: Any, now: datetime) -> Sequence[Cell]:
    meta, made = role.metadata, UNKNOWN
    if meta.HasField("creationTimestamp"):
        made = f"{meta.creationTimestamp.ToDatetime(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return meta.name, made


def binding_row(binding: Any, now: datetime) -> Sequence[Cell]:
    meta, role, subjects = binding.metadata, binding.roleRef, binding.subjects
    return (
        meta.name,
        f"{role.kind}/{role.name}",
        age(meta.creationTimestamp, now),
        ", ".join(each.name for each in subjects if each.kind == "User"),
        ", ".join(each.name for each in subjects if each.kind == "Group"),
        ", ".join(
            f"{each.namespace}/{each.name}" for each in subjects if each.kind == "ServiceAccount"
        ),
    )
