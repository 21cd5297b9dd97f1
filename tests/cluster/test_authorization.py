"""A hostile matrix: who may not, is refused with a sentence, over the wire; and what is allowed works.

The API server with both doors, the tokens of ServiceAccounts, and users with certificates of the cluster's authority.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import grpc
import grpc.aio
import pytest

from api import clock, kinds, rpc
from api.certificates import new_key
from api.client import Delete, Selection, Write
from api.errors import ApiError, Conflict, Forbidden, Invalid, NotFound, Unauthorized
from api.grpc_client import GrpcClient, connect
from api.identities import NODE_PREFIX, NODES
from api.informer import Informers
from api.jsonform import to_json
from api.tls import Identity
from control_plane.apiserver.server import ApiServer, Door
from control_plane.controllers import aggregation, everywhere
from control_plane.pki.serviceaccounts import ISSUER, AccountTokens, Key
from control_plane.store.memory import MemoryStore
from proto.v1 import service_pb2 as pb
from proto.v1.authentication_pb2 import (
    BoundObjectReference,
    SelfSubjectReview,
    ServiceAccount,
    TokenRequest,
    TokenRequestSpec,
    TokenReview,
    TokenReviewSpec,
)
from proto.v1.cluster_pb2 import Event, Lease, Namespace, Node
from proto.v1.config_pb2 import ConfigMap, Secret
from proto.v1.meta_pb2 import ObjectMeta, ObjectReference
from proto.v1.pod_pb2 import Pod
from proto.v1.rbac_pb2 import (
    AggregationRule,
    ClusterRole,
    ClusterRoleBinding,
    PolicyRule,
    ResourceAttributes,
    Role,
    RoleBinding,
    RoleRef,
    SelfSubjectAccessReview,
    SelfSubjectAccessReviewSpec,
    Subject,
    SubjectAccessReview,
    SubjectAccessReviewSpec,
)
from tests import pki
from tests.apiserver import nothing_left, pod

PODS = PolicyRule(verbs=["get", "list", "watch"], apiGroups=[""], resources=["pods"])
SECRETS = PolicyRule(verbs=["get"], apiGroups=[""], resources=["secrets"])
MANAGES_ROLES = PolicyRule(
    verbs=["get", "create", "update", "patch", "delete"],
    apiGroups=[kinds.RBAC],
    resources=["roles", "rolebindings"],
)
FORGER = Key(new_key())


@dataclass
class World:
    server: ApiServer
    root: GrpcClient
    address: str
    token_address: str
    key: Key

    def by(self, name: str, *groups: str) -> GrpcClient:
        return connect(self.address, pki.identity(name, groups))

    def agent(self, node: str) -> GrpcClient:
        return self.by(NODE_PREFIX + node, NODES)

    def with_token(self, token: str) -> GrpcClient:
        return connect(self.token_address, Identity(pki.authority().pem, token=token))

    async def may(self, user: str, verb: str, resource: str, namespace: str = "default") -> bool:
        attributes = ResourceAttributes(verb=verb, resource=resource, namespace=namespace)
        spec = SubjectAccessReviewSpec(resourceAttributes=attributes, user=user)
        return (await self.root.create(SubjectAccessReview(spec=spec))).status.allowed

    async def give(self, user: str, *rules: PolicyRule, namespace: str = "default") -> None:
        """Rules to a user; returns when they count (the watch cache follows the store)."""
        meta = ObjectMeta(name=f"of-{user}", namespace=namespace)
        await self.root.create(Role(metadata=meta, rules=rules))
        await self.root.create(binding(f"of-{user}", user, namespace=namespace))
        await self.follow()

    async def follow(self) -> None:
        """Until the cache shows all that was written."""
        store_revision = await self.server.cache._store.revision()
        assert await self.server.cache.reach(store_revision, 10)


def binding(
    role: str, user: str, *, kind: str = "Role", namespace: str = "default", name: str = ""
) -> RoleBinding:
    return RoleBinding(
        metadata=ObjectMeta(name=name or f"to-{user}", namespace=namespace),
        subjects=[Subject(kind="User", name=user)],
        roleRef=RoleRef(kind=kind, name=role),
    )


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    server, key = ApiServer(MemoryStore(), mount_tokens=True), Key(new_key())
    accounts = AccountTokens(key, server.client)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(server.run())]
        await server.prepare()
        informers = Informers(server.client)
        authorities = partial(everywhere.authorities, ca="the certificate")
        parts = (aggregation.run, everywhere.accounts, authorities)
        running += [tasks.create_task(part(server.client, informers)) for part in parts]
        running.append(tasks.create_task(informers.run()))
        doors = (
            Door("127.0.0.1:0", pki.door()),
            Door("127.0.0.1:0", pki.door(certificates=False)),
        )
        async with server.listening(
            *doors, to_agents=pki.to_agents, tokens=[accounts], accounts=accounts
        ) as ports:
            address, token_address = (f"127.0.0.1:{port}" for port in ports)
            async with connect(address, pki.admin()) as root:
                yield World(server, root, address, token_address, key)
        for task in running:
            task.cancel()


def run(scenario: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(90), world() as here:
            await scenario(here)
        await nothing_left()

    try:
        asyncio.run(main())
    finally:
        clock.use(None)


async def eventually(holds: Callable[[], Coroutine[Any, Any, bool]]) -> None:
    """Wait for what only a question to the server tells; how long is the scenario's timeout to say."""
    while not await holds():  # noqa: ASYNC110 (nobody would set an event)
        await asyncio.sleep(0.01)


