"""The authorizers in their order; the first that allows is believed, and nobody can forbid."""

from api.identities import MASTERS
from api.rbac import Attributes
from control_plane.apiserver.authorization.decision import Decision
from control_plane.apiserver.authorization.nodes import Nodes, node_of
from control_plane.apiserver.authorization.roles import Roles
from control_plane.apiserver.identity import User

EVERYTHING = Decision(True, f"allowed to the group {MASTERS}")


class Authorizer:
    def __init__(self, roles: Roles, nodes: Nodes) -> None:
        self.roles = roles
        self.nodes = nodes

    def decide(self, user: User, asked: Attributes) -> Decision:
        if MASTERS in user.groups:
            return EVERYTHING
        node = node_of(user)
        if not node:
            return self.roles.decide(user, asked)
        decision = self.nodes.decide(node, asked)
        if decision.allowed:
            return decision
        by_rules = self.roles.decide(user, asked)
        if by_rules.allowed:
            return by_rules
        why = "; ".join(each.why for each in (decision, by_rules) if each.why)
        return Decision(False, why)
