"""Signing requests in a real API server: decided once, signed once, forgotten in time; and nobody writes what is not his."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api import certificates, clock, signers
from api.certificates import holder_of
from api.client import Client
from api.errors import Invalid, MethodNotAllowed, NotFound
from control_plane.apiserver.identity import CALLER, User
from control_plane.controllers.certificates.main import DECIDED, PENDING, Signer, add, held
from control_plane.pki.authority import LIFE
from control_plane.store.memory import MemoryStore
from proto.v1.certificates_pb2 import CertificateSigningRequest, CertificateSigningRequestSpec
from proto.v1.cluster_pb2 import Namespace
from proto.v1.meta_pb2 import ObjectMeta
from tests import pki
from tests.apiserver import serving

NOW = datetime(2030, 1, 1, tzinfo=UTC)
JANE = User("jane", ("dev",))
GUEST = User("system:bootstrap:abcdef", ("system:bootstrappers",))


@pytest.fixture(autouse=True)
def present() -> Iterator[None]:
    clock.use(lambda: NOW)
    yield
    clock.use(None)


def run(scenario: Callable[[Client, Signer], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        async with serving(MemoryStore(), grpc=False) as world:
            await scenario(world.client, Signer(world.client, pki.authority(), LIFE))

    asyncio.run(main())


async def asked(
    client: Client, name: str, groups: tuple[str, ...], signer: str, who: User
) -> CertificateSigningRequest:
    """As `who` asks."""
    pem = certificates.signing_request(certificates.new_key(), name, groups)
    spec = CertificateSigningRequestSpec(
        request=pem, signerName=signer, usages=signers.USAGES[signer]
    )
    token = CALLER.set(who)
    try:
        return await client.create(
            CertificateSigningRequest(metadata=ObjectMeta(name="csr"), spec=spec)
        )
    finally:
        CALLER.reset(token)


async def seen(client: Client) -> CertificateSigningRequest:
    return await client.get(CertificateSigningRequest, "csr")


async def approve(client: Client) -> None:
    csr = await seen(client)
    add(csr, "Approved", "Test", "by hand")
    await client.update(csr, subresource="approval")


def test_a_node_is_approved_and_signed_by_itself() -> None:
    async def scenario(client: Client, signer: Signer) -> None:
        await asked(client, "system:node:n1", ("system:nodes",), signers.NODE_CLIENT, GUEST)
        await signer.reconcile("csr")
        csr = await seen(client)
        assert held(csr) == {"Approved"}
        holder = holder_of(csr.status.certificate)
        assert (holder.name, holder.groups) == ("system:node:n1", ("system:nodes",))
        before = csr.status.certificate
        await signer.reconcile("csr")
        assert (await seen(client)).status.certificate == before

    run(scenario)


def test_a_user_waits_for_a_human() -> None:
    async def scenario(client: Client, signer: Signer) -> None:
        await asked(client, "jane", ("dev",), signers.CLIENT, JANE)
        assert await signer.reconcile("csr") == PENDING.total_seconds()
        assert not held(await seen(client))
        await approve(client)
        await signer.reconcile("csr")
        assert holder_of((await seen(client)).status.certificate).name == "jane"

    run(scenario)


@pytest.mark.parametrize(
    ("name", "groups", "signer"),
    [
        ("root", ("system:masters",), signers.CLIENT),
        ("kube-apiserver-kubelet-client", (), signers.NODE_CLIENT),
        ("system:node:n1", ("system:nodes",), signers.NODE_SERVING),  # without its host name
    ],
)
def test_what_no_signer_signs_fails_although_it_is_approved(
    name: str, groups: tuple[str, ...], signer: str
) -> None:
    async def scenario(client: Client, signing: Signer) -> None:
        await asked(client, name, groups, signer, JANE)
        await approve(client)
        await signing.reconcile("csr")
        csr = await seen(client)
        assert held(csr) == {"Approved", "Failed"}
        assert not csr.status.certificate

    run(scenario)


def test_requests_are_forgotten_in_time() -> None:
    async def scenario(client: Client, signer: Signer) -> None:
        await asked(client, "jane", (), signers.CLIENT, JANE)
        clock.use(lambda: NOW + PENDING - timedelta(seconds=1))
        assert await signer.reconcile("csr") == 1.0
        clock.use(lambda: NOW + PENDING)
        assert await signer.reconcile("csr") is None
        with pytest.raises(NotFound):
            await seen(client)
        clock.use(lambda: NOW)
        await asked(client, "system:node:n1", ("system:nodes",), signers.NODE_CLIENT, GUEST)
        assert await signer.reconcile("csr") == DECIDED.total_seconds()

    run(scenario)


# Who may write what


def test_approval_is_no_part_of_the_status() -> None:
    """Who may write the status (a signer) does not thereby decide."""

    async def scenario(client: Client, _: Signer) -> None:
        csr = await asked(client, "jane", (), signers.CLIENT, JANE)
        add(csr, "Approved", "Self", "I approve of myself")
        assert not held(await client.update(csr, subresource="status"))
        csr = await seen(client)
        add(csr, "Approved", "Self", "I approve of myself")
        assert not held(await client.update(csr))
        csr = await seen(client)
        csr.status.certificate = b"forged"
        add(csr, "Approved", "Test", "by hand")
        approved = await client.update(csr, subresource="approval")
        assert held(approved) == {"Approved"}
        assert not approved.status.certificate

    run(scenario)


def test_what_was_decided_stays_decided() -> None:
    async def scenario(client: Client, _: Signer) -> None:
        await asked(client, "jane", (), signers.CLIENT, JANE)
        await approve(client)
        csr = await seen(client)
        del csr.status.conditions[:]
        with pytest.raises(Invalid, match="Approved cannot be taken back"):
            await client.update(csr, subresource="approval")
        csr = await seen(client)
        add(csr, "Denied", "Test", "after all")
        with pytest.raises(Invalid, match="mutually exclusive"):
            await client.update(csr, subresource="approval")

    run(scenario)


def test_what_was_asked_stays_as_it_was() -> None:
    async def scenario(client: Client, _: Signer) -> None:
        csr = await asked(client, "jane", (), signers.CLIENT, JANE)
        csr.spec.username, csr.metadata.labels["a"] = "root", "b"
        changed = await client.update(csr)
        assert changed.metadata.labels == {"a": "b"}
        assert changed.spec.username == "jane"

    run(scenario)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"request": b"nonsense"}, "no certificate signing request in PEM form"),
        ({"request": b""}, "spec.request"),
        ({"signerName": "example.com/mine"}, "spec.signerName"),
        ({"usages": ["server auth"]}, "spec.usages\\[0\\]: Unsupported value"),
        ({"usages": []}, "spec.usages"),
        ({"expirationSeconds": 599}, "spec.expirationSeconds"),
    ],
)
def test_requests_that_make_no_sense(change: dict[str, Any], told: str) -> None:
    async def scenario(client: Client, _: Signer) -> None:
        spec: dict[str, Any] = {
            "request": certificates.signing_request(certificates.new_key(), "jane"),
            "signerName": signers.CLIENT,
            "usages": ["client auth"],
        }
        bad = CertificateSigningRequestSpec(**{**spec, **change})
        with pytest.raises(Invalid, match=told):
            await client.create(
                CertificateSigningRequest(metadata=ObjectMeta(name="csr"), spec=bad)
            )

    run(scenario)


def test_other_kinds_have_no_approval() -> None:
    async def scenario(client: Client, _: Signer) -> None:
        namespace = await client.get(Namespace, "default")
        with pytest.raises(MethodNotAllowed):
            await client.update(namespace, subresource="approval")

    run(scenario)
