"""Whatever is done to a Deployment, in whatever order: its pods stay within its bounds, and it ends as its spec says.

A random user edits, scales, pauses, goes back and deletes pods, now and then the controllers die in the middle of a
call and others take over at once; all of it on fake time, with the real server, controllers, scheduler and agents.
After every single change of a pod it is asked:

    most      Pods that are not told to end: never more than replicas + surge. After a change of the spec there may
              still be as many as before, so until the Deployment has come to rest the greatest of the bounds counts
              that were in force since it last was at rest.
    fewest    Of them, ready: never fewer than replicas - unavailable, the least of those bounds likewise. A user who
              deletes a pod, and a Recreate, promise nothing until the next rest.
    templates No two ReplicaSets of one template.

And at the end: everything is as the spec says, and nothing else is there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from api import clock
from api.client import Client, Delete
from api.errors import NotFound
from cli.rollout import history
from control_plane.controllers import owners
from control_plane.controllers.deployment import bounds, notes, template
from proto.v1.apps_pb2 import Deployment, ReplicaSet
from proto.v1.pod_pb2 import Pod
from tests import fake_time
from tests.cluster.faults import VERBS, watch_pods
from tests.cluster.whole import PATIENCE, Cluster, cluster, deployment, is_ready

T = TypeVar("T")
IMAGES = (
    "registry.test/app:1",
    "registry.test/app:2",
    "registry.test/app:3",
    "registry.test/bad:1",
)
GOOD = IMAGES[0]
Share = int | str
ROLLING: list[tuple[Share, Share]] = [
    (1, 0), (0, 1), ("25%", "25%"), ("50%", 0), (2, 1), (0, "50%"), ("100%", "100%"),
]  # fmt: skip
PAUSES = (0.0, 0.05, 0.3, 2.0, 90.0)  # seconds between two steps; the deadline passes in the last


class Mortal:
    """The controllers' client: when the countdown is over, they die at once, after the call or before it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.countdown = 0  # calls; 0: nobody dies
        self.arrives = True  # the last call does
        self.die: Callable[[], None]

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return self._counted(method) if name in VERBS else method

    def _counted(self, method: Any) -> Any:
        async def call(*args: Any, **kwargs: Any) -> Any:
            last = self.countdown == 1
            self.countdown -= self.countdown > 0
            if last and not self.arrives:
                await self._end()
            answer = await method(*args, **kwargs)
            if last:
                await self._end()
            return answer

        return call

    async def _end(self) -> None:
        self.die()
        await asyncio.Event().wait()


@dataclass
class Witness:
    """Sees every change, and remembers what should not have been."""

    client: Client
    specs: list[tuple[int, int]] = field(
        default_factory=list
    )  # most and fewest, since the last rest
    wrong: list[str] = field(default_factory=list)

    def see_pods(self, every: list[Pod]) -> None:
        pods = [pod for pod in every if not is_ending(pod)]
        most, fewest = max(m for m, _ in self.specs), min(f for _, f in self.specs)
        ready = sum(map(is_ready, pods))
        if len(pods) > most or ready < fewest:
            self.wrong.append(f"{len(pods)} pods of {most}, {ready} ready of {fewest}")

    async def watch_sets(self) -> None:
        sets: dict[str, ReplicaSet] = {}
        version = (await self.client.list(ReplicaSet)).version
        async for batch in self.client.watch(ReplicaSet, version=version, bookmarks=False):
            for event in batch:
                sets[event.object.metadata.name] = event.object
                if event.type == "DELETED":
                    del sets[event.object.metadata.name]
                if doubles(list(sets.values())):
                    self.wrong.append(f"two ReplicaSets of one template: {sorted(sets)}")


def is_ending(obj: Any) -> bool:
    return bool(obj.metadata.HasField("deletionTimestamp"))


def doubles(sets: list[ReplicaSet]) -> bool:
    templates = [rs.spec.template for rs in sets if not is_ending(rs)]
    return any(template.same(a, b) for i, a in enumerate(templates) for b in templates[:i])


