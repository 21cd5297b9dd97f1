"""The tokens of ServiceAccounts: signed, short-lived, and bound to what they were made for (S#32).

A token names its ServiceAccount and, for a pod, the pod, both with their uids. It is looked at anew with every call:
when the account or the pod is gone, the token is worthless, however long it would have held. So nothing is stored of a
token, and nothing must be revoked. The key is in pki/sa.key; who has it can be every ServiceAccount.
https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens
"""

import hashlib
import logging
import uuid
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from api import certificates, clock, keyfiles, kinds
from api.client import Client
from api.errors import BadRequest, Cause, Conflict, Forbidden, Invalid, NotFound
from control_plane.apiserver import refusals
from control_plane.apiserver.authorization.nodes import node_of
from control_plane.apiserver.authorization.roles import SERVICE_ACCOUNT
from control_plane.apiserver.identity import ACCOUNTS, CALLER, User
from control_plane.apiserver.validation import causes
from control_plane.pki import jwt
from control_plane.pki.keeper import CannotTrust
from proto.v1.authentication_pb2 import ServiceAccount, TokenRequest
from proto.v1.cluster_pb2 import Node
from proto.v1.config_pb2 import Secret
from proto.v1.pod_pb2 import Pod

log = logging.getLogger(__name__)

KEY = "sa.key"
ISSUER = "https://kubernetes.default.svc.cluster.local"
CLAIM = "kubernetes.io"
LIFE, SHORTEST, LONGEST = 3600, 600, 1 << 32  # seconds
# A pod may use its token until its grace period is over, and a little longer.
FAREWELL = timedelta(seconds=60)
EXTRA = "authentication.kubernetes.io/"
BOUND: dict[str, type[Any]] = {"Pod": Pod, "Secret": Secret, "Node": Node}


