"""The strategies of roles, bindings and ServiceAccounts.

Whether somebody may write them at all, and may hand on what they grant, is for authorization/ to say.
"""

from typing import Any

from api.rbac import GROUP
from control_plane.apiserver.defaults import default_type
from control_plane.apiserver.hooks import strategy
from control_plane.apiserver.printers import access as printer
from control_plane.apiserver.validation import access as rules
from proto.v1.authentication_pb2 import ServiceAccount
from proto.v1.rbac_pb2 import ClusterRole, ClusterRoleBinding, Role, RoleBinding


def default_binding(binding: Any) -> None:
    default_type(binding)
    if binding.HasField("roleRef"):
        binding.roleRef.apiGroup = binding.roleRef.apiGroup or GROUP
    for subject in binding.subjects:
        if subject.kind in ("User", "Group"):
            subject.apiGroup = subject.apiGroup or GROUP


STRATEGIES = (
    strategy(ServiceAccount, columns=printer.ACCOUNT_COLUMNS, row=printer.account_row),
    strategy(Role, rules.validate_role, columns=printer.ROLE_COLUMNS, row=printer.role_row),
    strategy(
        ClusterRole,
        rules.validate_cluster_role,
        columns=printer.ROLE_COLUMNS,
        row=printer.role_row,
    ),
    strategy(
        RoleBinding,
        rules.validate_role_binding,
        rules.validate_binding_update,
        default=default_binding,
        columns=printer.BINDING_COLUMNS,
        row=printer.binding_row,
    ),
    strategy(
        ClusterRoleBinding,
        rules.validate_cluster_role_binding,
        rules.validate_binding_update,
        default=default_binding,
        columns=printer.BINDING_COLUMNS,
        row=printer.binding_row,
    ),
)
