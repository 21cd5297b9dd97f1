"""What every client promises, in the server's process and over the wire, on every kind of store.

The same scenarios run over {local, grpc} × {memory, SQLite}, and once more on etcd. They are the behaviour
that a Kubernetes user knows; S#n is the row of the checklist.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from api import rpc
from api.client import Delete, Selection, WatchEvent, Write
from api.errors import (
    AlreadyExists,
    ApiError,
    BadRequest,
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    MethodNotAllowed,
    NotFound,
    Timeout,
    TooManyRequests,
)
from control_plane.apiserver import reads
from proto.v1.apps_pb2 import Deployment, ReplicaSet, Scale
from proto.v1.cluster_pb2 import Event, Lease, LeaseSpec, Namespace, Node
from proto.v1.meta_pb2 import ObjectMeta, ObjectReference
from proto.v1.pod_pb2 import Pod
from proto.v1.policy_pb2 import PodDisruptionBudget
from tests.apiserver import World, pod, run_scenario
from tests.etcd_server import EtcdServers

Scenario = Callable[[World], Coroutine[Any, Any, None]]
Run = Callable[[Scenario], None]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits three seconds here for a future that does not come."""
    monkeypatch.setattr(reads, "PATIENCE", 0.2)


@pytest.fixture(
    params=[
        "local-memory",
        "local-sqlite",
        "grpc-memory",
        "grpc-sqlite",
        pytest.param("local-etcd", marks=pytest.mark.etcd),
    ]
)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    client, store = request.param.split("-")
    url = {"memory": "memory://", "sqlite": f"sqlite://{tmp_path}/store.db"}.get(store)
    if url is None:
        servers: EtcdServers = request.getfixturevalue("etcd")
        servers.delete_everything()
        url = servers.url
    return lambda scenario: run_scenario(url, client == "grpc", scenario)


def node(name: str = "n1") -> Node:
    return Node(metadata=ObjectMeta(name=name))


async def seen(world: World, kind: Any, which: Selection, version: str, count: int) -> list[Any]:
    """The first `count` events after `version`, as (type, name)."""
    found: list[Any] = []
    async with asyncio.timeout(30), aclosing(watch(world, kind, which, version)) as batches:
        async for batch in batches:
            found += [
                (e.type, e.object.metadata.name, e.object.metadata.resourceVersion) for e in batch
            ]
            if len(found) >= count:
                break
    return found


def watch(world: World, kind: Any, which: Selection, version: str) -> Any:
    return world.client.watch(kind, which, version=version)


# Create


def test_create_gives_identity_defaults_and_a_first_version(run: Run) -> None:
    """S#1, S#17: the answer shows what the server added, and it is what is stored."""

    async def scenario(world: World) -> None:
        asked = pod()
        made = await world.client.create(asked)
        assert asked == pod(), "the caller's object is not touched"
        meta = made.metadata
        assert (made.apiVersion, made.kind) == ("v1", "Pod")
        assert len(meta.uid) == 36
        assert meta.generation == 1
        assert meta.creationTimestamp.seconds > 0
        assert int(meta.resourceVersion) > 0
        assert made.status.phase == "Pending"
        assert made.spec.restartPolicy == "Always"
        assert made == await world.client.get(Pod, "web", "default")

    run(scenario)


def test_what_the_server_owns_is_not_the_clients_to_set(run: Run) -> None:
    async def scenario(world: World) -> None:
        asked = pod()
        asked.metadata.uid = "mine"
        asked.metadata.resourceVersion = "7"
        asked.metadata.generation = 99
        asked.metadata.deletionTimestamp.seconds = 1
        asked.status.phase = "Running"
        made = await world.client.create(asked)
        assert made.metadata.uid != "mine"
        assert made.metadata.generation == 1
        assert not made.metadata.HasField("deletionTimestamp")
        assert made.status.phase == "Pending"

    run(scenario)


def test_create_existing_is_refused(run: Run) -> None:
    """S#3"""

    async def scenario(world: World) -> None:
        await world.client.create(pod())
        with pytest.raises(AlreadyExists, match=r'^pods "web" already exists$') as caught:
            await world.client.create(pod())
        assert (caught.value.kind, caught.value.name) == ("pods", "web")

    run(scenario)


def test_create_over_one_that_is_going_says_so(run: Run) -> None:
    async def scenario(world: World) -> None:
        held = pod()
        held.metadata.finalizers.append("example.com/hold")
        await world.client.create(held)
        await world.client.delete(Pod, "web", "default")
        with pytest.raises(AlreadyExists, match=r'object is being deleted: pods "web" already'):
            await world.client.create(pod())

    run(scenario)


def test_generated_names_have_five_characters_and_differ(run: Run) -> None:
    """S#2"""

    async def scenario(world: World) -> None:
        asked = pod("")
        asked.metadata.generateName = "web-"
        made = [await world.client.create(asked) for _ in range(5)]
        names = {each.metadata.name for each in made}
        assert len(names) == 5
        assert all(name.startswith("web-") and len(name) == 9 for name in names)

    run(scenario)


def test_invalid_objects_are_refused_with_all_causes(run: Run) -> None:
    """S#3: every mistake, each with its field."""

    async def scenario(world: World) -> None:
        bad = pod("Bad_Name")
        bad.spec.containers[0].image = ""
        bad.spec.restartPolicy = "Sometimes"
        with pytest.raises(Invalid, match=r'^Pod "Bad_Name" is invalid: ') as caught:
            await world.client.create(bad)
        fields = {cause.field for cause in caught.value.causes}
        assert {"metadata.name", "spec.containers[0].image", "spec.restartPolicy"} <= fields

    run(scenario)


