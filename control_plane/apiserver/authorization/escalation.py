"""Nobody hands on rights that he does not have (S#30).

Whoever may write roles could write himself any right, and whoever may write bindings could give himself any role. So a
role may only say, and a binding only give, what the writer is allowed himself, there where it would hold; unless he
has been given the verb `escalate` on the role, or `bind` on the role that is bound. A signing request may be approved,
and a certificate be signed, by those who may do so for its signer.
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
"""

import json
from collections.abc import Sequence
from typing import Any

from api import kinds
from api.identities import MASTERS
from api.kinds import Kind
from api.rbac import ALL, GROUP, Attributes, Rule, compact, missing, rules_of, shown
from control_plane.apiserver import refusals
from control_plane.apiserver.authorization.authorizer import Authorizer
from control_plane.apiserver.authorization.roles import (
    BINDING,
    CLUSTER_BINDING,
    CLUSTER_ROLE,
    ROLE,
)
from control_plane.apiserver.identity import CALLER, User
from control_plane.apiserver.registry import Place
from proto.v1.certificates_pb2 import CertificateSigningRequest

REQUEST = kinds.of(CertificateSigningRequest)
ANY = frozenset((ALL,))
# What a role may come to say that is made out of other roles: nobody knows today.
EVERYTHING = (Rule(ANY, ANY, ANY), Rule(ANY, urls=ANY))


class Escalation:
    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def __call__(self, place: Place, new: Any | None, old: Any | None) -> None:
        """A guard of the registry. Raises Forbidden, NotFound."""
        caller = CALLER.get()
        if new is None or MASTERS in caller.groups:
            return
        if place.kind in (ROLE, CLUSTER_ROLE):
            self._role(caller, place, new, old)
        elif place.kind in (BINDING, CLUSTER_BINDING):
            self._binding(caller, place, new)
        elif place.kind is REQUEST and old is not None:
            self._signing(caller, place, new, old)

    def _role(self, caller: User, place: Place, new: Any, old: Any | None) -> None:
        if self._may(caller, "escalate", place.kind, place.namespace, place.name):
            return
        if place.kind is CLUSTER_ROLE and _aggregates(new, old):
            told = "must have cluster-admin privileges to use an aggregationRule"
            self._confirm(caller, place, EVERYTHING, told)
        self._confirm(caller, place, rules_of(new.rules))

    def _binding(self, caller: User, place: Place, new: Any) -> None:
        ref = new.roleRef
        kind = ROLE if ref.kind == "Role" else CLUSTER_ROLE
        if self._may(caller, "bind", kind, place.namespace, ref.name):
            return
        where = place.namespace if kind is ROLE else ""
        rules = self._authorizer.roles.rules_of(ref, where)
        if rules is None:
            raise refusals.not_found(kind, ref.name)
        self._confirm(caller, place, rules)

    def _may(self, caller: User, verb: str, kind: Kind, namespace: str, name: str) -> bool:
        asked = Attributes(verb, GROUP, kind.plural, namespace=namespace, name=name)
        return self._authorizer.decide(caller, asked).allowed

    def _confirm(self, caller: User, place: Place, wanted: Sequence[Rule], told: str = "") -> None:
        held = self._authorizer.roles.held(caller).rules(place.namespace)
        lacks = compact(missing(held, wanted))
        if lacks:
            raise refusals.forbidden(place.kind, place.name, told or _grants(caller, lacks))

    def _signing(self, caller: User, place: Place, new: Any, old: Any) -> None:
        verb = ""
        if place.subresource == "approval" and new.status != old.status:
            verb = "approve"
        elif place.subresource == "status" and new.status.certificate != old.status.certificate:
            verb = "sign"
        if verb and not self._signs(caller, verb, new.spec.signerName):
            name = new.spec.signerName
            told = f'user not permitted to {verb} requests with signerName "{name}"'
            raise refusals.forbidden(REQUEST, place.name, told)

    def _signs(self, caller: User, verb: str, signer: str) -> bool:
        """For this signer, or for all of its domain."""
        domain = signer.partition("/")[0]
        return any(
            self._authorizer.decide(
                caller, Attributes(verb, "certificates.k8s.io", "signers", name=name)
            ).allowed
            for name in (signer, f"{domain}/*")
        )


def _aggregates(new: Any, old: Any | None) -> bool:
    """Whether it is to be made out of other roles than before."""
    if not new.HasField("aggregationRule"):
        return False
    return old is None or bool(new.aggregationRule != old.aggregationRule)


def _grants(caller: User, lacks: Sequence[Rule]) -> str:
    groups = " ".join(json.dumps(group) for group in sorted(caller.groups))
    rules = "\n".join(sorted(shown(rule) for rule in lacks))
    return (
        f'user "{caller.name}" (groups=[{groups}]) is attempting to grant RBAC permissions '
        f"not currently held:\n{rules}"
    )
