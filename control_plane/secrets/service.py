"""The service `Encryption` of proto/v1/service.proto: the keeper of the keys, for the command line.

Whoever may do everything anyway may see and change the keys, and nobody else: they are not an object that roles could
name.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import grpc

from api.errors import ApiError, BadRequest, Conflict, Forbidden, Internal
from api.grpc_server import Admit, Context, handler_of, internal
from api.identities import MASTERS
from api.rbac import Attributes
from control_plane.apiserver import notes
from control_plane.apiserver.errors import store_errors
from control_plane.apiserver.identity import CALLER
from control_plane.apiserver.trail import Trail
from control_plane.secrets import plan
from control_plane.secrets.ciphers import IDENTITY
from control_plane.secrets.configuration import Rule
from control_plane.secrets.keeper import Busy, CannotWrite, KeyKeeper, Progress, Refused, Shared
from control_plane.secrets.plan import Census, NothingToRotate, StillNeeded
from control_plane.secrets.resources import named
from proto.v1 import service_pb2 as pb

REFUSALS: dict[type[BaseException], type[ApiError]] = {
    NothingToRotate: BadRequest,
    StillNeeded: Conflict,
    Shared: BadRequest,
    Busy: Conflict,
    Refused: Conflict,
    CannotWrite: Internal,
}


class Encryption:
    def __init__(self, keeper: KeyKeeper) -> None:
        self._keeper = keeper

    def handler(self, admit: Admit, trail: Trail) -> grpc.GenericRpcHandler:
        verbs: dict[str, Any] = {
            "Status": self._status,
            "RotateKey": self._rotate,
            "Reencrypt": self._reencrypt,
            "RemoveKey": self._remove,
        }
        followed = trail.followed(verbs)
        return handler_of("Encryption", followed, admit=admit, translate=_translated)

    async def _status(self, _request: pb.EncryptionStatusRequest, _: Context) -> Any:
        _check_caller("get", "status")
        return await self._told()

    async def _told(self) -> pb.EncryptionStatus:
        with store_errors():
            census = await self._keeper.census()
        return status(self._keeper, census)

    async def _rotate(self, request: pb.RotateKeyRequest, context: Context) -> None:
        _check_caller("update", "rotate-key")
        await _send(self._keeper.rotate(only_server=request.onlyServer), context)

    async def _reencrypt(self, _request: pb.ReencryptRequest, context: Context) -> None:
        _check_caller("update", "reencrypt")
        await _send(self._keeper.reencrypt(), context)

    async def _remove(self, request: pb.RemoveKeyRequest, _: Context) -> Any:
        _check_caller("delete", "remove-key")
        with store_errors():
            await self._keeper.remove(request.name)
        return await self._told()


def _check_caller(verb: str, what: str) -> None:
    caller = CALLER.get()
    asked = Attributes(verb, path=f"/encryption/{what}")
    notes.decided(asked, allowed=MASTERS in caller.groups, why=f"the group {MASTERS}")
    if MASTERS not in caller.groups:
        raise Forbidden(
            f'User "{caller.name}" cannot see or change the encryption keys: that takes the group {MASTERS}'
        )


async def _send(steps: AsyncGenerator[Progress, None], context: Context) -> None:
    """One message for each report; when the caller hangs up, it ends where it is."""
    with store_errors():
        async with aclosing(steps) as reports:
            async for report in reports:
                await context.write(
                    pb.KeyProgress(step=report.said, done=report.done, total=report.total)
                )


def _translated(error: BaseException) -> ApiError:
    cls = REFUSALS.get(type(error))
    return cls(str(error)) if cls else internal(error)


def status(keeper: KeyKeeper, census: Census) -> pb.EncryptionStatus:
    configuration = keeper.configuration
    steps: list[plan.Step] = []
    if waiting := plan.newest_waiting(configuration):
        steps = [plan.Promote(waiting), *plan.reencryption(census, everything=True)]
    elif plan.unfinished(configuration, census):
        steps = plan.reencryption(census)
    return pb.EncryptionStatus(
        file=str(keeper.path),
        rules=[_rule(rule, census) for rule in configuration.rules],
        plain=census.uses.get((IDENTITY, ""), 0),
        behind=census.behind,
        lost=[pb.LostObject(object=named(key), why=why) for key, why in census.lost],
        unfinished=[str(step) for step in steps],
        shared=keeper.shared,
        refused=keeper.refused,
    )


def _rule(rule: Rule, census: Census) -> pb.EncryptionRule:
    keys = (
        pb.EncryptionKey(provider=key.provider, name=key.name, objects=census.under(key))
        for key in rule.keys
    )
    return pb.EncryptionRule(resources=rule.resources, keys=keys)
