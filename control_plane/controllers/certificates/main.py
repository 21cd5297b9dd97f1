"""The loop around judge.py: approves or denies, signs, and forgets what is over."""

from datetime import datetime, timedelta

from api import clock, controller, signers
from api.certificates import BadCertificate
from api.client import Client
from api.errors import NotFound
from api.informer import Informers
from api.workqueue import WorkQueue
from control_plane.controllers import waking
from control_plane.controllers.certificates.judge import (
    Verdict,
    judge,
    node_asked_for,
    objection,
    wanted,
)
from control_plane.pki.authority import Authority
from proto.v1.certificates_pb2 import CertificateSigningRequest, CertificateSigningRequestCondition
from proto.v1.cluster_pb2 import Node

DECIDED, PENDING = timedelta(hours=1), timedelta(hours=24)  # how long requests are kept


async def run(client: Client, informers: Informers, authority: Authority, life: timedelta) -> None:
    """Until cancelled. `life`: of what is signed, at most."""
    queue, signer = WorkQueue(), Signer(client, authority, life)
    informers.of(CertificateSigningRequest).add_handler(waking.itself(queue))
    await controller.run(queue, signer.reconcile, workers=2, name="certificates")


class Signer:
    """One step at a time: first the decision, then the signature, in the end the broom."""

    def __init__(self, client: Client, authority: Authority, life: timedelta) -> None:
        self._client, self._authority, self._life = client, authority, life

    async def reconcile(self, key: str) -> float | None:
        """Seconds until the request is to be forgotten."""
        try:
            csr = await self._client.get(CertificateSigningRequest, key)
        except NotFound:
            return None
        if not held(csr):
            csr = await self._decide(csr)
        if "Approved" in held(csr) and not csr.status.certificate and "Failed" not in held(csr):
            csr = await self._sign(csr)
        left = (forgotten_at(csr) - clock.now()).total_seconds()
        if left <= 0:
            await self._client.delete(CertificateSigningRequest, key)
            return None
        return left

    async def _decide(self, csr: CertificateSigningRequest) -> CertificateSigningRequest:
        try:
            verdict = judge(csr, node_exists=await self._exists(node_asked_for(csr)))
        except BadCertificate as error:
            verdict = Verdict("Denied", "BadRequest", str(error))
        if verdict is None:
            return csr
        add(csr, verdict.type, verdict.reason, verdict.message)
        return await self._client.update(csr, subresource="approval")

    async def _exists(self, node: str) -> bool:
        """On the server: what a cache does not show may only be late."""
        if not node:
            return False
        try:
            await self._client.get(Node, node)
        except NotFound:
            return False
        return True

    async def _sign(self, csr: CertificateSigningRequest) -> CertificateSigningRequest:
        if wrong := objection(csr):
            add(csr, "Failed", "SignerValidationFailure", wrong)
        else:
            key = signers.read(csr.spec.request).public_key()
            csr.status.certificate = self._authority.certify(key, wanted(csr, self._life))
        return await self._client.update(csr, subresource="status")


def held(csr: CertificateSigningRequest) -> set[str]:
    return {condition.type for condition in csr.status.conditions}


def add(csr: CertificateSigningRequest, type: str, reason: str, message: str) -> None:
    now = clock.timestamp()
    csr.status.conditions.append(
        CertificateSigningRequestCondition(
            type=type,
            status="True",
            reason=reason,
            message=message,
            lastUpdateTime=now,
            lastTransitionTime=now,
        )
    )


def forgotten_at(csr: CertificateSigningRequest) -> datetime:
    made = clock.to_datetime(csr.metadata.creationTimestamp)
    return made + (DECIDED if held(csr) else PENDING)