async def refused(call: Any, why: type[ApiError] = Forbidden) -> str:
    """The sentence with which a call is refused."""
    with pytest.raises(why) as caught:
        await call
    return str(caught.value)


def role(name: str, *rules: PolicyRule, namespace: str = "default") -> Role:
    return Role(metadata=ObjectMeta(name=name, namespace=namespace), rules=rules)


# Users


def test_a_user_without_a_right_is_refused_every_verb() -> None:
    async def scenario(here: World) -> None:
        await here.root.create(pod("web"))
        async with here.by("jane") as jane:
            told = (
                'User "jane" cannot {} resource "pods" in API group "" in the namespace "default"'
            )
            everywhere_ = Selection(namespace="default")
            calls: dict[str, Any] = {
                "get": jane.get(Pod, "web", "default"),
                "list": jane.list(Pod, everywhere_),
                "create": jane.create(pod("x")),
                "update": jane.update(pod("web")),
                "patch": jane.patch(Pod, "web", "default", {}),
                "delete": jane.delete(Pod, "web", "default"),
                "watch": anext(jane.watch(Pod, everywhere_, version="")),
            }
            for verb, call in calls.items():
                assert told.format(verb) in await refused(call)
            assert "pods/status" in await refused(jane.update(pod("web"), subresource="status"))
            assert "pods/eviction" in await refused(jane.evict("default", "web"))
            assert "pods/binding" in await refused(jane.bind("default", "web", "", "n1"))
            assert "at the cluster scope" in await refused(jane.list(Pod))
        assert [each.metadata.name for each in (await here.root.list(Pod)).items] == ["web"]

    run(scenario)


def test_an_item_of_a_batch_is_a_request_like_any_other() -> None:
    async def scenario(here: World) -> None:
        await here.give("jane", PolicyRule(verbs=["create"], apiGroups=[""], resources=["pods"]))
        async with here.by("jane") as jane:
            secret = Secret(metadata=ObjectMeta(name="s", namespace="default"))
            made, refusal = await jane.batch([Write("create", pod("a")), Write("create", secret)])
            assert isinstance(made, Pod)
            assert isinstance(refusal, Forbidden)
            assert 'secrets is forbidden: User "jane" cannot create resource "secrets"' in str(
                refusal
            )

    run(scenario)


def test_streams_are_rights_of_their_own() -> None:
    async def scenario(here: World) -> None:
        await here.root.create(pod("web"))
        await here.give("jane", PolicyRule(verbs=["*"], apiGroups=[""], resources=["pods"]))
        target = pb.ContainerTarget(namespace="default", pod="web")
        opened = pb.ExecRequest(open=pb.ExecOpen(target=target, command=["id"]))
        forward = pb.PortForwardRequest(
            open=pb.PortForwardOpen(namespace="default", pod="web", port=80)
        )
        credentials = pki.identity("jane").channel_credentials()
        async with grpc.aio.secure_channel(
            here.address, credentials, options=rpc.CHANNEL_OPTIONS
        ) as channel:
            streams = rpc.aio_stub(channel, "Streams")
            calls = {
                'get resource "pods/log"': streams.Logs(pb.LogsRequest(target=target)),
                'create resource "pods/exec"': streams.Exec(iter([opened])),
                'create resource "pods/attach"': streams.Attach(iter([opened])),
                'create resource "pods/portforward"': streams.PortForward(iter([forward])),
            }
            for right, call in calls.items():
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    async for _ in call:
                        pass
                assert f'User "jane" cannot {right}' in str(rpc.error_of(caught.value))

    run(scenario)


