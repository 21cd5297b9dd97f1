"""Getting what volumes are made from: ConfigMaps and Secrets from the server, tokens from whoever issues them.

When the server does not answer, a volume that was made before keeps the files that it has (those in memory outlive the
agent), and only a volume that is not there yet has to wait.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from api import clock
from api.configrefs import Content, Reference, of_volume
from node_agent.configsource import PATIENCE, ConfigSource
from node_agent.pods.facts import ConfigError, NodeFacts
from node_agent.volumes.contents import Material, token_key
from node_agent.volumes.errors import VolumeError
from proto.v1.pod_pb2 import Pod, ServiceAccountTokenProjection, Volume

AGAIN = timedelta(seconds=30)  # after which one asks again who did not answer


@dataclass(frozen=True)
class Token:
    text: str
    renew_at: datetime  # well before it expires


class Tokens(Protocol):
    """Who issues the tokens that pods prove themselves with. May keep them, until they are to be renewed."""

    async def token(self, pod: Pod, wanted: ServiceAccountTokenProjection) -> Token:
        """A token bound to this pod. Raises ConfigError, in words for people."""


class NoTokens:
    """Implements `Tokens` where nobody issues any."""

    async def token(self, pod: Pod, wanted: ServiceAccountTokenProjection) -> Token:
        raise ConfigError("there are no service account tokens here: nobody issues them")


@dataclass(frozen=True)
class Gathered:
    material: Material
    unknown: frozenset[str]  # names of volumes that keep what they have: the server does not answer
    again_at: (
        datetime | None
    )  # when to do it again: a token is to be renewed, somebody did not answer


@dataclass(frozen=True)
class Gatherer:
    node: NodeFacts
    config: ConfigSource
    tokens: Tokens

    async def gather(self, pod: Pod, is_there: Callable[[Volume], bool]) -> Gathered:
        """All that the pod's volumes need. Raises VolumeError."""
        contents: dict[Reference, Content | None] = {}
        tokens: dict[str, Token] = {}
        unknown = set()
        for volume in pod.spec.volumes:
            made = is_there(volume)
            try:
                # Whoever has files need not wait: when the server tells, the pod is woken.
                patience = 0.0 if made else PATIENCE
                named = of_volume(volume, pod.metadata.namespace)
                contents |= await self.config.contents(named, patience=patience)
                tokens |= await self._tokens(pod, volume)
            except ConfigError as error:
                if not made:
                    raise VolumeError(volume.name, str(error)) from error
                unknown.add(volume.name)
        texts = {key: token.text for key, token in tokens.items()}
        times = [token.renew_at for token in tokens.values()]
        times += [clock.now() + AGAIN] if unknown else []
        again = min(times, default=None)
        return Gathered(Material(self.node, contents, texts), frozenset(unknown), again)

    async def _tokens(self, pod: Pod, volume: Volume) -> dict[str, Token]:
        return {
            token_key(volume, part): await self.tokens.token(pod, part.serviceAccountToken)
            for part in volume.projected.sources
            if part.HasField("serviceAccountToken")
        }
