"""The rules by which certificates are signed: what each signer puts its name to. Pure.

https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers
"""

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from api.certificates import BadCertificate, hosts_in, names_in
from api.identities import MASTERS, NODE_PREFIX, NODES, agent_host
from api.names import dns_subdomain

CLIENT, NODE_CLIENT, NODE_SERVING = (
    "kubernetes.io/kube-apiserver-client",
    "kubernetes.io/kube-apiserver-client-kubelet",
    "kubernetes.io/kubelet-serving",
)
# What a certificate of each signer may be used for; the first is what makes it useful.
USAGES = {
    CLIENT: ("client auth", "digital signature", "key encipherment"),
    NODE_CLIENT: ("client auth", "digital signature", "key encipherment"),
    NODE_SERVING: ("server auth", "digital signature", "key encipherment"),
}


def read(pem: bytes) -> x509.CertificateSigningRequest:
    """Raises BadCertificate: it cannot be read, or was not signed with the key that it is about."""
    try:
        request = x509.load_pem_x509_csr(pem)
        valid = request.is_signature_valid
    except Exception:  # ValueError, unsupported algorithms, …
        raise BadCertificate("this is no certificate signing request in PEM form") from None
    if not valid:
        raise BadCertificate("its signature does not belong to its key")
    if not _strong(request.public_key()):
        raise BadCertificate("its key must be ECDSA, Ed25519, or RSA of at least 2048 bits")
    return request


def _strong(key: object) -> bool:
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= 2048
    return isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey)


def objection(signer: str, request: x509.CertificateSigningRequest, usages: Sequence[str]) -> str:
    """Why this signer does not sign such a request, whoever approves it; "": it does."""
    try:
        (name, groups), hosts = names_in(request.subject), hosts_in(request.extensions)
    except (BadCertificate, ValueError) as error:
        return str(error)
    needed, *_ = USAGES[signer]
    if needed not in usages:
        return f'the usages must include "{needed}"'
    if signer == CLIENT:
        return _client(name, groups, hosts)
    return _node(signer, name, groups, hosts)


def _client(name: str, groups: Sequence[str], hosts: Sequence[str]) -> str:
    if not name:
        return "the subject has no common name (CN), so it would be nobody's"
    if MASTERS in groups:
        return f"nobody becomes a member of {MASTERS} by a signing request"
    return "a client's certificate names no hosts" if hosts else ""


def _node(signer: str, name: str, groups: Sequence[str], hosts: Sequence[str]) -> str:
    node = node_of(name)
    if not node or tuple(groups) != (NODES,):
        return f"the subject must be O={NODES}, CN={NODE_PREFIX}NAME"
    if wrong := dns_subdomain(node):
        return f"{node!r} cannot be a node's name: {wrong[0]}"
    if signer == NODE_CLIENT:
        return "a client's certificate names no hosts" if hosts else ""
    if tuple(hosts) != (agent_host(node),):
        return f"a node serves as {agent_host(node)} and under no other name"
    return ""


def node_of(user: str) -> str:
    """The node whose agent this user is; "": it is none."""
    return user.removeprefix(NODE_PREFIX) if user.startswith(NODE_PREFIX) else ""