def test_missing_namespace_is_named(run: Run) -> None:
    async def scenario(world: World) -> None:
        with pytest.raises(NotFound, match=r'^namespaces "nowhere" not found$'):
            await world.client.create(pod(namespace="nowhere"))

    run(scenario)


# Get


def test_get_missing(run: Run) -> None:
    async def scenario(world: World) -> None:
        with pytest.raises(NotFound, match=r'^pods "web" not found$'):
            await world.client.get(Pod, "web", "default")
        with pytest.raises(NotFound, match=r'^leases.coordination.k8s.io "l" not found$'):
            await world.client.get(Lease, "l", "default")
        with pytest.raises(BadRequest, match="name may not be empty"):
            await world.client.get(Pod, "", "default")
        with pytest.raises(BadRequest, match="send the namespace"):
            await world.client.get(Pod, "web")

    run(scenario)


# Update


def test_update_with_a_stale_version_conflicts(run: Run) -> None:
    """S#4"""

    async def scenario(world: World) -> None:
        first = await world.client.create(pod())
        first.metadata.labels["a"] = "1"
        second = await world.client.update(first)
        assert int(second.metadata.resourceVersion) > int(first.metadata.resourceVersion)
        with pytest.raises(Conflict) as caught:
            await world.client.update(first)
        assert str(caught.value) == (
            'Operation cannot be fulfilled on pods "web": the object has been modified; '
            "please apply your changes to the latest version and try again"
        )

    run(scenario)


def test_update_without_a_version_is_unconditional(run: Run) -> None:
    """S#4: and concurrent ones all succeed."""

    async def scenario(world: World) -> None:
        await world.client.create(node())

        async def label(number: int) -> None:
            mine = node()
            mine.metadata.labels["n"] = str(number)
            await world.client.update(mine)

        async with asyncio.TaskGroup() as tasks:
            for number in range(20):
                tasks.create_task(label(number))
        assert (await world.client.get(Node, "n1")).metadata.labels["n"] in map(str, range(20))

    run(scenario)


def test_update_of_another_object_of_that_name_conflicts(run: Run) -> None:
    async def scenario(world: World) -> None:
        old = await world.client.create(pod())
        await world.client.delete(Pod, "web", "default")
        await world.client.create(pod())
        old.metadata.resourceVersion = ""
        with pytest.raises(Conflict, match="Precondition failed: UID in precondition: "):
            await world.client.update(old)

    run(scenario)


def test_update_missing(run: Run) -> None:
    async def scenario(world: World) -> None:
        with pytest.raises(NotFound, match=r'pods "web" not found'):
            await world.client.update(pod())

    run(scenario)


def test_an_update_that_changes_nothing_writes_nothing(run: Run) -> None:
    async def scenario(world: World) -> None:
        made = await world.client.create(pod())
        again = await world.client.update(made)
        assert again.metadata.resourceVersion == made.metadata.resourceVersion
        listed = await world.client.list(Pod)
        assert listed.version == made.metadata.resourceVersion, "nobody was told anything"

    run(scenario)


def test_spec_and_status_are_written_apart(run: Run) -> None:
    """S#12: and only the spec counts as a generation."""

    async def scenario(world: World) -> None:
        made = await world.client.create(node())
        made.spec.unschedulable = True
        made.status.capacity["cpu"] = "8"
        updated = await world.client.update(made)
        assert updated.spec.unschedulable
        assert not updated.status.capacity
        assert updated.metadata.generation == 2
        updated.spec.unschedulable = False
        updated.status.capacity["cpu"] = "8"
        updated = await world.client.update(updated, subresource="status")
        assert updated.spec.unschedulable
        assert updated.status.capacity["cpu"] == "8"
        assert updated.metadata.generation == 2
        updated.metadata.labels["zone"] = "a"
        assert (await world.client.update(updated)).metadata.generation == 2

    run(scenario)


def test_a_kind_without_status_has_no_such_part(run: Run) -> None:
    async def scenario(world: World) -> None:
        lease = Lease(metadata=ObjectMeta(name="l", namespace="default"))
        made = await world.client.create(lease)
        with pytest.raises(
            ApiError, match=r"update is not supported on leases.coordination.k8s.io/"
        ):
            await world.client.update(made, subresource="status")

    run(scenario)


# Delete


def test_delete_of_a_pod_nobody_runs_is_immediate(run: Run) -> None:
    async def scenario(world: World) -> None:
        made = await world.client.create(pod())
        gone = await world.client.delete(Pod, "web", "default")
        assert gone == made
        with pytest.raises(NotFound):
            await world.client.get(Pod, "web", "default")
        with pytest.raises(NotFound):
            await world.client.delete(Pod, "web", "default")

    run(scenario)


async def bound(world: World, name: str = "web") -> Pod:
    made = await world.client.create(pod(name))
    await world.client.bind("default", name, made.metadata.uid, "n1")
    return await world.client.get(Pod, name, "default")


def test_delete_of_a_running_pod_takes_its_grace_period(run: Run) -> None:
    """S#43, 4g: marked first; the node's delete with grace 0 removes it."""

    async def scenario(world: World) -> None:
        await bound(world)
        going = await world.client.delete(Pod, "web", "default")
        assert going.metadata.deletionGracePeriodSeconds == 30
        assert going.metadata.HasField("deletionTimestamp")
        shorter = await world.client.delete(Pod, "web", "default", Delete(grace=5))
        assert shorter.metadata.deletionGracePeriodSeconds == 5
        earlier = shorter.metadata.deletionTimestamp.seconds
        assert going.metadata.deletionTimestamp.seconds - earlier == 25
        longer = await world.client.delete(Pod, "web", "default", Delete(grace=60))
        assert longer == shorter
        assert await world.client.delete(Pod, "web", "default") == shorter
        await world.client.delete(Pod, "web", "default", Delete(grace=0))
        with pytest.raises(NotFound):
            await world.client.get(Pod, "web", "default")

    run(scenario)