def promised(found: Deployment) -> tuple[int, int]:
    if found.spec.strategy.type == "Recreate":
        return bounds.most(found), 0
    return bounds.most(found), bounds.fewest_available(found)


class Stage:
    """A cluster on fake time that stays while one step after another is played on it."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner(loop_factory=fake_time.FakeTimeLoop)
        loop = self.runner.get_loop()
        assert isinstance(loop, fake_time.FakeTimeLoop)
        clock.use(loop.wall)
        self._over = asyncio.Event()
        self.mortal: Any = None
        self.world, self.witness = self.play(self._open())

    def play(self, step: Coroutine[Any, Any, T]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(PATIENCE):
                return await step

        return self.runner.run(bounded())

    async def _open(self) -> tuple[Cluster, Witness]:
        ready: asyncio.Future[tuple[Cluster, Witness]] = asyncio.get_running_loop().create_future()
        self._host = asyncio.create_task(self._hold(ready))
        return await ready

    async def _hold(self, ready: asyncio.Future[tuple[Cluster, Witness]]) -> None:
        async with cluster(2, self._wrap) as world:
            witness = Witness(world.client)
            watching = [
                await watch_pods(world, witness.see_pods),
                world.tasks.create_task(witness.watch_sets()),
            ]
            self.mortal.die = lambda: self._followed(world)
            ready.set_result((world, witness))
            await self._over.wait()
            for task in watching:
                task.cancel()

    def _wrap(self, client: Client) -> Any:
        self.mortal = Mortal(client)
        return self.mortal

    def _followed(self, world: Cluster) -> None:
        """The controllers die, and others are there at once."""
        world.stop_controllers()
        world.start_controllers(self.mortal)

    def close(self) -> None:
        async def end() -> None:
            self._over.set()
            await self._host

        try:
            self.play(end())
        finally:
            self.runner.close()
            clock.use(None)


class Rollouts(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage()

    @property
    def client(self) -> Client:
        return self.stage.world.client

    @initialize(replicas=st.integers(0, 6), rollback=st.booleans())
    def begin(self, replicas: int, rollback: bool) -> None:
        made = deployment(replicas, progressDeadlineSeconds=60, revisionHistoryLimit=2)
        if rollback:
            made.metadata.annotations[notes.WANTED] = "true"

        async def create() -> None:
            planned = await self.client.create(made, dry_run=True)
            self.stage.witness.specs = [(bounds.most(planned), 0)]
            await self.client.create(made)

        self._do(create())

    def _do(self, step: Awaitable[Any], pause: float = 0.0) -> None:
        """A step, and what follows from it for a while."""

        async def whole() -> None:
            await step
            await asyncio.sleep(pause)
            await self._rest()

        self.stage.play(whole())

    async def _rest(self) -> None:
        """If nothing is left to be done, the bounds of the past do not count any more."""
        world = self.stage.world
        if await world.complete() and await world.ready((await world.deployment()).spec.replicas):
            await asyncio.sleep(0.01)  # the witness has seen what we have seen
            self.stage.witness.specs = [promised(await world.deployment())]

    async def _change(self, spec: dict[str, Any]) -> None:
        """What is going to be promised counts before anybody can act upon it."""
        for dry_run in (True, False):
            after = await self.client.patch(
                Deployment, "web", "default", {"spec": spec}, patch_type="merge", dry_run=dry_run
            )
            self.stage.witness.specs.append(promised(after))

    @rule(image=st.sampled_from(IMAGES), pause=st.sampled_from(PAUSES))
    def edit(self, image: str, pause: float) -> None:
        self._do(self.stage.world.image(image), pause)

    @rule(replicas=st.integers(0, 6), pause=st.sampled_from(PAUSES))
    def scale(self, replicas: int, pause: float) -> None:
        self._do(self._change({"replicas": replicas}), pause)

    @rule(how=st.sampled_from(ROLLING), pause=st.sampled_from(PAUSES))
    def roll(self, how: tuple[Share, Share], pause: float) -> None:
        rolling = {"maxSurge": how[0], "maxUnavailable": how[1]}
        strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
        self._do(self._change({"strategy": strategy}), pause)

    @rule(pause=st.sampled_from(PAUSES))
    def recreate(self, pause: float) -> None:
        strategy = {"type": "Recreate", "rollingUpdate": None}
        self._do(self._change({"strategy": strategy}), pause)

    @rule(paused=st.booleans(), pause=st.sampled_from(PAUSES))
    def pause_or_resume(self, paused: bool, pause: float) -> None:
        self._do(self._change({"paused": paused}), pause)

    @rule(which=st.integers(0, 2), pause=st.sampled_from(PAUSES))
    def undo(self, which: int, pause: float) -> None:
        async def back() -> None:
            world = self.stage.world
            known = list(history.revisions(await world.sets()).values())
            if known:
                found = await world.deployment()
                patch = history.going_back(found, known[which % len(known)])
                await self.client.patch(Deployment, "web", "default", patch, patch_type="json")

        self._do(back(), pause)

    @rule(which=st.integers(0, 9), now=st.booleans(), pause=st.sampled_from(PAUSES))
    def lose_a_pod(self, which: int, now: bool, pause: float) -> None:
        async def lose() -> None:
            pods = await self.stage.world.pods()
            if pods:
                most = max(most for most, _ in self.stage.witness.specs)
                self.stage.witness.specs.append((most, 0))
                how = Delete(grace=0 if now else None)
                await self.client.delete(Pod, pods[which % len(pods)].metadata.name, "default", how)

        self._do(lose(), pause)

    @rule(calls=st.integers(1, 12), arrives=st.booleans())
    def crash(self, calls: int, arrives: bool) -> None:
        """At one of the next calls, before or after it has had its effect."""
        self.stage.mortal.countdown, self.stage.mortal.arrives = calls, arrives

    @rule()
    def come_to_rest(self) -> None:
        self._do(self._quiet())

    async def _quiet(self) -> None:
        """With a template that can run, and nobody who holds it back, it gets there."""
        world = self.stage.world
        await self._change({"paused": False})
        await world.image(GOOD)

        async def settled() -> bool:
            replicas = (await world.deployment()).spec.replicas
            return await world.complete() and await world.ready(replicas)

        await world.until(settled)

    @invariant()
    def nothing_was_wrong(self) -> None:
        assert self.stage.witness.wrong == []

    def teardown(self) -> None:
        try:
            self.stage.mortal.countdown = 0
            self.stage.play(self._end())
            self.nothing_was_wrong()
        finally:
            self.stage.close()

    async def _end(self) -> None:
        """Everything is as the spec says, and nothing else is there."""
        world = self.stage.world
        try:
            await self._quiet()
        except NotFound:
            return  # it never began
        await asyncio.sleep(120)
        found, sets, pods = await world.deployment(), await world.sets(), await world.pods()
        new = template.find_new(found, sets)
        assert new is not None
        assert all(owners.is_managed_by(rs, found) for rs in sets)
        assert all(owners.is_managed_by(pod, new) for pod in pods), "an orphan"
        assert len(pods) == found.spec.replicas
        assert {pod.spec.containers[0].image for pod in pods} <= {GOOD}
        assert {rs.metadata.name for rs in sets if rs.spec.replicas or rs.status.replicas} <= {new.metadata.name}  # fmt: skip
        assert new is sets[-1], "the present template has the highest revision"
        assert (
            found.metadata.annotations[notes.REVISION] == new.metadata.annotations[notes.REVISION]
        )
        assert len(sets) <= 1 + found.spec.revisionHistoryLimit


TestRollouts = Rollouts.TestCase
TestRollouts.settings = settings(
    max_examples=20,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
