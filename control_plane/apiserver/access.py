"""The strategies of roles, bindings and ServiceAccounts.

Whether somebody may write them at all, and may hand on what they grant, is for authorization/ to say.
"""

from typing import Any

from api import kinds
from api.rbac import GROUP
from control_plane.apiserver.defaults import default_type
from control_plane.apiserver.hooks import changed_object, metadata_fields, new_object
from control_plane.apiserver.printers import access as printer
from control_plane.apiserver.strategy import Strategy, no_causes
from control_plane.apiserver.validation import access as rules
from proto.v1.authentication_pb2 import ServiceAccount
from proto.v1.rbac_pb2 import ClusterRole, ClusterRoleBinding, Role, RoleBinding

_ACCOUNT = kinds.of(ServiceAccount)
_ROLE, _CLUSTER_ROLE = kinds.of(Role), kinds.of(ClusterRole)
_BINDING, _CLUSTER_BINDING = kinds.of(RoleBinding), kinds.of(ClusterRoleBinding)


def default_binding(binding: Any) -> None:
    default_type(binding)
    if binding.HasField("roleRef"):
        binding.roleRef.apiGroup = binding.roleRef.apiGroup or GROUP
    for subject in binding.subjects:
        if subject.kind in ("User", "Group"):
            subject.apiGroup = subject.apiGroup or GROUP


STRATEGIES = (
    Strategy(
        _ACCOUNT,
        default=default_type,
        validate=new_object(_ACCOUNT, no_causes),
        validate_update=changed_object(_ACCOUNT, no_causes),
        selectable=metadata_fields,
        columns=printer.ACCOUNT_COLUMNS,
        row=printer.account_row,
    ),
    Strategy(
        _ROLE,
        default=default_type,
        validate=new_object(_ROLE, rules.validate_role),
        validate_update=changed_object(_ROLE, rules.validate_role),
        selectable=metadata_fields,
        columns=printer.ROLE_COLUMNS,
        row=printer.role_row,
    ),
    Strategy(
        _CLUSTER_ROLE,
        default=default_type,
        validate=new_object(_CLUSTER_ROLE, rules.validate_cluster_role),
        validate_update=changed_object(_CLUSTER_ROLE, rules.validate_cluster_role),
        selectable=metadata_fields,
        columns=printer.ROLE_COLUMNS,
        row=printer.role_row,
    ),
    Strategy(
        _BINDING,
        default=default_binding,
        validate=new_object(_BINDING, rules.validate_role_binding),
        validate_update=changed_object(
            _BINDING, rules.validate_role_binding, rules.validate_binding_update
        ),
        selectable=metadata_fields,
        columns=printer.BINDING_COLUMNS,
        row=printer.binding_row,
    ),
    Strategy(
        _CLUSTER_BINDING,
        default=default_binding,
        validate=new_object(_CLUSTER_BINDING, rules.validate_cluster_role_binding),
        validate_update=changed_object(
            _CLUSTER_BINDING, rules.validate_cluster_role_binding, rules.validate_binding_update
        ),
        selectable=metadata_fields,
        columns=printer.BINDING_COLUMNS,
        row=printer.binding_row,
    ),
)