def test_delete_with_grace_zero_is_immediate(run: Run) -> None:
    async def scenario(world: World) -> None:
        await bound(world)
        await world.client.delete(Pod, "web", "default", Delete(grace=0))
        with pytest.raises(NotFound):
            await world.client.get(Pod, "web", "default")

    run(scenario)


def test_an_ended_pod_needs_no_grace(run: Run) -> None:
    async def scenario(world: World) -> None:
        ended = await bound(world)
        ended.status.phase = "Succeeded"
        await world.client.update(ended, subresource="status")
        await world.client.delete(Pod, "web", "default")
        with pytest.raises(NotFound):
            await world.client.get(Pod, "web", "default")

    run(scenario)


def test_delete_preconditions(run: Run) -> None:
    """S#19"""

    async def scenario(world: World) -> None:
        made = await world.client.create(pod())
        with pytest.raises(Conflict, match="UID in precondition: other, UID in object meta: "):
            await world.client.delete(Pod, "web", "default", Delete(uid="other"))
        with pytest.raises(Conflict, match="ResourceVersion in precondition: 1,"):
            await world.client.delete(Pod, "web", "default", Delete(version="1"))
        exact = Delete(uid=made.metadata.uid, version=made.metadata.resourceVersion)
        await world.client.delete(Pod, "web", "default", exact)

    run(scenario)


def test_a_delete_says_what_becomes_of_dependents(run: Run) -> None:
    """The garbage collector is asked by a finalizer; whoever changes his mind deletes again."""

    async def scenario(world: World) -> None:
        await world.client.create(pod())
        for policy, finalizers in (("Foreground", ["foregroundDeletion"]), ("Orphan", ["orphan"])):
            left = await world.client.delete(Pod, "web", "default", Delete(propagation=policy))
            assert left.metadata.HasField("deletionTimestamp")
            assert left.metadata.finalizers == finalizers
        await world.client.delete(Pod, "web", "default", Delete(propagation="Background"))
        with pytest.raises(NotFound):
            await world.client.get(Pod, "web", "default")

    run(scenario)


def test_delete_options_that_make_no_sense(run: Run) -> None:
    async def scenario(world: World) -> None:
        await world.client.create(pod())
        with pytest.raises(Invalid, match="propagationPolicy: Unsupported value"):
            await world.client.delete(Pod, "web", "default", Delete(propagation="Sideways"))
        with pytest.raises(Invalid, match="gracePeriodSeconds: Invalid value: -1"):
            await world.client.delete(Pod, "web", "default", Delete(grace=-1))

    run(scenario)


def test_finalizers_hold_an_object_until_the_last_is_gone(run: Run) -> None:
    """S#20"""

    async def scenario(world: World) -> None:
        held = node()
        held.metadata.finalizers.extend(["example.com/a", "example.com/b"])
        await world.client.create(held)
        going = await world.client.delete(Node, "n1")
        assert going.metadata.HasField("deletionTimestamp")
        assert await world.client.delete(Node, "n1") == going
        more = Node()
        more.CopyFrom(going)
        more.metadata.finalizers.append("example.com/c")
        with pytest.raises(Invalid, match="no new finalizers can be added"):
            await world.client.update(more)
        going.metadata.finalizers.remove("example.com/a")
        going.metadata.ClearField("deletionTimestamp")
        going = await world.client.update(going)
        assert going.metadata.HasField("deletionTimestamp"), "nobody can take a deletion back"
        going.metadata.finalizers.remove("example.com/b")
        await world.client.update(going)
        with pytest.raises(NotFound):
            await world.client.get(Node, "n1")

    run(scenario)


def test_a_pod_with_finalizer_and_grace_waits_for_both(run: Run) -> None:
    async def scenario(world: World) -> None:
        held = pod()
        held.metadata.finalizers.append("example.com/a")
        made = await world.client.create(held)
        await world.client.bind("default", "web", made.metadata.uid, "n1")
        going = await world.client.delete(Pod, "web", "default")
        going.metadata.finalizers.remove("example.com/a")
        still = await world.client.update(going)
        assert still.metadata.deletionGracePeriodSeconds == 30
        await world.client.delete(Pod, "web", "default", Delete(grace=0))
        with pytest.raises(NotFound):
            await world.client.get(Pod, "web", "default")

    run(scenario)


# Bind


def test_binding_happens_once(run: Run) -> None:
    async def scenario(world: World) -> None:
        made = await bound(world)
        assert made.spec.nodeName == "n1"
        (condition,) = made.status.conditions
        assert (condition.type, condition.status) == ("PodScheduled", "True")
        assert made.metadata.generation == 1
        with pytest.raises(Conflict, match='pod web is already assigned to node "n1"'):
            await world.client.bind("default", "web", made.metadata.uid, "n2")
        with pytest.raises(Conflict, match="UID in precondition"):
            await world.client.bind("default", "web", "another", "n2")
        with pytest.raises(NotFound, match='pods "other" not found'):
            await world.client.bind("default", "other", "", "n2")
        await world.client.delete(Pod, "web", "default")

    run(scenario)


