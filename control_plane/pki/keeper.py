"""The control plane's own certificates: made at the first start, looked after from then on.

ca.crt ca.key                  the authority; ca.crt is what everybody believes
apiserver.pem                  what the server shows to its clients
apiserver-kubelet-client.pem   what the server shows to agents, when it reads logs or runs a command there
admin.pem                      the administrator, who is told about it in admin.conf

A leaf is replaced when three quarters of its life are over, when the server is known by other names than before, or
when it is damaged: the authority can always make a new one. Servers show the new one from the next handshake on, so
nothing is restarted and no call fails. A damaged authority is never replaced behind anybody's back: every node and
every kubeconfig believes the old one.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc

from api import certificates, clock, keyfiles
from api.certificates import BadCertificate
from api.grpc_server import door
from api.identities import ADMIN, MASTERS, SERVER_CLIENT
from api.keyfiles import Pair
from api.tls import Identity
from control_plane.pki.authority import LIFE, Authority, Wanted

log = logging.getLogger(__name__)

LONGEST_SLEEP = 3600.0  # seconds: the clock may be set meanwhile
SHORTEST_SLEEP = 0.2
LOCAL_HOSTS = ("127.0.0.1", "::1", "localhost")


class CannotTrust(Exception):
    """The authority's files are of no use; the message says what to do."""


class Keeper:
    """Owner of the folder `pki`. `renew` makes what is missing or old; `run` does so for ever."""

    def __init__(self, folder: Path, hosts: Sequence[str] = (), life: timedelta = LIFE) -> None:
        """Raises CannotTrust."""
        self._folder = folder
        self.authority = load_or_make(folder)
        names = tuple(dict.fromkeys((*LOCAL_HOSTS, *hosts)))
        self._wanted = {
            "apiserver": Wanted("kube-apiserver", hosts=names, uses=("server",), life=life),
            "apiserver-kubelet-client": Wanted(SERVER_CLIENT, life=life),
            "admin": Wanted(ADMIN, [MASTERS], life=life),
        }
        self._pairs: dict[str, Pair] = {}
        self.renew()

    def renew(self) -> bool:
        """Replace what is due; whether anything was."""
        before = dict(self._pairs)
        for name, wanted in self._wanted.items():
            self._pairs[name] = self._current(name, wanted)
        if self._pairs == before:
            return False
        self._shown = self._configuration()
        self._to_agents = self._identity("apiserver-kubelet-client").channel_credentials()
        return True

    def _current(self, name: str, wanted: Wanted) -> Pair:
        path = self._folder / f"{name}.pem"
        try:
            pair = self._pairs.get(name) or keyfiles.read_pair(path)
            if pair is not None and _good(self.authority, pair, wanted):
                return pair
        except BadCertificate as error:
            log.warning("certificate_damaged file=%s error=%s", path, error)
        pair = Pair(*self.authority.issue(wanted))
        keyfiles.write_pair(path, pair)
        until = certificates.holder_of(pair.certificate).until
        log.info("certificate_issued name=%s until=%s", wanted.name, until.isoformat())
        return pair

    async def run(self, renewed: Callable[[], None]) -> None:
        """Renew what becomes due, and tell."""
        while True:
            due = min(pair.renewal for pair in self._pairs.values())
            wait = (due - clock.now()).total_seconds()
            await asyncio.sleep(min(max(wait, SHORTEST_SLEEP), LONGEST_SLEEP))
            if self.renew():
                renewed()

    def door(self, *, certificates: bool) -> grpc.ServerCredentials:
        """What to show at a port; `certificates`: and to ask for. It follows renewals by itself."""
        return door(lambda: self._shown, certificates=certificates)

    def _configuration(self) -> Any:
        pair = self._pairs["apiserver"]
        chain = pair.certificate + self.authority.pem  # a node that joins looks for the CA in it
        return grpc.ssl_server_certificate_configuration(
            [(pair.key, chain)], root_certificates=self.authority.pem
        )

    def to_agents(self) -> grpc.ChannelCredentials:
        """What the server shows to agents."""
        return self._to_agents

    @property
    def shown(self) -> Path:
        """Certificate and key of the server, in a file: for TLS that is not grpc's."""
        return self._folder / "apiserver.pem"

    @property
    def believed(self) -> Path:
        """The authority's certificate, in a file."""
        return self._folder / "ca.crt"

    @property
    def admin(self) -> Identity:
        return self._identity("admin")

    def _identity(self, name: str) -> Identity:
        pair = self._pairs[name]
        return Identity(self.authority.pem, pair.certificate, pair.key)


def _good(authority: Authority, pair: Pair, wanted: Wanted) -> bool:
    """Ours, not old, and says what it should."""
    certificate = certificates.read(pair.certificate)
    return (
        clock.now() < pair.renewal
        and authority.signed(certificate)
        and certificates.names_in(certificate.subject) == (wanted.name, tuple(wanted.groups))
        and certificates.hosts_in(certificate.extensions) == tuple(wanted.hosts)
    )


# The authority's files


def load_or_make(folder: Path) -> Authority:
    """Raises CannotTrust."""
    certificate, key = folder / "ca.crt", folder / "ca.key"
    if key.exists():
        return load(folder)
    if certificate.exists():
        raise CannotTrust(f"{certificate} is there but {key} is not. {_way_out(folder)}")
    authority = Authority.make()
    keyfiles.write(key, authority.key_pem)
    keyfiles.write(certificate, authority.pem, keyfiles.PUBLIC)
    log.info("authority_made sha256=%s", authority.fingerprint)
    return authority


def load(folder: Path) -> Authority:
    """Raises CannotTrust. A key without its certificate was left by a crash at the first start: it gets a new one."""
    certificate, key = folder / "ca.crt", folder / "ca.key"
    try:
        if not certificate.exists():
            made = Authority.make(key=certificates.read_key(key.read_bytes()))
            keyfiles.write(certificate, made.pem, keyfiles.PUBLIC)
        pair = Pair(certificate.read_bytes(), key.read_bytes())
        keyfiles.check_match(pair)
    except (BadCertificate, OSError) as error:
        raise CannotTrust(
            f"the certificate authority in {folder} cannot be used: {error}. {_way_out(folder)}"
        ) from None
    authority = Authority(certificates.read(pair.certificate), certificates.read_key(pair.key))
    if clock.now() > authority.certificate.not_valid_after_utc:
        until = authority.certificate.not_valid_after_utc
        raise CannotTrust(
            f"the certificate authority in {folder} expired on {until:%Y-%m-%d}. {_way_out(folder)}"
        )
    return authority


def _way_out(folder: Path) -> str:
    return (
        f"Put back ca.crt and ca.key from a backup; or, if there is none, move {folder} away: the next start makes a "
        "new authority, and then every node must join again and every kubeconfig be replaced"
    )