def test_rights_end_when_they_are_taken_away() -> None:
    async def scenario(here: World) -> None:
        await here.give("jane", PODS)
        async with here.by("jane") as jane:
            assert (await jane.list(Pod, Selection(namespace="default"))).items == []
            await here.root.delete(RoleBinding, "to-jane", "default")
            await here.follow()
            await refused(jane.list(Pod, Selection(namespace="default")))

    run(scenario)


def test_an_object_by_its_name_and_nothing_else() -> None:
    async def scenario(here: World) -> None:
        for name in ("mine", "other"):
            await here.root.create(ConfigMap(metadata=ObjectMeta(name=name, namespace="default")))
        verbs = ["get", "list", "update"]
        one = PolicyRule(
            verbs=verbs, apiGroups=[""], resources=["configmaps"], resourceNames=["mine"]
        )
        await here.give("jane", one)
        async with here.by("jane") as jane:
            assert (await jane.get(ConfigMap, "mine", "default")).metadata.name == "mine"
            which = Selection(namespace="default", fields="metadata.name=mine")
            assert len((await jane.list(ConfigMap, which)).items) == 1
            await refused(jane.get(ConfigMap, "other", "default"))
            await refused(jane.list(ConfigMap, Selection(namespace="default")))
            await refused(jane.delete(ConfigMap, "mine", "default"))

    run(scenario)


# Escalation