def test_a_pod_that_is_going_cannot_be_bound(run: Run) -> None:
    async def scenario(world: World) -> None:
        held = pod()
        held.metadata.finalizers.append("example.com/a")
        made = await world.client.create(held)
        await world.client.delete(Pod, "web", "default")
        with pytest.raises(Conflict, match="being deleted, cannot be assigned to a host"):
            await world.client.bind("default", "web", made.metadata.uid, "n1")

    run(scenario)


# Evict


async def budget(world: World, allowed: int) -> PodDisruptionBudget:
    """For the pods of app web; as its controller would have reported."""
    made = PodDisruptionBudget(metadata=ObjectMeta(name="web", namespace="default"))
    made.spec.selector.matchLabels["app"] = "web"
    made.spec.minAvailable.number_value = 1
    made = await world.client.create(made)
    made.status.observedGeneration = made.metadata.generation
    made.status.disruptionsAllowed, made.status.desiredHealthy = allowed, 1
    return await world.client.update(made, subresource="status")


async def running(world: World, name: str) -> None:
    await world.client.create(pod(name, app="web"))
    await world.client.bind("default", name, "", "n1")
    made = await world.client.get(Pod, name, "default")
    made.status.phase = "Running"
    made.status.conditions.add(type="Ready", status="True")
    await world.client.update(made, subresource="status")


def test_a_budget_grants_as_many_evictions_as_it_has(run: Run) -> None:
    """S#101"""

    async def scenario(world: World) -> None:
        await budget(world, allowed=1)
        await running(world, "a")
        await running(world, "b")
        await world.client.evict("default", "a", Delete(grace=9, dry_run=True))
        assert not (await world.client.get(Pod, "a", "default")).metadata.HasField(
            "deletionTimestamp"
        )
        await world.client.evict("default", "a", Delete(grace=9))
        going = await world.client.get(Pod, "a", "default")
        assert going.metadata.deletionGracePeriodSeconds == 9
        assert [c.reason for c in going.status.conditions if c.type == "DisruptionTarget"] == [
            "EvictionByEvictionAPI"
        ]
        charged = await world.client.get(PodDisruptionBudget, "web", "default")
        assert charged.status.disruptionsAllowed == 0
        assert list(charged.status.disruptedPods) == ["a"]
        with pytest.raises(
            TooManyRequests, match="would violate the pod's disruption budget"
        ) as no:
            await world.client.evict("default", "b")
        [cause] = no.value.causes
        assert (cause.reason, cause.message) == (
            "DisruptionBudget",
            "The disruption budget web needs 1 healthy pods and has 0 currently",
        )
        await world.client.evict("default", "a")  # it goes already: nothing is charged again

    run(scenario)


def test_two_evictions_cannot_have_the_same_grant(run: Run) -> None:
    async def scenario(world: World) -> None:
        await budget(world, allowed=1)
        await running(world, "a")
        await running(world, "b")
        writes = [Write("create", rpc.eviction("default", name, Delete())) for name in "ab"]
        outcomes = await world.client.batch(writes)
        assert sorted(isinstance(each, TooManyRequests) for each in outcomes) == [False, True]

    run(scenario)


def test_what_cannot_be_evicted(run: Run) -> None:
    async def scenario(world: World) -> None:
        with pytest.raises(NotFound, match='pods "web" not found'):
            await world.client.evict("default", "web")
        await world.client.create(pod("web", app="web"))
        with pytest.raises(Conflict, match="UID in precondition"):
            await world.client.evict("default", "web", Delete(uid="another"))
        await budget(world, allowed=0)
        await world.client.evict("default", "web")  # it has not begun
        with pytest.raises(NotFound):
            await world.client.get(Pod, "web", "default")

    run(scenario)


# Dry run


def test_dry_run_says_what_would_be_and_stores_nothing(run: Run) -> None:
    """S#15"""

    async def scenario(world: World) -> None:
        before = (await world.client.list(Pod)).version
        would = await world.client.create(pod(), dry_run=True)
        assert would.metadata.uid
        assert would.spec.restartPolicy == "Always"
        assert would.metadata.resourceVersion == ""
        with pytest.raises(NotFound):
            await world.client.get(Pod, "web", "default")
        with pytest.raises(Invalid):
            await world.client.create(pod("Bad_Name"), dry_run=True)
        assert (await world.client.list(Pod)).version == before
        made = await world.client.create(pod())
        with pytest.raises(AlreadyExists):
            await world.client.create(pod(), dry_run=True)
        made.metadata.labels["a"] = "b"
        assert (await world.client.update(made, dry_run=True)).metadata.labels["a"] == "b"
        await world.client.delete(Pod, "web", "default", Delete(dry_run=True))
        now = await world.client.get(Pod, "web", "default")
        assert not now.metadata.labels
        made.metadata.resourceVersion = "1"
        with pytest.raises(Conflict):
            await world.client.update(made, dry_run=True)

    run(scenario)


# List


def test_lists_are_sorted_versioned_and_selected(run: Run) -> None:
    """S#5, S#11"""

    async def scenario(world: World) -> None:
        await world.client.create(Namespace(metadata=ObjectMeta(name="other")))
        for name, namespace, tier in [
            ("b", "default", "web"),
            ("a", "default", "db"),
            ("c", "other", "web"),
        ]:
            await world.client.create(pod(name, namespace, tier=tier))
        await world.client.bind("default", "a", "", "n1")

        async def names(**which: str) -> list[str]:
            return [
                p.metadata.name for p in (await world.client.list(Pod, Selection(**which))).items
            ]

        assert await names() == ["a", "b", "c"]
        assert await names(namespace="default") == ["a", "b"]
        assert await names(namespace="othe") == []
        assert await names(labels="tier=web") == ["b", "c"]
        assert await names(labels="tier in (db),tier!=web") == ["a"]
        assert await names(fields="spec.nodeName=n1") == ["a"]
        assert await names(fields="spec.nodeName!=n1", namespace="default") == ["b"]
        assert await names(fields="metadata.name=c") == ["c"]
        with pytest.raises(BadRequest, match=r"field label not supported: spec.color"):
            await names(fields="spec.color=red")
        with pytest.raises(BadRequest, match="unable to parse requirement"):
            await names(labels="tier in web")

    run(scenario)


