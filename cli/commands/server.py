"""`helmling server`: the control plane in the foreground, until Ctrl-C."""

import re
import sys
from pathlib import Path

from cli.cluster.layout import PORT
from cli.command import Command, Session
from cli.errors import CommandError, UsageError
from cli.flags import Flag, switch
from cli.kubeconfig import data_dir

LEVELS = ("debug", "info", "warning", "error")
LOG_LEVEL = Flag("log-level", f"How much to log: {', '.join(LEVELS)}.", default="info")
LISTEN = re.compile(r"^(?P<host>127\.\d+\.\d+\.\d+|localhost|\[::1\]):(?P<port>\d{1,5})$")


def log_level(session: Session) -> str:
    level = session.flags.text("log-level")
    if level not in LEVELS:
        raise UsageError(f"--log-level must be one of {', '.join(LEVELS)}, not {level}")
    return level


def run(session: Session) -> int | None:
    if session.args:
        raise UsageError(f"server takes no arguments: {' '.join(session.args)}")
    where = session.flags.text("listen")
    match = LISTEN.match(where)
    if match is None or int(match["port"]) > 65535:
        raise UsageError(
            f"--listen={where}: until there are certificates, only loopback is safe: 127.0.0.1:{PORT}"
        )
    level, store = log_level(session), session.flags.text("store")
    given = session.flags.text("encryption-provider-config")
    from control_plane import main as control_plane
    from control_plane.apiserver.server import CannotListen
    from control_plane.store.contract import CannotOpen

    control_plane.log_to_stderr(level)
    options = control_plane.Options(
        data_dir=Path(data_dir(session.flags)).absolute(),
        store=store,
        host=match["host"],
        port=int(match["port"]),
        encryption=control_plane.EncryptionOptions(
            file=Path(given).absolute() if given else None,
            accept_lost=session.flags.on("accept-lost-secrets"),
        ),
        ready=lambda address: print(f"Control plane at {address}", file=sys.stderr, flush=True),
    )
    try:
        control_plane.run(options)
    except (CannotOpen, CannotListen) as error:
        raise CommandError(str(error)) from None
    except PermissionError as error:
        raise CommandError(
            f"cannot write to {error.filename}: run as root, or choose another --data-dir"
        ) from None
    return 0


SERVER = Command(
    usage="server [--listen=HOST:PORT] [--store=URL] [--data-dir=DIR] [--encryption-provider-config=FILE] "
    "[--log-level=LEVEL]",
    about="Run the control plane in the foreground: API server, scheduler and controllers.\n\nWrites "
    "admin.conf into the data "
    "directory as soon as it listens. Ctrl-C or SIGTERM ends it; what it knows stays in the store.",
    examples="""  # With SQLite in /var/lib/helmling
  helmling server

  # In a folder of your own, on another port
  helmling server --data-dir=$HOME/cluster --listen=127.0.0.1:7000

  # On etcd
  helmling server --store=etcd://127.0.0.1:2379""",
    run=run,
    tidies_up=True,
    flags=(
        Flag("listen", "The address to listen on; port 0 is any free one.", default=f"127.0.0.1:{PORT}"),
        Flag("store", "Default: SQLite in the data directory. Else sqlite:///PATH, etcd://HOST:PORT or memory://."),
        Flag("encryption-provider-config", "What is encrypted at rest, and with which keys; default: encryption.yaml "
             "in the data directory, made at the first start."),
        switch("accept-lost-secrets", "When that file is gone: start with new keys, without what the old ones hid."),
        LOG_LEVEL,
    ),
)  # fmt: skip
