"""Nobody gets in who has not shown who he is, and whoever knocks in vain leaves the server as it was.

A whole control plane with an authority of its own; each intruder is refused with a sentence, and afterwards the
administrator is served as before.
"""

import asyncio
import socket
import ssl
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from api import clock, jointoken, kinds, rpc
from api.certificates import holder_of, new_key, signing_request
from api.client import Selection
from api.errors import ApiError, Forbidden, NotFound, Unauthorized, Unavailable
from api.grpc_client import GrpcClient, connect
from api.identities import agent_host
from api.informer import Informer
from api.signers import NODE_CLIENT, USAGES
from api.tls import Identity
from cli.connection import Connection, Unreachable
from cli.kubeconfig import Target
from control_plane.apiserver.server import CannotListen
from control_plane.controllers import jointokens
from control_plane.main import Options, serve
from control_plane.pki.authority import LIFE, Authority, Wanted
from control_plane.pki.keeper import load
from node_agent.credentials import Credentials, Refused, admit, client_pair, serving_pair
from node_agent.join import CannotJoin, Invitation, join
from node_agent.runtime.hollow import HollowRuntime
from node_agent.streams.service import Streams, listening
from node_agent.streams.targets import Targets
from proto.v1.certificates_pb2 import (
    BootstrapToken,
    BootstrapTokenSpec,
    CertificateSigningRequest,
    CertificateSigningRequestSpec,
)
from proto.v1.cluster_pb2 import Namespace, Node
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.rbac_pb2 import ClusterRoleBinding, RoleRef, Subject
from proto.v1.service_pb2 import ContainerTarget, LogsRequest
from tests.apiserver import until
from tests.e2e.cli_runner import Cli
from tests.pki import admin_of

PATIENCE = 90  # seconds for a whole scenario
STRANGER = Authority.make()


@dataclass
class Cluster:
    data_dir: Path
    address: str
    token_address: str
    authority: Authority
    client: GrpcClient  # the administrator's

    def identity(
        self,
        name: str,
        *groups: str,
        ca: Authority | None = None,
        ago: float = 0,
        life: float = 600,
    ) -> Identity:
        """A client; `ago`: whose certificate was signed so many seconds ago."""
        wanted = Wanted(name, groups, life=timedelta(seconds=life))
        signed = (ca or self.authority).issue(wanted, clock.now() - timedelta(seconds=ago))
        return Identity(self.authority.pem, *signed)

    async def alive(self) -> None:
        """The administrator is served, also over a connection that is new."""
        async with connect(self.address, admin_of(self.data_dir)) as client:
            assert (await client.get(Namespace, "default")).metadata.name == "default"

    async def token(self, life: float = 3600) -> str:
        bearer = jointoken.new_bearer()
        name, _, secret = bearer.partition(".")
        spec = BootstrapTokenSpec(
            secretHash=jointoken.hash_of(secret),
            expiration=clock.timestamp(clock.now() + timedelta(seconds=life)),
        )
        await self.client.create(BootstrapToken(metadata=ObjectMeta(name=name), spec=spec))
        return bearer

    async def invitation(self) -> Invitation:
        token = jointoken.JoinToken(self.authority.fingerprint, await self.token())
        return Invitation(self.token_address, str(token))


@asynccontextmanager
async def cluster(data_dir: Path, life: timedelta = LIFE) -> AsyncIterator[Cluster]:
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    options = Options(
        data_dir,
        "memory://",
        port=0,
        token_port=0,
        parts=(jointokens.run,),
        certificate_life=life,
        ready=ready.set_result,
    )
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(serve(options))
        address = await ready
        async with connect(address, admin_of(data_dir)) as client:
            token_address = f"127.0.0.1:{(await client.version()).tokenPort}"
            authority = load(data_dir / "pki")
            yield Cluster(data_dir, address, token_address, authority, client)
        running.cancel()


def run(
    tmp_path: Path, scenario: Callable[[Cluster], Coroutine[Any, Any, None]], **how: Any
) -> None:
    async def main() -> None:
        async with asyncio.timeout(PATIENCE), cluster(tmp_path, **how) as here:
            await scenario(here)
            await here.alive()

    asyncio.run(main())