def test_pages_show_one_moment_while_others_write(run: Run) -> None:
    """S#10"""

    async def scenario(world: World) -> None:
        client = world.client
        for number in range(10):
            await client.create(node(f"n{number}"))
        page = await client.list(Node, limit=3)
        assert page.remaining == 7
        names, versions = [n.metadata.name for n in page.items], {page.version}
        await client.create(node("n00"))
        await client.delete(Node, "n5")
        while page.continue_token:
            page = await client.list(Node, limit=3, continue_token=page.continue_token)
            names += [n.metadata.name for n in page.items]
            versions.add(page.version)
            await client.create(node(f"x{len(names)}"))
        assert names == [f"n{number}" for number in range(10)]
        assert len(versions) == 1
        assert page.remaining is None

    run(scenario)


def test_pages_with_a_selector_do_not_say_how_many_remain(run: Run) -> None:
    async def scenario(world: World) -> None:
        for number in range(9):
            each = node(f"n{number}")
            each.metadata.labels["odd"] = str(number % 2)
            await world.client.create(each)
        which = Selection(labels="odd=1")
        page = await world.client.list(Node, which, limit=3)
        assert [n.metadata.name for n in page.items] == ["n1", "n3", "n5"]
        assert page.remaining is None
        assert page.continue_token
        page = await world.client.list(Node, which, limit=3, continue_token=page.continue_token)
        assert [n.metadata.name for n in page.items] == ["n7"]
        assert not page.continue_token

    run(scenario)


def test_continue_tokens_expire_with_compaction(run: Run) -> None:
    async def scenario(world: World) -> None:
        for number in range(5):
            await world.client.create(node(f"n{number}"))
        page = await world.client.list(Node, limit=2)
        last = await world.client.create(node("late"))
        await world.store.compact(int(last.metadata.resourceVersion))
        with pytest.raises(Expired, match="continue parameter is too old"):
            await world.client.list(Node, limit=2, continue_token=page.continue_token)
        with pytest.raises(BadRequest, match="continue key is not valid"):
            await world.client.list(Node, continue_token="nonsense")

    run(scenario)


def test_lists_know_versions(run: Run) -> None:
    """S#5: "0" is anything, N is not older than N, and the future is waited for, but not for ever."""

    async def scenario(world: World) -> None:
        made = await world.client.create(pod())
        version = made.metadata.resourceVersion
        assert len((await world.client.list(Pod, version=version)).items) == 1
        await world.client.list(Pod, version="0")
        with pytest.raises(
            Timeout, match=f"Too large resource version: 999999, current: {version}"
        ):
            await world.client.list(Pod, version="999999")
        with pytest.raises(BadRequest, match="is not a version"):
            await world.client.list(Pod, version="abc")

    run(scenario)


def test_a_list_shows_what_was_acknowledged_before(run: Run) -> None:
    async def scenario(world: World) -> None:
        for number in range(50):
            made = await world.client.create(node(f"n{number}"))
            listed = await world.client.list(Node)
            assert len(listed.items) == number + 1
            assert int(listed.version) >= int(made.metadata.resourceVersion)

    run(scenario)


# Watch


def test_watch_shows_every_change_in_order(run: Run) -> None:
    """S#6"""

    async def scenario(world: World) -> None:
        start = (await world.client.list(Pod)).version
        made = await world.client.create(pod())
        made.metadata.labels["a"] = "b"
        changed = await world.client.update(made)
        await world.client.delete(Pod, "web", "default")
        events = await seen(world, Pod, Selection(), start, 3)
        assert [(type, name) for type, name, _ in events] == [
            ("ADDED", "web"),
            ("MODIFIED", "web"),
            ("DELETED", "web"),
        ]
        assert events[0][2] == made.metadata.resourceVersion
        assert events[1][2] == changed.metadata.resourceVersion
        assert int(events[2][2]) > int(events[1][2]), "a deletion has a version of its own"
        resumed = await seen(world, Pod, Selection(), events[1][2], 1)
        assert resumed == events[2:]

    run(scenario)


def test_leaving_a_selector_is_a_deletion(run: Run) -> None:
    """S#7: and coming in is an addition; what was sent is what the selector saw."""

    async def scenario(world: World) -> None:
        start = (await world.client.list(Pod)).version
        made = await world.client.create(pod(tier="web"))
        made.metadata.labels["tier"] = "db"
        made = await world.client.update(made)
        made.metadata.labels["x"] = "y"
        made = await world.client.update(made)
        made.metadata.labels["tier"] = "web"
        made = await world.client.update(made)
        found: list[WatchEvent[Pod]] = []
        async with aclosing(watch(world, Pod, Selection(labels="tier=web"), start)) as batches:
            async for batch in batches:
                found += batch
                if len(found) == 3:
                    break
        assert [e.type for e in found] == ["ADDED", "DELETED", "ADDED"]
        assert found[1].object.metadata.labels["tier"] == "web"
        assert found[2].object.metadata.resourceVersion == made.metadata.resourceVersion

    run(scenario)


