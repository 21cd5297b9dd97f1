"""Brings the node's HAProxy to what is wanted, by the gentlest means: commands if they do, a reload if not.

Every configuration is tried before it takes the place of the one that holds. What is refused leaves the last good one
in place; its pods are kept up to date all the same.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from api import clock
from node_agent.network.ingress.certificates import own_certificate
from node_agent.network.ingress.console import ConsoleFailure, Worker
from node_agent.network.ingress.haproxy import HAProxy
from node_agent.network.ingress.model import Address, Backend, Routing
from node_agent.network.ingress.render import PUT_ASIDE, Files, Setting, files, places
from node_agent.network.ingress.slots import Place, changes
from node_agent.processes import Process

log = logging.getLogger(__name__)

Pods = Mapping[Backend, frozenset[Address]]
FEW = 20  # backends whose servers are asked for one by one


@dataclass(frozen=True)
class _Made:
    """What the files that were made last are about. The same again needs no new ones."""

    routing: Routing
    room: dict[Backend, int]
    files: Files
    refused: str = ""  # what HAProxy said against them


class Keeper:
    """Owner of the node's HAProxy. `died` is called when it ends by itself.

    State: `_process` is the one that runs and is watched (`_unwatch` ends that); `_servers` what its current worker
    has, because nobody but us changes it (empty: not known); `_room` how many places each of its backends has; `_aside`
    the workers before it that have been told to lead nobody to pods.
    """

    def __init__(self, haproxy: HAProxy, setting: Setting, died: Callable[[], None]) -> None:
        self._haproxy, self._setting, self._died = haproxy, setting, died
        self._process: Process | None = None
        self._unwatch: Callable[[], None] | None = None
        self._servers: dict[str, list[Place]] = {}
        self._aside: set[int] = set()  # pids
        self._room: dict[str, int] = {}
        self._made: _Made | None = None

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.alive()

    async def apply(self, routing: Routing, pods: Pods) -> str:
        """What HAProxy has against it; empty: all is as wanted. Raises NotServing, ConsoleFailure."""
        await self._adopt()
        made = await self._files(routing, pods)
        if not made.refused or self._haproxy.folder.used():
            await self._bring(made)
        await self._place({backend.name: some for backend, some in pods.items()})
        return made.refused

    async def stop(self) -> None:
        """Nothing is left to serve; the keys go, too."""
        if self._process is None and self._haproxy.process() is None:
            return
        self._let_go()
        await self._haproxy.stop()
        await asyncio.to_thread(self._haproxy.folder.remove)
        log.info("ingress_stopped")

    def release(self) -> None:
        """The agent ends, HAProxy goes on."""
        self._let_go()

    def _let_go(self) -> None:
        if self._unwatch is not None:
            self._unwatch()
        self._process = self._unwatch = self._made = None
        self._servers, self._room, self._aside = {}, {}, set()

    async def _adopt(self) -> None:
        """What runs already, of an agent before us perhaps."""
        if self.runs:
            return
        self._let_go()
        process = self._haproxy.process()
        if process is None:
            return
        try:
            worker = await self._haproxy.worker()
            self._room = _counted(await self._haproxy.console.places(worker))
            self._hold(process)
        except (ConsoleFailure, ProcessLookupError) as error:
            log.warning("ingress_not_adopted error=%r", str(error))
            await self._haproxy.stop()
            return
        log.info("ingress_adopted pid=%d", process.pid)

    def _hold(self, process: Process) -> None:
        def ended() -> None:
            log.warning("ingress_ended pid=%d", process.pid)
            self._let_go()
            self._died()

        self._process, self._unwatch = process, self._haproxy.watch(process, ended)

    async def _files(self, routing: Routing, pods: Pods) -> _Made:
        """Made, tried, and put where they hold, if HAProxy has nothing against them."""
        room = {
            each: places(len(pods[each]), self._room.get(each.name, 0)) for each in routing.backends
        }
        last = self._made
        if last is not None and last.routing is routing and last.room == room:
            return last
        folder = self._haproxy.folder
        await asyncio.to_thread(folder.make)
        own = folder.own() or own_certificate(clock.now()).pem
        fresh = await asyncio.to_thread(files, routing, pods, room, own, self._setting)
        if last is not None and last.files.digest == fresh.digest:
            self._made = _Made(routing, room, last.files, last.refused)
            return self._made
        refused = ""
        if fresh.digest != folder.used() or self._process is None:
            refused = await self._haproxy.check(await asyncio.to_thread(folder.write, fresh))
            if not refused:
                folder.use(fresh.digest)
            await asyncio.to_thread(folder.sweep)
        self._made = _Made(routing, room, fresh, refused)
        return self._made

    async def _bring(self, made: _Made) -> None:
        """To the files that hold: started, or reloaded if it has others."""
        haproxy, digest = self._haproxy, self._haproxy.folder.used()
        if self._process is None:
            setting = self._setting
            ports = {"--ingress-http-port": setting.http, "--ingress-https-port": setting.https}
            process = await haproxy.start(ports)
            with suppress(ProcessLookupError):
                self._hold(process)
            log.info("ingress_started pid=%d hosts=%d", process.pid, len(made.routing.sites))
        elif not await haproxy.serves(digest):
            await haproxy.reload(self._process)
            log.info("ingress_reloaded hosts=%d", len(made.routing.sites))
        else:
            return
        self._servers = await haproxy.console.places(await haproxy.worker())
        self._room = _counted(self._servers)

    async def _place(self, wanted: Mapping[str, frozenset[Address]]) -> None:
        """The current worker gets the servers that are wanted, and those before it lead nobody to pods any more."""
        if self._process is None:
            return
        workers = await self._haproxy.console.workers()
        for worker in workers:
            if worker.current:
                await self._set_servers(worker, wanted)
            elif worker.pid not in self._aside:
                with suppress(ConsoleFailure):  # it has ended
                    await self._haproxy.console.tell(worker, [PUT_ASIDE])
                self._aside.add(worker.pid)
        self._aside &= {worker.pid for worker in workers}

    async def _set_servers(self, worker: Worker, wanted: Mapping[str, frozenset[Address]]) -> None:
        console = self._haproxy.console
        known = self._servers or await console.places(worker)
        self._servers = {}  # until it is known that all has been done
        todo = changes(known, wanted)
        if todo.crowded:  # never, as long as room is made before
            log.error("ingress_without_room backends=%s", ",".join(todo.crowded))
        await console.tell(worker, todo.commands)
        touched = {command.split()[2].partition("/")[0] for command in todo.commands}
        if len(touched) > FEW:
            self._servers = await console.places(worker)
            return
        for backend in touched:
            known = {**known, **await console.places(worker, backend)}
        self._servers = known


def _counted(servers: Mapping[str, list[Place]]) -> dict[str, int]:
    return {backend: len(some) for backend, some in servers.items()}