async def told(address: str, identity: Identity) -> str:
    """What the command line says to someone who asks as this."""

    def ask() -> str:
        connection = Connection(Target(address, identity), timeout=30)
        kind = kinds.of(Namespace)
        try:
            connection.get(kind, "default")
        except Unreachable as error:
            return error.message
        except ApiError as error:
            return f"{error.reason}: {error.message}"
        finally:
            connection.close()
        return "let in"

    return await asyncio.to_thread(ask)


# Certificates


def test_certificates_that_let_nobody_in(tmp_path: Path) -> None:
    async def scenario(here: Cluster) -> None:
        bare = Identity(here.authority.pem)
        expired = here.identity("kubernetes-admin", "system:masters", ago=700)
        foreign = here.identity("kubernetes-admin", "system:masters", ca=STRANGER)
        elsewhere = replace(admin_of(here.data_dir), ca=STRANGER.pem)
        assert "wants a client certificate" in await told(here.address, bare)
        assert "of kubernetes-admin expired at" in await told(here.address, expired)
        assert "does not accept the certificate of kubernetes-admin" in await told(
            here.address, foreign
        )
        assert "was signed by another authority than the kubeconfig's" in await told(
            here.address, elsewhere
        )
        assert await told(here.address, here.identity("jane", "system:masters")) == "let in"
        for intruder in (bare, expired, foreign, elsewhere):
            async with connect(here.address, intruder) as client:
                with pytest.raises(Unavailable):
                    await client.get(Namespace, "default")

    run(tmp_path, scenario)


def test_an_authority_with_our_authoritys_name_is_no_better(tmp_path: Path) -> None:
    """Names prove nothing: the signature does."""

    async def scenario(here: Cluster) -> None:
        assert STRANGER.certificate.subject == here.authority.certificate.subject
        foreign = here.identity("kube-apiserver-kubelet-client", "system:masters", ca=STRANGER)
        assert await told(here.address, foreign) != "let in"

    run(tmp_path, scenario)


def test_a_server_by_another_name_is_not_believed(tmp_path: Path) -> None:
    """A node's serving certificate is signed by the same authority, and does not make it the API server."""

    async def scenario(here: Cluster) -> None:
        serving = here.authority.issue(
            Wanted("system:node:n1", ["system:nodes"], [agent_host("n1")], ("server",))
        )
        with impostor(*serving) as (address, _):
            said = await told(address, admin_of(here.data_dir))
            assert "does not hold for this address" in said

    run(tmp_path, scenario)


# The wire


def test_plain_text_is_no_language_here(tmp_path: Path) -> None:
    async def scenario(here: Cluster) -> None:
        for address in (here.address, here.token_address):
            async with grpc.aio.insecure_channel(address) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await rpc.aio_stub(channel).Version(b"", timeout=20)
                assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
            assert await asyncio.to_thread(answer_to, address, b"GET / HTTP/1.1\r\n\r\n") == b""
            assert (
                await asyncio.to_thread(answer_to, address, b"\x16\x03\x01" + b"\xff" * 500) != b"?"
            )

    run(tmp_path, scenario)