def test_a_watch_by_field_sees_pods_come_to_its_node(run: Run) -> None:
    async def scenario(world: World) -> None:
        which = Selection(fields="spec.nodeName=n1")
        start = (await world.client.list(Pod, which)).version
        async with aclosing(watch(world, Pod, which, start)) as batches:
            first = asyncio.ensure_future(anext(batches))
            await world.client.create(pod("elsewhere"))
            await world.client.bind("default", "elsewhere", "", "n2")
            await world.client.create(pod("here"))
            await world.client.bind("default", "here", "", "n1")
            (event,) = await first
            assert (event.type, event.object.metadata.name) == ("ADDED", "here")

    run(scenario)


def test_watch_without_a_version_begins_with_the_state(run: Run) -> None:
    async def scenario(world: World) -> None:
        await world.client.create(pod("a"))
        await world.client.create(pod("b"))
        for version in ("", "0"):
            events = await seen(world, Pod, Selection(), version, 2)
            assert [(type, name) for type, name, _ in events] == [("ADDED", "a"), ("ADDED", "b")]

    run(scenario)


def test_watch_from_the_future_is_refused(run: Run) -> None:
    async def scenario(world: World) -> None:
        with pytest.raises(Timeout, match="Too large resource version"):
            await seen(world, Pod, Selection(), "999999", 1)

    run(scenario)


def test_concurrent_watchers_see_the_same(run: Run) -> None:
    """S#6"""

    async def scenario(world: World) -> None:
        start = (await world.client.list(Node)).version
        async with asyncio.TaskGroup() as tasks:
            watchers = [
                tasks.create_task(seen(world, Node, Selection(), start, 60)) for _ in range(5)
            ]
            for number in range(30):
                made = await world.client.create(node(f"n{number}"))
                made.spec.unschedulable = True
                await world.client.update(made)
        results = [task.result() for task in watchers]
        assert all(result == results[0] for result in results)
        versions = [int(version) for _, _, version in results[0]]
        assert versions == sorted(versions)

    run(scenario)


def test_watchers_of_the_same_share_bytes_and_not_places(run: Run) -> None:
    """Each begins at the same version, later and later: what was put together for one must fit the next."""

    async def scenario(world: World) -> None:
        start = (await world.client.list(Node)).version
        for number in range(5):
            await world.client.create(node(f"n{number}"))
            events = await seen(world, Node, Selection(), start, number + 1)
            assert [name for _, name, _ in events] == [f"n{each}" for each in range(number + 1)]

    run(scenario)


# Namespaces


def test_nothing_is_made_in_a_namespace_that_goes(run: Run) -> None:
    """S#25"""

    async def scenario(world: World) -> None:
        await world.client.create(Namespace(metadata=ObjectMeta(name="temp")))
        await world.client.create(pod("a", "temp"))
        going = await world.client.delete(Namespace, "temp")
        assert going.status.phase == "Terminating"
        with pytest.raises(Forbidden) as caught:
            await world.client.create(pod("b", "temp"))
        assert str(caught.value) == (
            'pods "b" is forbidden: unable to create new content in namespace temp '
            "because it is being terminated"
        )
        (cause,) = caught.value.causes
        assert (cause.reason, cause.field) == ("NamespaceTerminating", "metadata.namespace")
        going.spec.ClearField("finalizers")
        await world.client.update(going, subresource="finalize")
        with pytest.raises(NotFound):
            await world.client.get(Namespace, "temp")
        with pytest.raises(NotFound, match='namespaces "temp" not found'):
            await world.client.create(pod("b", "temp"))

    run(scenario)


def test_a_namespace_that_is_back_can_be_used(run: Run) -> None:
    async def scenario(world: World) -> None:
        for _ in range(2):
            await world.client.create(Namespace(metadata=ObjectMeta(name="temp")))
            await world.client.create(pod("a", "temp"))
            await world.client.delete(Pod, "a", "temp")
            going = await world.client.delete(Namespace, "temp")
            going.spec.ClearField("finalizers")
            await world.client.update(going, subresource="finalize")

    run(scenario)


def test_the_systems_namespaces_stay(run: Run) -> None:
    async def scenario(world: World) -> None:
        for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
            with pytest.raises(Forbidden, match="this namespace may not be deleted"):
                await world.client.delete(Namespace, name)

    run(scenario)


# Batch


def test_each_write_of_a_batch_stands_for_itself(run: Run) -> None:
    async def scenario(world: World) -> None:
        old = await world.client.create(pod("old"))
        await world.client.create(pod("free"))
        results = await world.client.batch(
            [
                Write("create", pod("new")),
                Write("create", pod("old")),
                Write("delete", old),
                Write("create", rpc.binding("default", "free", "", "n1")),
                Write("create", rpc.binding("default", "free", "", "n2")),
                Write("update", pod("missing")),
            ]
        )
        assert results[0].metadata.name == "new"
        assert isinstance(results[1], AlreadyExists)
        assert results[2].metadata.uid == old.metadata.uid
        assert results[3].spec.nodeName == "n1"
        assert isinstance(results[4], Conflict)
        assert isinstance(results[5], NotFound)
        assert list(await world.client.batch([])) == []
        names = {p.metadata.name for p in (await world.client.list(Pod)).items}
        assert names == {"new", "free"}

    run(scenario)


def test_writes_of_one_object_in_a_batch_happen_in_order(run: Run) -> None:
    async def scenario(world: World) -> None:
        lease = Lease(metadata=ObjectMeta(name="l", namespace="default"))
        writes = [Write("create", lease)]
        for number in range(10):
            later = Lease(
                metadata=ObjectMeta(name="l", namespace="default"),
                spec=LeaseSpec(holderIdentity=str(number)),
            )
            writes.append(Write("update", later))
        results = await world.client.batch(writes)
        assert [r.spec.holderIdentity for r in results] == ["", *map(str, range(10))]

    run(scenario)


