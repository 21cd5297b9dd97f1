"""The authority, its files, and the rules by which it signs."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api import certificates, clock, jointoken, keyfiles, signers
from api.certificates import BadCertificate
from api.identities import agent_host
from api.keyfiles import Pair
from control_plane import main as control_plane
from control_plane.apiserver.allocation.ranges import Ranges, read_network
from control_plane.controllers.certificates.judge import judge, wanted
from control_plane.main import Options
from control_plane.pki.authority import Authority, Wanted
from control_plane.pki.keeper import CannotTrust, Keeper
from proto.v1.certificates_pb2 import CertificateSigningRequest

NOW = datetime(2030, 1, 1, tzinfo=UTC)
LIFE = timedelta(hours=1)


@pytest.fixture(autouse=True)
def present() -> Iterator[None]:
    at(NOW)
    yield
    clock.use(None)


def at(moment: datetime) -> None:
    clock.use(lambda: moment)


def shown(folder: Path, name: str = "apiserver") -> Pair:
    pair = keyfiles.read_pair(folder / f"{name}.pem")
    assert pair is not None
    return pair


# Files


def test_everything_secret_is_its_owners_alone(tmp_path: Path) -> None:
    Keeper(tmp_path / "pki")
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "pki").iterdir()}
    assert modes.pop("ca.crt") == 0o644
    assert set(modes) == {"ca.key", "apiserver.pem", "apiserver-kubelet-client.pem", "admin.pem"}
    assert set(modes.values()) == {0o600}
    assert (tmp_path / "pki").stat().st_mode & 0o777 == 0o700


def test_a_restart_changes_nothing(tmp_path: Path) -> None:
    first = Keeper(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    second = Keeper(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert first.authority.fingerprint == second.authority.fingerprint


def test_the_server_is_known_by_all_its_names(tmp_path: Path) -> None:
    Keeper(tmp_path, ["10.0.0.7", "cp.example"])
    names = certificates.hosts_in(certificates.read(shown(tmp_path).certificate).extensions)
    assert {"127.0.0.1", "::1", "localhost"} < set(names)
    assert {"10.0.0.7", "cp.example"} < set(names)


def test_another_name_makes_another_certificate(tmp_path: Path) -> None:
    Keeper(tmp_path, ["old.example"])
    before = shown(tmp_path)
    Keeper(tmp_path, ["new.example"])
    assert shown(tmp_path) != before


@pytest.mark.parametrize("name", ["apiserver", "apiserver-kubelet-client", "admin"])
@pytest.mark.parametrize("damage", [b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\nx"])
def test_a_damaged_leaf_is_made_anew(tmp_path: Path, name: str, damage: bytes) -> None:
    Keeper(tmp_path)
    (tmp_path / f"{name}.pem").write_bytes(damage)
    keeper = Keeper(tmp_path)
    assert keeper.authority.signed(certificates.read(shown(tmp_path, name).certificate))


def test_a_leaf_with_anothers_key_is_made_anew(tmp_path: Path) -> None:
    Keeper(tmp_path)
    mixed = Pair(shown(tmp_path).certificate, shown(tmp_path, "admin").key)
    keyfiles.write_pair(tmp_path / "apiserver.pem", mixed)
    Keeper(tmp_path)
    keyfiles.check_match(shown(tmp_path))


def test_a_crash_between_the_authoritys_two_files_costs_nothing(tmp_path: Path) -> None:
    first = Keeper(tmp_path).authority.fingerprint
    (tmp_path / "ca.crt").unlink()
    assert Keeper(tmp_path).authority.fingerprint == first


def test_a_damaged_authority_is_never_replaced(tmp_path: Path) -> None:
    def told(folder: Path) -> str:
        with pytest.raises(CannotTrust) as caught:
            Keeper(folder)
        assert "from a backup" in str(caught.value)
        return str(caught.value)

    Keeper(tmp_path / "a")
    Keeper(tmp_path / "b")
    key = (tmp_path / "a" / "ca.key").read_bytes()
    (tmp_path / "a" / "ca.key").write_bytes((tmp_path / "b" / "ca.key").read_bytes())
    assert "does not belong to the certificate" in told(tmp_path / "a")
    (tmp_path / "a" / "ca.key").write_bytes(b"nonsense")
    assert "no private key" in told(tmp_path / "a")
    (tmp_path / "a" / "ca.key").unlink()
    assert "is there but" in told(tmp_path / "a")
    (tmp_path / "a" / "ca.key").write_bytes(key)
    Keeper(tmp_path / "a")
    at(NOW + timedelta(days=3651))
    assert "expired on 2039-12-30" in told(tmp_path / "a")


# Renewal


def test_leaves_are_renewed_at_three_quarters_of_their_life(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, life=LIFE)
    before, admin = shown(tmp_path), keeper.admin
    at(NOW + LIFE * 0.6)
    assert not keeper.renew()
    at(NOW + LIFE * 0.8)
    assert keeper.renew()
    assert shown(tmp_path) != before
    assert keeper.admin != admin
    assert certificates.holder_of(keeper.admin.certificate).until == NOW + LIFE * 1.8
    assert not keeper.renew()


def test_a_running_keeper_renews_and_tells(tmp_path: Path) -> None:
    async def main() -> None:
        keeper, told = Keeper(tmp_path, life=LIFE), asyncio.Event()
        at(NOW + LIFE)
        async with asyncio.timeout(30):
            running = asyncio.create_task(keeper.run(told.set))
            await told.wait()
            running.cancel()
        assert certificates.holder_of(keeper.admin.certificate).until == NOW + LIFE * 2

    asyncio.run(main())


def test_nothing_outlives_its_authority() -> None:
    authority = Authority.make()
    late = NOW + timedelta(days=3649)
    certificate, _ = authority.issue(Wanted("late"), late)
    assert certificates.holder_of(certificate).until <= authority.certificate.not_valid_after_utc


def test_what_another_authority_signed_is_not_ours() -> None:
    ours, theirs = Authority.make(), Authority.make()
    certificate, _ = theirs.issue(Wanted("kubernetes-admin", ["system:masters"]))
    assert theirs.signed(certificates.read(certificate))
    assert not ours.signed(certificates.read(certificate))


# What is signed


def request(
    name: str, groups: Sequence[str] = ("system:nodes",), hosts: Sequence[str] = ()
) -> bytes:
    return certificates.signing_request(certificates.new_key(), name, groups, hosts)


def csr(
    pem: bytes,
    signer: str = signers.NODE_CLIENT,
    who: str = "system:bootstrap:abcdef",
    groups: Sequence[str] = ("system:bootstrappers",),
    usages: Sequence[str] = (),
) -> CertificateSigningRequest:
    made = CertificateSigningRequest()
    spec = made.spec
    spec.request, spec.signerName, spec.username = pem, signer, who
    spec.groups[:], spec.usages[:] = groups, usages or signers.USAGES[signer]
    return made


HOST = agent_host("n1")
N1, N1_GROUPS = "system:node:n1", ("system:nodes", "system:authenticated")


@pytest.mark.parametrize(
    ("asked", "exists", "told"),
    [
        (csr(request("system:node:n1")), False, "Approved: a machine joins with a token as node n1"),
        (csr(request("system:node:n1")), True, "Denied: there is a node n1 already"),
        (csr(request("system:node:n1", ["system:masters"])), False, "Denied: the subject must be"),
        (csr(request("system:node:n1", ["system:nodes", "x"])), False, "Denied: the subject must be"),
        (csr(request("jane")), False, "Denied: the subject must be"),
        (csr(request("system:node:../n1")), False, "Denied: '../n1' cannot be a node's name"),
        (csr(request("system:node:")), False, "Denied: the subject must be"),
        (csr(request(N1, hosts=["kubernetes"])), False, "Denied: a client's certificate names no hosts"),
        (csr(request(N1), usages=["server auth"]), False, 'Denied: the usages must include "client auth"'),
        (csr(request(N1, hosts=[HOST]), signers.NODE_SERVING), False, "Denied: with a join token a machine"),
        (csr(request(N1), who=N1, groups=N1_GROUPS), True, "Approved: node n1 renews its own"),
        (csr(request("system:node:n2"), who=N1, groups=N1_GROUPS), True, "Denied: system:node:n1 may not be node n2"),
        (csr(request(N1, hosts=[HOST]), signers.NODE_SERVING, N1, N1_GROUPS), True, "Approved: node n1 renews"),
        (csr(request(N1, hosts=[HOST, "kubernetes"]), signers.NODE_SERVING, N1, N1_GROUPS), True, "Denied: a node serves"),
        (csr(request(N1, hosts=["10.96.0.1"]), signers.NODE_SERVING, N1, N1_GROUPS), True, "Denied: a node serves as"),
        (csr(request(N1), signers.NODE_SERVING, N1, N1_GROUPS), True, "Denied: a node serves as"),
        (csr(request(N1), who=N1, groups=["system:authenticated"]), True, ""),
        (csr(request("jane", ["dev"]), signers.CLIENT), False, ""),
        (csr(request(N1), who="jane", groups=["system:authenticated"]), False, ""),
    ],
)  # fmt: skip
def test_who_may_have_which_certificate(
    asked: CertificateSigningRequest, exists: bool, told: str
) -> None:
    verdict = judge(asked, node_exists=exists)
    said = f"{verdict.type}: {verdict.message}" if verdict else ""
    assert said.startswith(told)
    assert bool(said) == bool(told)


def test_nobody_becomes_a_master_by_a_request() -> None:
    pem = signers.read(request("jane", ["system:masters"]))
    told = signers.objection(signers.CLIENT, pem, signers.USAGES[signers.CLIENT])
    assert "nobody becomes a member of system:masters" in told


def test_a_short_wish_is_heard_and_a_long_one_is_cut() -> None:
    asked = csr(request(N1))
    asked.spec.expirationSeconds = 600
    assert wanted(asked, LIFE).life == timedelta(minutes=10)
    asked.spec.expirationSeconds = 10**8
    assert wanted(asked, LIFE).life == LIFE


def test_a_request_with_anothers_signature_is_refused() -> None:
    one, other = request("system:node:n1"), request("system:node:n2")
    lines, others = one.splitlines(), other.splitlines()
    with pytest.raises(BadCertificate):
        signers.read(b"\n".join([*lines[:-2], others[-2], lines[-1]]))


# The join token


def test_a_join_token_is_one_string() -> None:
    token = jointoken.JoinToken("a" * 64, jointoken.new_bearer())
    assert jointoken.parse(f" {token}\n") == token
    assert str(token).startswith("HL1aaaa")


@pytest.mark.parametrize(
    "text", ["", "abcdef.0123456789abcdef", "HL1" + "a" * 63 + "::abcdef.0123456789abcdef", "HL1x"]
)
def test_half_a_token_is_refused(text: str) -> None:
    with pytest.raises(jointoken.BadToken, match="copied whole"):
        jointoken.parse(text)


def test_pods_know_the_server_by_the_service_kubernetes() -> None:
    ranges = Ranges(read_network("10.77.0.0/24"))
    names = control_plane._names(Options(ranges=ranges, cluster_domain="lab.internal"))
    assert {"10.77.0.1", "kubernetes.default.svc", "kubernetes.default.svc.lab.internal"} < set(
        names
    )