def answer_to(address: str, words: bytes) -> bytes:
    """What is said in return, alerts of TLS left out."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), 20) as connection:
        connection.sendall(words)
        said = b""
        try:
            while piece := connection.recv(4096):
                said += piece
        except ConnectionResetError:
            pass
        return b"" if said[:1] == b"\x15" else said


def test_old_versions_of_tls_are_refused(tmp_path: Path) -> None:
    def hello(address: str) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port)), 20) as connection:
            context.wrap_socket(connection)

    async def scenario(here: Cluster) -> None:
        for address in (here.address, here.token_address):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await asyncio.to_thread(hello, address)

    run(tmp_path, scenario)


def test_the_command_line_says_when_a_server_speaks_plain_text(tmp_path: Path) -> None:
    async def scenario(here: Cluster) -> None:
        server = grpc.aio.server()
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        said = await told(f"127.0.0.1:{port}", admin_of(here.data_dir))
        assert "the server speaks plain text" in said
        await server.stop(None)

    run(tmp_path, scenario)


def test_both_ports_must_be_free(tmp_path: Path) -> None:
    async def scenario(here: Cluster) -> None:
        port = int(here.token_address.rpartition(":")[2])
        options = Options(tmp_path / "other", "memory://", port=0, token_port=port)
        with pytest.raises(CannotListen, match=f"cannot listen on 127.0.0.1:{port}: is another"):
            await serve(options)

    run(tmp_path, scenario)


def test_a_server_with_a_damaged_authority_says_what_to_do(tmp_path: Path) -> None:
    run(tmp_path / "data", Cluster.alive)
    (tmp_path / "data" / "pki" / "ca.key").write_text("nonsense")
    said = Cli(tmp_path / "data").fails("server", "--listen=127.0.0.1:0", "--token-port=0")
    assert f"error: the certificate authority in {tmp_path}/data/pki cannot be used" in said
    assert "Put back ca.crt and ca.key from a backup" in said


# Tokens


def test_tokens_that_let_nobody_in(tmp_path: Path) -> None:
    async def scenario(here: Cluster) -> None:
        good, old, revoked = await here.token(), await here.token(), await here.token()
        expired = await here.client.get(BootstrapToken, old.partition(".")[0])
        await here.client.delete(BootstrapToken, expired.metadata.name)
        gone = BootstrapToken(metadata=ObjectMeta(name=expired.metadata.name), spec=expired.spec)
        gone.spec.expiration.CopyFrom(clock.timestamp(clock.now() - timedelta(seconds=1)))
        await here.client.create(gone)
        await here.client.delete(BootstrapToken, revoked.partition(".")[0])
        forged = good[:-1] + ("0" if good[-1] != "0" else "1")
        for token in (old, revoked, forged, "abcdef.0123456789abcdef", "nonsense", "x" * 4000):
            said = await told(here.token_address, Identity(here.authority.pem, token=token))
            assert said.startswith("Unauthorized: Unauthorized: the token is not known here")
        bare = await told(here.token_address, Identity(here.authority.pem))
        assert "show a client certificate, or a token" in bare
        guest = Identity(here.authority.pem, token=good)
        assert "the server hung up: its port wants a client certificate" in await told(
            here.address, guest
        )
        async with connect(here.token_address, guest) as client:
            assert (await client.version()).port == int(here.address.rpartition(":")[2])

    run(tmp_path, scenario)


def test_a_certificate_at_the_port_for_tokens_counts_for_nothing(tmp_path: Path) -> None:
    async def scenario(here: Cluster) -> None:
        async with connect(here.token_address, admin_of(here.data_dir)) as client:
            with pytest.raises(Unauthorized):
                await client.get(Namespace, "default")

    run(tmp_path, scenario)


def test_expired_tokens_are_swept_away(tmp_path: Path) -> None:
    async def scenario(here: Cluster) -> None:
        token = await here.token(life=1)
        while True:
            try:
                await here.client.get(BootstrapToken, token.partition(".")[0])
            except NotFound:
                return
            await asyncio.sleep(0.05)

    run(tmp_path, scenario)


def test_secrets_of_tokens_are_not_kept(tmp_path: Path) -> None:
    async def scenario(here: Cluster) -> None:
        name, _, secret = (await here.token()).partition(".")
        kept = await here.client.get(BootstrapToken, name)
        assert secret.encode() not in kept.SerializeToString()

    run(tmp_path, scenario)


# Joining


def test_a_machine_joins_and_is_that_node_and_no_other(tmp_path: Path) -> None:
    async def scenario(here: Cluster) -> None:
        folder = tmp_path / "n1"
        assert await join(await here.invitation(), "n1", folder) == here.address
        assert {p.stat().st_mode & 0o777 for p in folder.glob("*.pem")} == {0o600}
        mine = Credentials(folder, "n1")
        assert holder_of(mine.identity.certificate).groups == ("system:nodes",)
        async with connect(here.address, mine.identity) as client:
            await client.create(Node(metadata=ObjectMeta(name="n1")))
            with pytest.raises(Refused, match="system:node:n1 may not be node n2"):
                await client_pair(client, "n2", new_key())
            with pytest.raises(Refused, match="system:node:n1 may not be node n2"):
                await serving_pair(client, "n2")
            await client_pair(client, "n1", new_key())
        with pytest.raises(CannotJoin, match="helmling delete node n1"):
            await join(await here.invitation(), "n1", tmp_path / "thief")
        assert not (tmp_path / "thief").exists()
        await here.client.delete(Node, "n1")
        await join(await here.invitation(), "n1", tmp_path / "heir")

    run(tmp_path, scenario)


def test_who_asked_is_not_the_clients_to_say(tmp_path: Path) -> None:
    async def scenario(here: Cluster) -> None:
        spec = CertificateSigningRequestSpec(
            request=signing_request(new_key(), "system:node:n9", ["system:nodes"]),
            signerName=NODE_CLIENT,
            usages=USAGES[NODE_CLIENT],
            username="system:node:n9",
            groups=["system:nodes", "system:bootstrappers"],
        )
        asked = CertificateSigningRequest(metadata=ObjectMeta(name="liar"), spec=spec)
        asked.status.certificate = b"mine"
        asked.status.conditions.add(type="Approved", status="True")
        binding = ClusterRoleBinding(
            metadata=ObjectMeta(name="dev"),
            subjects=[Subject(kind="Group", name="dev")],
            roleRef=RoleRef(kind="ClusterRole", name="system:node-bootstrapper"),
        )
        await here.client.create(binding)
        async with connect(here.address, here.identity("jane", "dev")) as client:
            made = await client.create(asked)
        assert made.spec.username == "jane"
        assert list(made.spec.groups) == ["dev", "system:authenticated"]
        assert not made.status.certificate
        assert not made.status.conditions

    run(tmp_path, scenario)


def test_an_impostor_learns_nothing(tmp_path: Path) -> None:
    """Somebody answers in the cluster's place: the machine sees it by the pin, and says nothing to him."""

    async def scenario(here: Cluster) -> None:
        fake = STRANGER.issue(Wanted("kube-apiserver", hosts=["127.0.0.1"], uses=("server",)))
        invitation = await here.invitation()
        with (
            impostor(*fake, chain=STRANGER.pem) as (address, heard),
            pytest.raises(CannotJoin, match="is not of the cluster that this token was made by"),
        ):
            await join(replace(invitation, address=address), "n1", tmp_path / "n1")
        assert heard == [b""]

    run(tmp_path, scenario)