# Limits


def test_an_object_that_is_too_large_is_refused(run: Run) -> None:
    async def scenario(world: World) -> None:
        big = Event(
            metadata=ObjectMeta(name="big", namespace="default"),
            involvedObject=ObjectReference(kind="Pod", namespace="default", name="web"),
            source={"component": "x" * 1_500_000},
            type="Normal",
        )
        with pytest.raises(BadRequest, match="Request entity too large: limit is "):
            await world.client.create(big)

    run(scenario)


# Patch (what each type does to a document is tests/unit/test_patch*; here: that it reaches the object)


def test_the_three_patches(run: Run) -> None:
    """S#13"""

    async def scenario(world: World) -> None:
        await world.client.create(pod(a="1"))
        to_add = {"metadata": {"labels": {"b": "2"}}}
        patched = await world.client.patch(Pod, "web", "default", to_add)
        assert dict(patched.metadata.labels) == {"a": "1", "b": "2"}
        to_remove = {"metadata": {"labels": {"a": None}}}
        patched = await world.client.patch(Pod, "web", "default", to_remove, patch_type="merge")
        assert dict(patched.metadata.labels) == {"b": "2"}
        steps = [
            {"op": "test", "path": "/metadata/labels/b", "value": "2"},
            {"op": "replace", "path": "/metadata/labels/b", "value": "3"},
        ]
        patched = await world.client.patch(Pod, "web", "default", steps, patch_type="json")
        assert dict(patched.metadata.labels) == {"b": "3"}
        image = {"spec": {"containers": [{"name": "app", "image": "helmling/hello:v2"}]}}
        patched = await world.client.patch(Pod, "web", "default", image)
        assert [c.image for c in patched.spec.containers] == ["helmling/hello:v2"]
        assert patched.metadata.generation == 2
        assert patched == await world.client.get(Pod, "web", "default")

    run(scenario)


def test_concurrent_patches_all_take_effect(run: Run) -> None:
    async def scenario(world: World) -> None:
        await world.client.create(node())
        async with asyncio.TaskGroup() as tasks:
            for number in range(20):
                label = {"metadata": {"labels": {f"l{number}": "x"}}}
                tasks.create_task(world.client.patch(Node, "n1", "", label))
        assert len((await world.client.get(Node, "n1")).metadata.labels) == 20

    run(scenario)


def test_a_patch_that_names_a_version_can_conflict(run: Run) -> None:
    async def scenario(world: World) -> None:
        made = await world.client.create(node())
        label = {
            "metadata": {
                "resourceVersion": made.metadata.resourceVersion,
                "labels": {"a": "1"},
            }
        }
        await world.client.patch(Node, "n1", "", label)
        label["metadata"]["labels"] = {"a": "2"}
        with pytest.raises(Conflict, match="the object has been modified"):
            await world.client.patch(Node, "n1", "", label)

    run(scenario)


def test_a_patch_is_refused_with_all_that_is_wrong(run: Run) -> None:
    """S#16: unknown fields and forbidden changes together, and nothing is half applied."""

    async def scenario(world: World) -> None:
        made = await world.client.create(pod())
        bad = {
            "metadata": {"labels": {"good": "1", "-bad-": "2"}},
            "spec": {"colour": "red", "restartPolicy": "Never"},
        }
        with pytest.raises(Invalid) as caught:
            await world.client.patch(Pod, "web", "default", bad)
        reasons = {cause.reason for cause in caught.value.causes}
        assert "UnknownField" in reasons
        assert len(caught.value.causes) >= 3
        assert await world.client.get(Pod, "web", "default") == made

    run(scenario)


def test_patches_that_make_no_sense(run: Run) -> None:
    async def scenario(world: World) -> None:
        with pytest.raises(NotFound, match='pods "web" not found'):
            await world.client.patch(Pod, "web", "default", {"metadata": {}})
        await world.client.create(pod())
        with pytest.raises(BadRequest, match="must be a list of operations"):
            await world.client.patch(Pod, "web", "default", {}, patch_type="json")
        with pytest.raises(BadRequest, match="cannot change what an object is"):
            await world.client.patch(Pod, "web", "default", {"kind": "Node"})
        with pytest.raises(Invalid, match=r"metadata\.name"):
            await world.client.patch(Pod, "web", "default", {"metadata": {"name": "other"}})

    run(scenario)


def test_patching_the_status_touches_nothing_else(run: Run) -> None:
    async def scenario(world: World) -> None:
        await world.client.create(pod())
        patch = {"status": {"phase": "Running"}, "spec": {"nodeName": "n1"}}
        patched = await world.client.patch(Pod, "web", "default", patch, subresource="status")
        assert patched.status.phase == "Running"
        assert patched.spec.nodeName == ""
        assert patched.metadata.generation == 1

    run(scenario)


def test_a_dry_patch_stores_nothing(run: Run) -> None:
    async def scenario(world: World) -> None:
        made = await world.client.create(pod())
        label = {"metadata": {"labels": {"a": "1"}}}
        would = await world.client.patch(Pod, "web", "default", label, dry_run=True)
        assert would.metadata.labels["a"] == "1"
        assert await world.client.get(Pod, "web", "default") == made

    run(scenario)