class Key:
    """Signs and reads; knows nothing of accounts."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._private, self._public = key, key.public_key()
        self.id = hashlib.sha256(certificates.public_bytes(self._public)).hexdigest()
        self.read = lru_cache(maxsize=4096)(self._read)  # a signature costs more than all the rest

    @classmethod
    def of(cls, folder: Path) -> "Key":
        """From its file, which is made if it is not there. Raises CannotTrust."""
        path = folder / KEY
        if not path.exists():
            keyfiles.write(path, certificates.key_pem(certificates.new_key()))
        try:
            return cls(certificates.read_key(path.read_bytes()))
        except (certificates.BadCertificate, OSError) as error:
            raise CannotTrust(
                f"the key of the ServiceAccounts' tokens, {path}, cannot be used: {error}. Put it back from a backup; "
                "or move it away: the next start makes a new one, and pods get new tokens when theirs are refused"
            ) from None

    def sign(self, claims: dict[str, Any]) -> str:
        return jwt.sign(claims, self._private, self.id)

    def _read(self, token: str) -> dict[str, Any]:
        return jwt.read(token, self._public, self.id)


class AccountTokens:
    """Makes tokens (`Tokens` in authorization/questions.py) and knows them again (a TokenAuthenticator)."""

    def __init__(self, key: Key, client: Client) -> None:
        self._key, self._client = key, client

    # Making

    async def issue(self, namespace: str, name: str, request: TokenRequest) -> TokenRequest:
        """Raises NotFound, Invalid, BadRequest, Conflict, Forbidden."""
        if wrong := _check(request):
            raise Invalid.because("TokenRequest", name, wrong)
        account = await self._client.get(ServiceAccount, name, namespace)
        bound = await self._bound(account, request)
        _restrict(bound)
        seconds = request.spec.expirationSeconds or LIFE
        claims = _claims(account, bound, tuple(request.spec.audiences) or (ISSUER,), seconds)
        answer = TokenRequest(apiVersion=request.apiVersion, kind=request.kind, spec=request.spec)
        answer.metadata.name, answer.metadata.namespace = name, namespace
        answer.spec.audiences[:] = claims["aud"]
        answer.spec.expirationSeconds = seconds
        answer.status.token = self._key.sign(claims)
        answer.status.expirationTimestamp.FromSeconds(claims["exp"])
        return answer

    async def _bound(self, account: ServiceAccount, request: TokenRequest) -> dict[str, Any]:
        """What the token is bound to, as it is in the claims: by kind in lower case."""
        if not request.spec.HasField("boundObjectRef"):
            return {}
        ref = request.spec.boundObjectRef
        namespace = "" if ref.kind == "Node" else account.metadata.namespace
        obj = await self._client.get(BOUND[ref.kind], ref.name, namespace)
        meta = obj.metadata
        if ref.uid and ref.uid != meta.uid:
            raise Conflict(
                f"the UID in the bound object reference ({ref.uid}) does not match the UID in record. "
                "The object might have been deleted and then recreated"
            )
        found = {ref.kind.lower(): {"name": meta.name, "uid": meta.uid}}
        if isinstance(obj, Pod):
            _same_account(obj, account)
            found |= await self._node(obj)
        return found

    async def _node(self, pod: Pod) -> dict[str, Any]:
        name = pod.spec.nodeName
        if not name:
            return {}
        try:
            node = await self._client.get(Node, name)
        except NotFound:
            return {"node": {"name": name, "uid": ""}}
        return {"node": {"name": name, "uid": node.metadata.uid}}

    # Knowing again

    async def user_of(self, token: str) -> User | None:
        found = await self.review(token, ())
        return found[0] if found else None

    async def review(
        self, token: str, audiences: tuple[str, ...]
    ) -> tuple[User, tuple[str, ...]] | None:
        if not jwt.looks_like(token):
            return None
        try:
            claims = self._key.read(token)
            meant = _meant_for(claims, audiences or (ISSUER,))
            return await self._holder(claims), meant
        except (jwt.BadJwt, NotFound, KeyError, TypeError, AttributeError) as why:
            log.info("token_refused why=%r", str(why))
            return None

    async def _holder(self, claims: dict[str, Any]) -> User:
        """Raises NotFound, BadJwt: somebody is no longer there."""
        about = claims[CLAIM]
        namespace, account = about["namespace"], about["serviceaccount"]
        await self._there(ServiceAccount, namespace, account)
        for kind, message in BOUND.items():
            bound = about.get(kind.lower())
            if bound and not (kind == "Node" and "pod" in about):
                await self._there(message, "" if kind == "Node" else namespace, bound)
        groups = (ACCOUNTS, f"{ACCOUNTS}:{namespace}")
        return User(
            account_user(namespace, account["name"]), groups, account["uid"], _extra(claims)
        )

    async def _there(self, message: type[Any], namespace: str, named: dict[str, str]) -> None:
        obj = await self._client.get(message, named["name"], namespace)
        meta = obj.metadata
        if meta.uid != named["uid"]:
            raise jwt.BadJwt(f"another {kinds.of(message).singular} has this name now")
        going = meta.HasField("deletionTimestamp")
        if going and clock.now() > clock.to_datetime(meta.deletionTimestamp) + FAREWELL:
            raise jwt.BadJwt(f"{kinds.of(message).singular} {meta.name} is going")


def account_user(namespace: str, name: str) -> str:
    return f"{SERVICE_ACCOUNT}{namespace}:{name}"


def _check(request: TokenRequest) -> list[Cause]:
    spec, found, path = request.spec, [], "spec.expirationSeconds"
    if spec.HasField("expirationSeconds"):
        seconds = spec.expirationSeconds
        if seconds < SHORTEST:
            told = "may not specify a duration less than 10 minutes"
            found.append(causes.invalid(path, seconds, told))
        if seconds > LONGEST:
            told = "may not specify a duration larger than 2^32 seconds"
            found.append(causes.invalid(path, seconds, told))
    if spec.HasField("boundObjectRef"):
        ref = spec.boundObjectRef
        if ref.kind not in BOUND:
            found.append(causes.unsupported("spec.boundObjectRef.kind", ref.kind, BOUND))
        if not ref.name:
            found.append(causes.required("spec.boundObjectRef.name"))
    return found


def _same_account(pod: Pod, account: ServiceAccount) -> None:
    if pod.spec.serviceAccountName != account.metadata.name:
        raise BadRequest(
            f'cannot bind token for serviceaccount "{account.metadata.name}" to pod running with different '
            "serviceaccount name."
        )


def _restrict(bound: dict[str, Any]) -> None:
    """A node asks for its pods, and for nobody else. Raises Forbidden."""
    node = node_of(CALLER.get())
    if not node:
        return
    if "pod" not in bound:
        raise _forbidden("node requested token not bound to a pod")
    if bound.get("node", {}).get("name") != node:
        raise _forbidden("node requested token bound to a pod scheduled on a different node")


def _forbidden(why: str) -> Forbidden:
    return refusals.forbidden(kinds.of(ServiceAccount), "", why)


def _claims(
    account: ServiceAccount, bound: dict[str, Any], audiences: tuple[str, ...], seconds: int
) -> dict[str, Any]:
    now, meta = int(clock.now().timestamp()), account.metadata
    about = {
        "namespace": meta.namespace,
        "serviceaccount": {"name": meta.name, "uid": meta.uid},
        **bound,
    }
    return {
        "aud": list(audiences),
        "exp": now + seconds,
        "iat": now,
        "iss": ISSUER,
        "jti": str(uuid.uuid4()),
        CLAIM: about,
        "nbf": now,
        "sub": account_user(meta.namespace, meta.name),
    }


def _meant_for(claims: dict[str, Any], audiences: tuple[str, ...]) -> tuple[str, ...]:
    """Which of them may accept it now. Raises BadJwt."""
    now = clock.now().timestamp()
    if claims["iss"] != ISSUER:
        raise jwt.BadJwt("another issuer")
    if now >= claims["exp"]:
        raise jwt.BadJwt("expired")
    if now < claims["nbf"] - 1:
        raise jwt.BadJwt("not valid yet")
    meant = tuple(each for each in audiences if each in claims["aud"])
    if not meant:
        raise jwt.BadJwt("meant for somebody else")
    return meant


def _extra(claims: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """What audit and `whoami` show beyond the name."""
    found: dict[str, tuple[str, ...]] = {f"{EXTRA}credential-id": (f"JTI={claims['jti']}",)}
    for word in ("pod", "node"):
        for key, value in claims[CLAIM].get(word, {}).items():
            found[f"{EXTRA}{word}-{key}"] = (value,)
    return found