def test_a_machine_with_half_a_token_does_not_even_knock(tmp_path: Path) -> None:
    async def scenario(here: Cluster) -> None:
        invitation = await here.invitation()
        short = replace(invitation, token=invitation.token[:-1])
        with pytest.raises(CannotJoin, match="to be copied whole"):
            await join(short, "n1", tmp_path / "n1")
        nobody = replace(invitation, address="127.0.0.1:1")
        with pytest.raises(CannotJoin, match="cannot reach the server"):
            await join(nobody, "n1", tmp_path / "n1")
        strange = replace(
            invitation, token="HL1" + here.authority.fingerprint + "::abcdef.0123456789abcdef"
        )
        with pytest.raises(
            CannotJoin, match="Make a new one on the cluster: helmling token create"
        ):
            await join(strange, "n1", tmp_path / "n1")

    run(tmp_path, scenario)


@contextmanager
def impostor(
    certificate: bytes, key: bytes, chain: bytes = b""
) -> Iterator[tuple[str, list[bytes]]]:
    """A TLS server with this certificate: its address, and what each of its guests has told it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2"])
    heard: list[bytes] = []
    with pem_file(certificate + chain + key) as path:
        context.load_cert_chain(path)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve_all() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(plain, server_side=True) as guest:
                    heard.append(guest.recv(4096))
            except OSError:
                continue

    thread = threading.Thread(target=serve_all)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}", heard
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@contextmanager
def pem_file(content: bytes) -> Iterator[str]:
    import tempfile

    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        yield file.name


# Agents


@asynccontextmanager
async def agent(credentials: Credentials) -> AsyncIterator[int]:
    """The streams of an agent that has no pods."""
    streams = Streams(Targets(list), HollowRuntime())
    async with listening(streams, "127.0.0.1:0", credentials.door(), admit) as port:
        yield port


async def logs(port: int, node: str, identity: Identity) -> ApiError:
    """How an agent refuses."""
    options = [*rpc.CHANNEL_OPTIONS, ("grpc.ssl_target_name_override", agent_host(node))]
    credentials = identity.channel_credentials()
    async with grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials, options) as channel:
        target = ContainerTarget(namespace="default", pod="web", container="app")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await rpc.aio_stub(channel, "Streams").Logs(LogsRequest(target=target)).read()
        return rpc.error_of(caught.value)


def test_an_agent_obeys_the_api_server_and_nobody_else(tmp_path: Path) -> None:
    async def scenario(here: Cluster) -> None:
        await join(await here.invitation(), "n1", tmp_path / "n1")
        await join(await here.invitation(), "n2", tmp_path / "n2")
        mine, other = Credentials(tmp_path / "n1", "n1"), Credentials(tmp_path / "n2", "n2")
        async with agent(mine) as port:
            server = here.identity("kube-apiserver-kubelet-client")
            assert isinstance(
                await logs(port, "n1", server), NotFound
            )  # let in; there is no such pod
            assert isinstance(await logs(port, "n1", admin_of(here.data_dir)), NotFound)
            for intruder in (other.identity, mine.identity, here.identity("jane", "system:nodes")):
                refusal = await logs(port, "n1", intruder)
                assert isinstance(refusal, Forbidden)
                assert "that is the API server's to do" in refusal.message
            foreign = here.identity("kube-apiserver-kubelet-client", ca=STRANGER)
            for nobody in (Identity(here.authority.pem), foreign):
                assert isinstance(await logs(port, "n1", nobody), Unavailable)
            assert isinstance(await logs(port, "n2", server), Unavailable)  # it is n1, not n2

    run(tmp_path, scenario)


# Renewal


def test_certificates_of_seconds_and_no_call_fails(tmp_path: Path) -> None:
    """Server, administrator and node are renewed again and again under a client that never stops."""

    async def scenario(here: Cluster) -> None:
        await join(await here.invitation(), "n1", tmp_path / "n1")
        mine = Credentials(tmp_path / "n1", "n1")
        seen: set[bytes] = set()
        async with connect(here.address, mine.identity) as client, agent(mine) as port:
            mine.renewed = client.become
            async with asyncio.TaskGroup() as tasks:
                itself = Selection(fields="metadata.name=n1")
                informer = Informer(
                    client, Node, itself
                )  # its watch goes on, whatever the connection
                running = [tasks.create_task(loop) for loop in (mine.run(client), informer.run())]
                while len(seen) < 3:
                    seen.add(mine.identity.certificate)
                    await client.version()
                    await here.alive()  # a new handshake, with what admin.conf says now
                    assert isinstance(await logs(port, "n1", admin_of(here.data_dir)), NotFound)
                    await asyncio.sleep(0.02)
                await client.create(Node(metadata=ObjectMeta(name="n1")))
                await until(lambda: "n1" in informer.objects)
                for task in running:
                    task.cancel()
            first = Credentials(tmp_path / "n1", "n1")
            assert first.identity == mine.identity

    run(tmp_path, scenario, life=timedelta(seconds=8))


async def _ask_for_ever(client: GrpcClient) -> None:
    while True:
        await client.get(Namespace, "default")
        await asyncio.sleep(0.05)


def test_a_connection_ends_with_its_certificate(tmp_path: Path) -> None:
    async def scenario(here: Cluster) -> None:
        async with connect(here.address, here.identity("jane", "system:masters", life=3)) as client:
            await client.get(Namespace, "default")
            with pytest.raises(Unauthorized, match="the certificate of jane expired"):
                await _ask_for_ever(client)

    run(tmp_path, scenario)