def test_removing_the_last_finalizer_by_patch_removes_the_object(run: Run) -> None:
    async def scenario(world: World) -> None:
        held = node()
        held.metadata.finalizers.append("example.com/a")
        await world.client.create(held)
        await world.client.delete(Node, "n1")
        none = {"metadata": {"finalizers": None}}
        await world.client.patch(Node, "n1", "", none, patch_type="merge")
        with pytest.raises(NotFound):
            await world.client.get(Node, "n1")

    run(scenario)


# Scale


def deployment(name: str = "web", replicas: int = 2) -> Deployment:
    made = Deployment(metadata=ObjectMeta(name=name, namespace="default"))
    made.spec.replicas = replicas
    made.spec.selector.matchLabels["app"] = name
    made.spec.template.metadata.labels["app"] = name
    made.spec.template.spec.containers.add(name="app", image="helmling/hello:v1")
    return made


def replicaset() -> ReplicaSet:
    other = deployment()
    made = ReplicaSet(metadata=other.metadata)
    made.spec.replicas = other.spec.replicas
    made.spec.selector.CopyFrom(other.spec.selector)
    made.spec.template.CopyFrom(other.spec.template)
    return made


@pytest.mark.parametrize("make", [deployment, replicaset])
def test_a_scale_is_what_it_scales_seen_from_afar(run: Run, make: Callable[[], Any]) -> None:
    """S#65"""

    async def scenario(world: World) -> None:
        made = await world.client.create(make())
        scale = await world.client.get_scale(type(made), "web", "default")
        assert (scale.kind, scale.spec.replicas, scale.status.selector) == ("Scale", 2, "app=web")
        assert scale.metadata.uid == made.metadata.uid
        assert scale.metadata.resourceVersion == made.metadata.resourceVersion
        scale.spec.replicas = 5
        answer = await world.client.update_scale(type(made), scale)
        assert answer.spec.replicas == 5
        after = await world.client.get(type(made), "web", "default")
        assert after.spec.replicas == 5
        assert after.metadata.generation == 2
        assert after.metadata.resourceVersion == answer.metadata.resourceVersion
        after.metadata.resourceVersion = made.metadata.resourceVersion
        after.metadata.generation = 1
        after.spec.replicas = 2
        assert after == made, "nothing else has changed"

    run(scenario)


def test_a_scale_of_an_older_version_is_refused(run: Run) -> None:
    async def scenario(world: World) -> None:
        await world.client.create(deployment())
        scale = await world.client.get_scale(Deployment, "web", "default")
        scale.spec.replicas = 3
        await world.client.update_scale(Deployment, scale)
        with pytest.raises(Conflict, match="the object has been modified"):
            await world.client.update_scale(Deployment, scale)
        scale.metadata.resourceVersion = ""
        scale.spec.replicas = 4
        assert (await world.client.update_scale(Deployment, scale)).spec.replicas == 4
        scale.metadata.uid = "another"
        with pytest.raises(Conflict, match="UID in precondition: another"):
            await world.client.update_scale(Deployment, scale)

    run(scenario)


def test_a_scale_is_patched(run: Run) -> None:
    async def scenario(world: World) -> None:
        await world.client.create(deployment())

        async def patch(body: Any, patch_type: Any, **more: Any) -> Any:
            return await world.client.patch(
                Deployment,
                "web",
                "default",
                body,
                patch_type=patch_type,
                subresource="scale",
                **more,
            )

        merged: Any = await patch({"spec": {"replicas": 7}}, "merge")
        assert (merged.kind, merged.spec.replicas) == ("Scale", 7)
        replace = [{"op": "replace", "path": "/spec/replicas", "value": 0}]
        assert (await patch(replace, "json")).spec.replicas == 0
        tried = await patch({"spec": {"replicas": 9}}, "strategic", dry_run=True)
        assert tried.spec.replicas == 9
        with pytest.raises(Invalid, match=r"spec\.replicas: Invalid value: -1") as caught:
            await patch({"spec": {"replicas": -1}}, "merge")
        assert caught.value.kind == "Scale"
        with pytest.raises(Invalid, match=r"spec\.paused: unknown field"):
            await patch({"spec": {"paused": True}}, "merge")
        assert (await world.client.get(Deployment, "web", "default")).spec.replicas == 0

    run(scenario)


def test_what_has_no_replicas_has_no_scale(run: Run) -> None:
    async def scenario(world: World) -> None:
        await world.client.create(pod())
        with pytest.raises(MethodNotAllowed, match="get is not supported on pods/scale"):
            await world.client.get_scale(Pod, "web", "default")
        scale = Scale(metadata=ObjectMeta(name="web", namespace="default"))
        with pytest.raises(MethodNotAllowed, match="update is not supported on pods/scale"):
            await world.client.update_scale(Pod, scale)
        with pytest.raises(NotFound, match=r'deployments\.apps "web" not found'):
            await world.client.get_scale(Deployment, "web", "default")
        with pytest.raises(NotFound, match=r'deployments\.apps "web" not found'):
            await world.client.update_scale(Deployment, scale)

    run(scenario)


def test_the_status_of_a_deployment_does_not_count_as_a_change_of_it(run: Run) -> None:
    """S#12"""

    async def scenario(world: World) -> None:
        made = await world.client.create(deployment())
        made.status.observedGeneration = 1
        made.status.replicas = 2
        made.spec.replicas = 9
        seen = await world.client.update(made, subresource="status")
        assert (seen.status.replicas, seen.spec.replicas, seen.metadata.generation) == (2, 2, 1)
        seen.status.readyReplicas = 3
        with pytest.raises(Invalid, match=r"status\.readyReplicas: Invalid value: 3: cannot be"):
            await world.client.update(seen, subresource="status")
        scale = await world.client.get_scale(Deployment, "web", "default")
        assert scale.status.replicas == 2

    run(scenario)
