"""The tokens of the node's pods: asked for at the server, kept while they are good, renewed in time (S#32).

A token is bound to its pod, so nobody but the pods of this node can use what this node asks for, and a token ends with
its pod. It is renewed when four fifths of its life are over; tokens are in memory only.
"""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from api import clock
from api.client import Client
from api.errors import ApiError
from node_agent.pods.facts import ConfigError
from node_agent.volumes.gathering import Token
from proto.v1.authentication_pb2 import BoundObjectReference, TokenRequest, TokenRequestSpec
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.pod_pb2 import Pod, ServiceAccountTokenProjection

LIFE = 3600  # seconds, of a token whose pod does not say
RENEW_AT = 0.8  # of its life …
JITTER = 10.0  # … give or take, in seconds: not all pods of a Deployment at once
KEPT = 10_000  # tokens, before those are dropped that are due


# The pod's uid, for whom, and for how long.
_Key = tuple[str, str, int]


@dataclass
class AccountTokens:
    """Implements `Tokens` (node_agent/volumes/gathering.py)."""

    client: Client
    _kept: dict[_Key, Token] = field(default_factory=dict, repr=False)

    async def token(self, pod: Pod, wanted: ServiceAccountTokenProjection) -> Token:
        seconds = wanted.expirationSeconds or LIFE
        key = (pod.metadata.uid, wanted.audience, seconds)
        known, now = self._kept.get(key), clock.now()
        if known is not None and now < known.renew_at:
            return known
        try:
            answer = await self.client.create(request(pod, wanted.audience, seconds))
        except ApiError as error:
            account = pod.spec.serviceAccountName
            raise ConfigError(
                f'failed to fetch token: no token of service account "{account}": {error.message}'
            ) from error
        until = clock.to_datetime(answer.status.expirationTimestamp)
        token = Token(answer.status.token, renewal(now, until))
        self._keep(key, token, now)
        return token

    def _keep(self, key: _Key, token: Token, now: datetime) -> None:
        if len(self._kept) >= KEPT:
            self._kept = {key: each for key, each in self._kept.items() if now < each.renew_at}
        self._kept[key] = token


def request(pod: Pod, audience: str, seconds: int) -> TokenRequest:
    meta = pod.metadata
    bound = BoundObjectReference(kind="Pod", apiVersion="v1", name=meta.name, uid=meta.uid)
    return TokenRequest(
        metadata=ObjectMeta(name=pod.spec.serviceAccountName, namespace=meta.namespace),
        spec=TokenRequestSpec(
            audiences=[audience] if audience else [],
            expirationSeconds=seconds,
            boundObjectRef=bound,
        ),
    )


def renewal(now: datetime, until: datetime) -> datetime:
    """When to ask for the next one."""
    spread = timedelta(seconds=random.uniform(-JITTER, 0))
    return max(now + (until - now) * RENEW_AT + spread, now)
