"""`helmling server`: the control plane in the foreground, until Ctrl-C."""

import re
import sys
from pathlib import Path

from cli.cluster import nodeflags, serviceflags
from cli.cluster.layout import HTTP_PORT, PORT, TOKEN_PORT
from cli.command import Command, Session
from cli.errors import CommandError, UsageError
from cli.flags import Flag, switch
from cli.kubeconfig import data_dir

LEVELS = ("debug", "info", "warning", "error")
LOG_LEVEL = Flag("log-level", f"How much to log: {', '.join(LEVELS)}.", default="info")
LISTEN = re.compile(r"^(?P<host>\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):(?P<port>\d{1,5})$")


def log_level(session: Session) -> str:
    level = session.flags.text("log-level")
    if level not in LEVELS:
        raise UsageError(f"--log-level must be one of {', '.join(LEVELS)}, not {level}")
    return level


def _ports(session: Session) -> tuple[str, int, int, int]:
    """Where to listen: host, ports for certificates, for tokens and for kubectl. Raises UsageError."""
    advertised = session.flags.text("advertise-address")
    where = session.flags.text("listen") or f"{_bracketed(advertised) or '127.0.0.1'}:{PORT}"
    match = LISTEN.match(where)
    if match is None or int(match["port"]) > 65535:
        raise UsageError(
            f"--listen={where}: expected HOST:PORT, as in 127.0.0.1:{PORT} or 0.0.0.0:{PORT}"
        )
    others = [
        _port(session, name, usual if int(match["port"]) else 0)
        for name, usual in (("token-port", TOKEN_PORT), ("http-port", HTTP_PORT))
    ]
    return match["host"], int(match["port"]), others[0], others[1]


def _port(session: Session, name: str, usual: int) -> int:
    """Raises UsageError."""
    port = session.flags.number(name)
    if port is None:
        return usual
    if not 0 <= port <= 65535:
        raise UsageError(f"--{name} must be between 0 and 65535, not {port}")
    return port


def _bracketed(host: str) -> str:
    """As it stands before a port: an IPv6 address is put in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def run(session: Session) -> int | None:
    if session.args:
        raise UsageError(f"server takes no arguments: {' '.join(session.args)}")
    host, port, token_port, http_port = _ports(session)
    level, store = log_level(session), session.flags.text("store")
    given = session.flags.text("encryption-provider-config")
    from control_plane import main as control_plane
    from control_plane.apiserver.server import CannotListen
    from control_plane.audit import options as audit
    from control_plane.pki.keeper import CannotTrust
    from control_plane.store.contract import CannotOpen

    control_plane.log_to_stderr(level)
    options = control_plane.Options(
        data_dir=Path(data_dir(session.flags)).absolute(),
        store=store,
        host=host,
        port=port,
        token_port=token_port,
        http_port=http_port,
        advertise=session.flags.text("advertise-address"),
        names=tuple(session.flags.many("tls-san")),
        audit=audit.Options(
            path=session.flags.text("audit-log-path"),
            policy=session.flags.text("audit-policy-file"),
            max_size=session.flags.number("audit-log-maxsize") or 0,
            max_backups=session.flags.number("audit-log-maxbackup") or 0,
            max_age=session.flags.number("audit-log-maxage") or 0,
        ),
        nodes=nodeflags.options(session),
        ranges=serviceflags.ranges(session),
        cluster_domain=session.flags.text("cluster-domain"),
        encryption=control_plane.EncryptionOptions(
            file=Path(given).absolute() if given else None,
            accept_lost=session.flags.on("accept-lost-secrets"),
        ),
        ready=lambda address: print(f"Control plane at {address}", file=sys.stderr, flush=True),
    )
    try:
        control_plane.run(options)
    except (CannotOpen, CannotListen, CannotTrust, audit.CannotLog) as error:
        raise CommandError(str(error)) from None
    except PermissionError as error:
        raise CommandError(
            f"cannot write to {error.filename}: run as root, or choose another --data-dir"
        ) from None
    return 0


SERVER = Command(
    usage="server [--listen=HOST:PORT] [--token-port=PORT] [--http-port=PORT] [--advertise-address=HOST] "
    "[--tls-san=NAME] [--store=URL] [--data-dir=DIR] [--encryption-provider-config=FILE] [--log-level=LEVEL]",
    about="Run the control plane in the foreground: API server, scheduler and controllers.\n\nWrites "
    "admin.conf into the data "
    "directory as soon as it listens. Whoever connects shows a client certificate (at --listen), or a token "
    "(at --token-port). Ctrl-C or SIGTERM ends it; what it knows stays in the store.",
    examples="""  # With SQLite in /var/lib/helmling
  helmling server

  # In a folder of your own, on another port
  helmling server --data-dir=$HOME/cluster --listen=127.0.0.1:7000

  # For other machines, too
  helmling server --advertise-address=192.168.1.10

  # A lab, where a dead node is given up after seconds
  helmling server --node-monitor-period=1s --node-monitor-grace-period=15s \\
      --default-unreachable-toleration-seconds=5

  # On etcd
  helmling server --store=etcd://127.0.0.1:2379""",
    run=run,
    tidies_up=True,
    flags=(
        Flag("listen", f"The address to listen on; port 0 is any free one. Default: port {PORT} of what is advertised, "
             "or of 127.0.0.1."),
        Flag("token-port", f"Where tokens are taken, not certificates; 0: any free one. Default {TOKEN_PORT}.",
             form="number"),
        Flag("http-port", f"Where kubectl connects; 0: any free one. Default {HTTP_PORT}.", form="number"),
        Flag("advertise-address", "The address at which others find this server; default: where it listens."),
        Flag("tls-san", "A further name or address for the server's certificate; may be repeated.", form="many"),
        Flag("store", "Default: SQLite in the data directory. Else sqlite:///PATH, etcd://HOST:PORT or memory://."),
        Flag("encryption-provider-config", "What is encrypted at rest, and with which keys; default: encryption.yaml "
             "in the data directory, made at the first start."),
        switch("accept-lost-secrets", "When that file is gone: start with new keys, without what the old ones hid."),
        Flag("audit-log-path", "Who did what: default audit/audit.log in the data directory; off: no such log."),
        Flag("audit-policy-file", "What is logged of which request: a Policy of audit.k8s.io/v1."),
        Flag("audit-log-maxsize", "Megabytes until the audit log is put aside.", form="number", default="100"),
        Flag("audit-log-maxbackup", "How many of these are kept; 0: all.", form="number", default="10"),
        Flag("audit-log-maxage", "For how many days; 0: for ever.", form="number", default="30"),
        LOG_LEVEL,
        *serviceflags.FLAGS,
        *nodeflags.FLAGS,
    ),
)  # fmt: skip
