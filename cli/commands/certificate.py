"""`helmling certificate`: decide about signing requests that no rule decides."""

from typing import Any, Literal

from api import clock
from api.kinds import find
from cli import subcommands
from cli.command import Command, Session
from cli.errors import CommandError, UsageError
from cli.subcommands import Action
from proto.v1.certificates_pb2 import CertificateSigningRequestCondition

Decision = Literal["Approved", "Denied"]
WORD: dict[Decision, tuple[str, str]] = {
    "Approved": ("approve", "KubectlApprove"),
    "Denied": ("deny", "KubectlDeny"),
}


def approve(session: Session) -> int:
    return _decide(session, "Approved")


def deny(session: Session) -> int:
    return _decide(session, "Denied")


def _decide(session: Session, decision: Decision) -> int:
    word, reason = WORD[decision]
    if not session.args:
        raise UsageError(
            f"certificate {word} takes the names of signing requests (helmling get csr)"
        )
    kind = find("certificatesigningrequests")
    assert kind is not None
    for name in session.args:
        csr = session.server.get(kind, name.rpartition("/")[2])
        if _add(csr, decision, reason):
            session.server.update(kind, csr, "", subresource="approval")
        session.say(
            f"certificatesigningrequest.certificates.k8s.io/{csr.metadata.name} {decision.lower()}"
        )
    return 0


def _add(csr: Any, decision: Decision, reason: str) -> bool:
    """Whether there was anything to add. Raises CommandError: it has been decided otherwise."""
    held = {condition.type for condition in csr.status.conditions}
    if decision in held:
        return False
    if held & set(WORD):
        raise CommandError(
            f"certificate signing request {csr.metadata.name} is {', '.join(held)} already"
        )
    now = clock.timestamp()
    csr.status.conditions.append(
        CertificateSigningRequestCondition(
            type=decision,
            status="True",
            reason=reason,
            message=f"This CSR was {decision.lower()} by helmling certificate {WORD[decision][0]}.",
            lastUpdateTime=now,
            lastTransitionTime=now,
        )
    )
    return True


ACTIONS = {"approve": Action(approve, ()), "deny": Action(deny, ())}
CERTIFICATE = Command(
    usage="certificate (approve | deny) NAME…",
    about="Modify certificate resources: approve or deny a certificate signing request.\n\nNodes are decided about by "
    "rules (docs/security.md). Users are decided about here: whoever signs for a user says that he is this user.",
    examples="""  # What waits for a decision
  helmling get csr

  helmling certificate approve jane""",
    run=lambda session: subcommands.run(session, "certificate", ACTIONS),
    flags=subcommands.all_flags(ACTIONS),
    actions=tuple(ACTIONS),
)