def test_nobody_grants_what_he_does_not_have() -> None:
    async def scenario(here: World) -> None:
        await here.give("jane", PODS, MANAGES_ROLES)
        await here.root.create(role("secrets", SECRETS))
        await here.follow()
        async with here.by("jane") as jane:
            await jane.create(
                role("fine", PolicyRule(verbs=["get"], apiGroups=[""], resources=["pods"]))
            )
            told = await refused(jane.create(role("greedy", PODS, SECRETS)))
            assert told == (
                'roles.rbac.authorization.k8s.io "greedy" is forbidden: user "jane" '
                '(groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n'
                '{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}'
            )
            fine = await jane.get(Role, "fine", "default")
            fine.rules.append(PolicyRule(verbs=["*"], apiGroups=["*"], resources=["*"]))
            assert "not currently held" in await refused(jane.update(fine))
            change = {"rules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]}
            assert "not currently held" in await refused(
                jane.patch(Role, "fine", "default", change)
            )
            for kind, name in (("Role", "secrets"), ("ClusterRole", "cluster-admin")):
                attempt = binding(name, "jane", kind=kind, name="gift")
                assert "not currently held" in await refused(jane.create(attempt))
            missing = await refused(jane.create(binding("nobody", "jane", name="x")), NotFound)
            assert 'roles.rbac.authorization.k8s.io "nobody" not found' in missing
        assert not await here.may("jane", "get", "secrets")

    run(scenario)


def test_bind_and_escalate_are_rights_to_do_just_that() -> None:
    async def scenario(here: World) -> None:
        bind = PolicyRule(
            verbs=["bind"], apiGroups=[kinds.RBAC], resources=["roles"], resourceNames=["secrets"]
        )
        escalate = PolicyRule(verbs=["escalate"], apiGroups=[kinds.RBAC], resources=["roles"])
        await here.root.create(role("secrets", SECRETS))
        await here.root.create(role("more", SECRETS))
        await here.give("jane", MANAGES_ROLES, bind)
        await here.give("joe", MANAGES_ROLES, escalate)
        async with here.by("jane") as jane, here.by("joe") as joe:
            await jane.create(binding("secrets", "jim", name="gift"))
            await refused(jane.create(binding("more", "jim", name="gift-2")))
            await refused(jane.create(role("own", SECRETS)))
            await joe.create(role("own", SECRETS))
            await refused(joe.create(binding("own", "joe", name="gift-3")))
        await here.follow()
        assert await here.may("jim", "get", "secrets")

    run(scenario)


def test_aggregation_is_no_way_around() -> None:
    async def scenario(here: World) -> None:
        rules = [PolicyRule(verbs=["*"], apiGroups=[kinds.RBAC], resources=["clusterroles"])]
        await here.root.create(ClusterRole(metadata=ObjectMeta(name="roles"), rules=rules))
        await here.root.create(
            ClusterRoleBinding(
                metadata=ObjectMeta(name="roles"),
                subjects=[Subject(kind="User", name="jane")],
                roleRef=RoleRef(kind="ClusterRole", name="roles"),
            )
        )
        await here.follow()
        # The verb * holds escalate too: whoever gives it away gives all.
        async with here.by("jane") as jane:
            await jane.create(ClusterRole(metadata=ObjectMeta(name="x"), rules=[SECRETS]))
        await here.root.patch(
            ClusterRole, "roles", "", {"rules": [{"verbs": ["create", "update"], "apiGroups": [kinds.RBAC], "resources": ["clusterroles"]}]}
        )  # fmt: skip
        await here.follow()
        async with here.by("jane") as jane:
            united = ClusterRole(
                metadata=ObjectMeta(name="all"),
                aggregationRule=AggregationRule(clusterRoleSelectors=[{}]),
            )
            assert "must have cluster-admin privileges to use an aggregationRule" in await refused(
                jane.create(united)
            )

    run(scenario)


def test_nobody_becomes_somebody_else_uninvited() -> None:
    async def scenario(here: World) -> None:
        def ask_as(user: str, *groups: str) -> Any:
            said = [("impersonate-user", user), *(("impersonate-group", each) for each in groups)]
            return {"metadata": tuple(said)}

        async def who(caller: str, caller_groups: tuple[str, ...], **how: Any) -> list[str]:
            credentials = pki.identity(caller, caller_groups).channel_credentials()
            async with grpc.aio.secure_channel(
                here.address, credentials, options=rpc.CHANNEL_OPTIONS
            ) as channel:
                request = pb.CreateRequest(
                    target=rpc.target_of(SelfSubjectReview()), object=rpc.pack(SelfSubjectReview())
                )
                try:
                    answer = await rpc.aio_stub(channel).Create(request, **how)
                except grpc.aio.AioRpcError as failure:
                    raise rpc.error_of(failure) from None
            info = rpc.unpack(answer).status.userInfo
            return [info.username, *info.groups]

        assert await who("jane", ()) == ["jane", "system:authenticated"]
        told = await refused(who("jane", (), **ask_as("root", "system:masters")))
        assert told == (
            'users "root" is forbidden: User "jane" cannot impersonate resource "users" in API group "" '
            "at the cluster scope"
        )
        users = PolicyRule(verbs=["impersonate"], apiGroups=[""], resources=["users"])
        await here.root.create(ClusterRole(metadata=ObjectMeta(name="su"), rules=[users]))
        await here.root.create(
            ClusterRoleBinding(
                metadata=ObjectMeta(name="su"),
                subjects=[Subject(kind="User", name="jane")],
                roleRef=RoleRef(kind="ClusterRole", name="su"),
            )
        )
        await here.follow()
        assert await who("jane", (), **ask_as("bob")) == ["bob", "system:authenticated"]
        told = await refused(who("jane", (), **ask_as("bob", "system:masters")))
        assert 'cannot impersonate resource "groups"' in told
        as_admin = await who("root", ("system:masters",), **ask_as("bob", "dev"))
        assert as_admin == ["bob", "dev", "system:authenticated"]

    run(scenario)


# Roles that every cluster has


def test_admin_edit_and_view_grow_by_aggregation() -> None:
    async def scenario(here: World) -> None:
        async def rules(name: str) -> int:
            return len((await here.root.get(ClusterRole, name)).rules)

        async def grown() -> bool:
            return 0 < await rules("view") < await rules("edit") < await rules("admin")

        await eventually(grown)
        for name, user in (("view", "vera"), ("edit", "ed"), ("admin", "ada")):
            await here.root.create(binding(name, user, kind="ClusterRole"))
        await here.follow()
        rights = {
            ("list", "pods"): ["vera", "ed", "ada"],
            ("get", "secrets"): ["ed", "ada"],
            ("create", "pods"): ["ed", "ada"],
            ("create", "nodes"): [],
        }
        for (verb, resource), who in rights.items():
            may = [user for user in ("vera", "ed", "ada") if await here.may(user, verb, resource)]
            assert may == who, (verb, resource)
        assert not await here.may("ada", "list", "pods", "kube-system")

    run(scenario)


def test_what_may_i() -> None:
    async def scenario(here: World) -> None:
        async with here.by("jane") as jane:
            attributes = ResourceAttributes(verb="list", resource="pods", namespace="default")
            spec = SelfSubjectAccessReviewSpec(resourceAttributes=attributes)
            review = SelfSubjectAccessReview(spec=spec)
            assert not (await jane.create(review)).status.allowed
            await here.give("jane", PODS)
            status = (await jane.create(review)).status
            assert status.allowed
            assert status.reason == (
                'RBAC: allowed by RoleBinding "to-jane/default" of Role "of-jane" to User "jane"'
            )
            told = await refused(jane.create(SelfSubjectAccessReview()), Invalid)
            assert "spec: Required value" in told
            others = SubjectAccessReview(spec=SubjectAccessReviewSpec(user="bob"))
            assert "subjectaccessreviews" in await refused(jane.create(others))
            for verb in (jane.get, jane.delete):
                await refused(verb(SelfSubjectAccessReview, "x"))

    run(scenario)


# Nodes


def secret(name: str) -> Secret:
    return Secret(metadata=ObjectMeta(name=name, namespace="default"), data={"k": b"v"})


async def placed(here: World, name: str, node: str, secret_name: str) -> Pod:
    wanted = pod(name)
    wanted.spec.nodeName = node
    wanted.spec.volumes.add(name="s").secret.secretName = secret_name
    made = await here.root.create(wanted)
    await here.follow()
    return made


def test_a_node_among_others() -> None:
    async def scenario(here: World) -> None:
        for name in ("ours", "theirs"):
            await here.root.create(secret(name))
        await placed(here, "a", "n1", "ours")
        their_pod = await placed(here, "b", "n2", "theirs")
        async with here.agent("n1") as n1, here.agent("n2") as n2:
            mine = await n1.create(Node(metadata=ObjectMeta(name="n1")))
            await n2.create(Node(metadata=ObjectMeta(name="n2")))
            assert (await n1.get(Secret, "ours", "default")).data["k"] == b"v"
            told = await refused(n1.get(Secret, "theirs", "default"))
            assert "no relationship found between node 'n1' and this object" in told
            await refused(n1.list(Secret, Selection(namespace="default")))
            await refused(n1.list(Pod))
            which = Selection(fields="spec.nodeName=n1")
            assert [each.metadata.name for each in (await n1.list(Pod, which)).items] == ["a"]
            await refused(n1.list(Pod, Selection(fields="spec.nodeName=n2")))
            await refused(n1.get(Pod, "b", "default"))
            await refused(n1.update(their_pod, subresource="status"))
            await refused(n1.delete(Pod, "b", "default", Delete(grace=0)))
            their_node = await n2.get(Node, "n2")
            their_node.status.capacity["cpu"] = "99"
            told = await refused(n1.update(their_node, subresource="status"))
            assert 'node "n1" is not allowed to modify node "n2"' in told
            mine.metadata.labels["node-restriction.kubernetes.io/team"] = "x"
            assert "is not allowed to modify labels" in await refused(n1.update(mine))
            await refused(n1.create(pod("c")))
            lease = Lease(metadata=ObjectMeta(name="n2", namespace="kube-node-lease"))
            assert "same name as the requesting node" in await refused(n1.create(lease))
            lease.metadata.name = "n1"
            await n1.create(lease)
            about = ObjectReference(kind="Pod", name="a", namespace="default")
            meta = ObjectMeta(name="a.1", namespace="default")
            await n1.create(Event(metadata=meta, involvedObject=about, reason="R", type="Normal"))
            await n1.delete(Pod, "a", "default", Delete(grace=0))
            await here.follow()
            await refused(n1.get(Secret, "ours", "default"))

    run(scenario)


def test_a_node_gets_tokens_for_its_own_pods_only() -> None:
    async def scenario(here: World) -> None:
        mine = await placed(here, "a", "n1", "s")
        theirs = await placed(here, "b", "n2", "s")
        async with here.agent("n1") as n1:
            answer = await n1.create(token_for(mine))
            async with here.with_token(answer.status.token) as inside:
                review = await inside.create(SelfSubjectReview())
            info = review.status.userInfo
            assert info.username == "system:serviceaccount:default:default"
            assert to_json(info)["extra"]["authentication.kubernetes.io/pod-name"] == ["a"]
            assert "scheduled on a different node" in await refused(n1.create(token_for(theirs)))
            unbound = TokenRequest(metadata=ObjectMeta(name="default", namespace="default"))
            assert "not bound to a pod" in await refused(n1.create(unbound))
            other = TokenRequest(metadata=ObjectMeta(name="default", namespace="kube-system"))
            assert "no relationship found" in await refused(n1.create(other))

    run_with_accounts(scenario)


def run_with_accounts(scenario: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    async def whole(here: World) -> None:
        async def there() -> bool:
            which = Selection(namespace="default")
            return bool((await here.root.list(ServiceAccount, which)).items)

        await eventually(there)
        await scenario(here)

    run(whole)


def token_for(bound: Pod | None = None, *, seconds: int = 3600) -> TokenRequest:
    spec = TokenRequestSpec(expirationSeconds=seconds)
    if bound is not None:
        meta = bound.metadata
        spec.boundObjectRef.CopyFrom(
            BoundObjectReference(kind="Pod", apiVersion="v1", name=meta.name, uid=meta.uid)
        )
    return TokenRequest(metadata=ObjectMeta(name="default", namespace="default"), spec=spec)


# Tokens


async def knocks(here: World, token: str) -> str:
    """What somebody with this token is told; "": he is let in."""
    async with here.with_token(token) as client:
        try:
            await client.create(SelfSubjectReview())
        except Unauthorized as error:
            return error.message
    return ""


def test_a_token_ends_with_its_time_its_pod_and_its_account() -> None:
    async def scenario(here: World) -> None:
        alive = await placed(here, "a", "n1", "s")
        of_pod = (await here.root.create(token_for(alive))).status.token
        short = (await here.root.create(token_for(seconds=600))).status.token
        free = (await here.root.create(token_for(seconds=86400))).status.token
        assert [await knocks(here, token) for token in (of_pod, short, free)] == ["", "", ""]
        real = clock.now
        now = real()
        clock.use(lambda: now + timedelta(seconds=601))
        assert "has expired, or was revoked" in await knocks(here, short)
        clock.use(None)
        await here.root.delete(Pod, "a", "default", Delete(grace=0))
        again = await placed(here, "a", "n1", "s")
        assert again.metadata.uid != alive.metadata.uid
        assert await knocks(here, of_pod) != "", "another pod of its name is another pod"
        assert await knocks(here, free) == ""
        account = await here.root.get(ServiceAccount, "default", "default")
        await here.root.delete(ServiceAccount, "default", "default")

        async def another() -> bool:
            """The controller has made one."""
            found = (await here.root.list(ServiceAccount, Selection(namespace="default"))).items
            return bool(found) and found[0].metadata.uid != account.metadata.uid

        await eventually(another)
        assert await knocks(here, free) != ""

    run_with_accounts(scenario)


def test_forged_tokens() -> None:
    async def scenario(here: World) -> None:
        token = (await here.root.create(token_for())).status.token
        claims = here.key.read(token)
        header, body, signature = token.split(".")
        forged = FORGER.sign(claims)
        elsewhere = here.key.sign(claims | {"iss": "https://else.where"})
        for bad in (
            forged,
            f"{forged.split('.')[0]}.{body}.{signature}",
            f"eyJhbGciOiJub25lIn0.{body}.",
            f"{header}.{forged.split('.')[1]}.{signature[:-2]}AA",
            here.key.sign(claims | {"aud": ["somebody-else"]}),
            here.key.sign(claims | {"nbf": claims["exp"]}),
            here.key.sign({**claims, "kubernetes.io": {}}),
            here.key.sign({}),
            elsewhere,
            "ey..",
            "abc",
        ):
            assert "the token is not known here" in await knocks(here, bad), bad
        assert await knocks(here, token) == ""

    run_with_accounts(scenario)


def test_a_token_for_others_is_reviewed_by_those_who_may() -> None:
    async def scenario(here: World) -> None:
        request = token_for()
        request.spec.audiences.append("vault")
        token = (await here.root.create(request)).status.token
        assert await knocks(here, token) != "", "it is not meant for the API server"
        spec = TokenReviewSpec(token=token, audiences=["vault", "other"])
        status = (await here.root.create(TokenReview(spec=spec))).status
        assert status.authenticated
        assert status.user.username == "system:serviceaccount:default:default"
        assert list(status.audiences) == ["vault"]
        spec = TokenReviewSpec(token=token, audiences=[ISSUER])
        status = (await here.root.create(TokenReview(spec=spec))).status
        assert not status.authenticated
        assert status.error
        async with here.by("jane") as jane:
            await refused(jane.create(TokenReview(spec=spec)))

    run_with_accounts(scenario)


def test_what_a_token_cannot_be_asked_for() -> None:
    async def scenario(here: World) -> None:
        told = await refused(here.root.create(token_for(seconds=599)), Invalid)
        assert "may not specify a duration less than 10 minutes" in told
        nobody = token_for()
        nobody.metadata.name = "nobody"
        await refused(here.root.create(nobody), NotFound)
        made = await placed(here, "a", "n1", "s")
        wrong = token_for(made)
        wrong.spec.boundObjectRef.uid = "another"
        assert "does not match the UID in record" in await refused(
            here.root.create(wrong), Conflict
        )
        async with here.by("jane") as jane:
            told = await refused(jane.create(token_for()))
            assert 'cannot create resource "serviceaccounts/token"' in told

    run_with_accounts(scenario)


# ServiceAccounts in namespaces and pods


def test_every_namespace_has_a_default_account() -> None:
    async def scenario(here: World) -> None:
        await here.root.create(Namespace(metadata=ObjectMeta(name="shop")))

        async def names() -> set[str]:
            found = (await here.root.list(ServiceAccount)).items
            return {each.metadata.namespace for each in found if each.metadata.name == "default"}

        async def everywhere_there() -> bool:
            return {"shop", "default", "kube-system"} <= await names()

        await eventually(everywhere_there)

    run(scenario)


def test_whom_to_believe_is_told_in_every_namespace_and_put_back() -> None:
    async def scenario(here: World) -> None:
        async def told() -> str:
            try:
                found = await here.root.get(ConfigMap, "kube-root-ca.crt", "default")
            except NotFound:
                return ""
            return found.data["ca.crt"]

        async def right() -> bool:
            return await told() == "the certificate"

        await eventually(right)
        change = {"data": {"ca.crt": "another"}}
        await here.root.patch(ConfigMap, "kube-root-ca.crt", "default", change)
        await eventually(right)
        await here.root.delete(ConfigMap, "kube-root-ca.crt", "default")
        await eventually(right)

    run(scenario)


def test_a_pod_of_an_account_that_is_not_there_is_refused() -> None:
    async def scenario(here: World) -> None:
        wanted = pod("web")
        wanted.spec.serviceAccountName = "robot"
        assert await refused(here.root.create(wanted)) == (
            'pods "web" is forbidden: error looking up service account default/robot: '
            'serviceaccount "robot" not found'
        )
        await here.root.create(
            ServiceAccount(metadata=ObjectMeta(name="robot", namespace="default"))
        )
        made = await here.root.create(wanted)
        assert made.spec.serviceAccountName == "robot"
        assert made.spec.containers[0].volumeMounts[0].mountPath.endswith("/serviceaccount")

    run(scenario)


def test_a_right_to_a_part_is_no_right_to_the_whole() -> None:
    async def scenario(here: World) -> None:
        await here.root.create(pod("web"))
        logs = PolicyRule(verbs=["*"], apiGroups=[""], resources=["pods/log", "pods/none"])
        await here.give("jane", logs)
        credentials = pki.identity("jane").channel_credentials()
        async with grpc.aio.secure_channel(
            here.address, credentials, options=rpc.CHANNEL_OPTIONS
        ) as channel:
            for part in ("log", "none"):
                target = rpc.target_of_kind(Pod, "web", "default", part)
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await rpc.aio_stub(channel).Get(pb.GetRequest(target=target))
                error = rpc.error_of(caught.value)
                assert error.message == f"get is not supported on pods/{part}"

    run(scenario)
