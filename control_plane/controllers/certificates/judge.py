"""Who may have which certificate without a human saying so. Pure.

Two may: a machine with a join token may become a node that does not exist yet, and a node may renew what is its own. A
node's name is all that a node is known by, so whoever gets a certificate for a name that is in use becomes that node,
with the Secrets of its pods: a join token is not enough for that, however good it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from api import signers
from api.certificates import hosts_in, names_in
from api.identities import BOOTSTRAPPERS, NODE_PREFIX, NODES
from control_plane.pki.authority import Use, Wanted
from proto.v1.certificates_pb2 import CertificateSigningRequest

AUTOMATIC = "AutoApproved"
_USES: dict[str, Use] = {"client auth": "client", "server auth": "server"}


@dataclass(frozen=True)
class Verdict:
    type: Literal["Approved", "Denied"]
    reason: str
    message: str


def node_asked_for(csr: CertificateSigningRequest) -> str:
    """The node that the certificate would make of its holder; "": none. Raises BadCertificate."""
    name, _ = names_in(signers.read(csr.spec.request).subject)
    return signers.node_of(name)


def judge(csr: CertificateSigningRequest, *, node_exists: bool) -> Verdict | None:
    """None: somebody else has to decide. Raises BadCertificate."""
    spec, groups = csr.spec, csr.spec.groups
    joining, is_node = BOOTSTRAPPERS in groups, NODES in groups
    if spec.signerName == signers.CLIENT or not (joining or is_node):
        return None
    node = node_asked_for(csr)
    if wrong := objection(csr):
        return Verdict("Denied", "NotAllowed", wrong)
    if spec.username == NODE_PREFIX + node and is_node:
        return Verdict("Approved", AUTOMATIC, f"node {node} renews its own certificate")
    if is_node:
        return Verdict("Denied", "NotItsOwn", f"{spec.username} may not be node {node}")
    if spec.signerName != signers.NODE_CLIENT:
        told = "with a join token a machine gets its client certificate; with that one, all others"
        return Verdict("Denied", "NotAllowed", told)
    if node_exists:
        return Verdict("Denied", "NodeExists", _taken(node))
    return Verdict("Approved", AUTOMATIC, f"a machine joins with a token as node {node}")


def _taken(node: str) -> str:
    return (
        f"there is a node {node} already, and a join token is not enough to take its place. If it is gone for good: "
        f"helmling delete node {node}; else join under another name (--node-name)"
    )


def objection(csr: CertificateSigningRequest) -> str:
    """Why nobody signs this, whoever has approved it; "": it can be signed. Raises BadCertificate."""
    request = signers.read(csr.spec.request)
    return signers.objection(csr.spec.signerName, request, csr.spec.usages)


def wanted(csr: CertificateSigningRequest, life: timedelta) -> Wanted:
    """What the certificate will say. Only for requests without an objection."""
    request, spec = signers.read(csr.spec.request), csr.spec
    (name, groups), hosts = names_in(request.subject), hosts_in(request.extensions)
    if spec.HasField("expirationSeconds"):
        life = min(life, timedelta(seconds=spec.expirationSeconds))
    return Wanted(name, groups, hosts, uses(spec.usages), life)


def uses(usages: Sequence[str]) -> list[Use]:
    return [_USES[usage] for usage in usages if usage in _USES]
