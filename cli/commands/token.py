"""`helmling token`: what another machine shows to join the cluster (api/jointoken.py)."""

from api import clock
from api.kinds import Kind, find
from cli import subcommands
from cli.command import Command, Session
from cli.errors import UsageError
from cli.flags import Flag, duration, switch
from cli.output.table import render
from cli.subcommands import Action
from proto.v1.meta_pb2 import DeleteOptions


def _kind() -> Kind:
    kind = find("bootstraptokens")
    assert kind is not None
    return kind


def create(session: Session) -> int:
    if session.args:
        raise UsageError(f"token create takes no arguments: {' '.join(session.args)}")
    from cli.joining import new_token

    about, flags = session.server.version(), session.flags
    life, description = flags.seconds("ttl"), flags.text("description")
    if life < 0:
        raise UsageError(
            "--ttl is how long the token will be good for: 10m, 24h; 0: until it is deleted"
        )
    token = new_token(session.server, session.target, life, description)
    host = session.server.address.rpartition(":")[0]
    join = f"helmling agent --join={host}:{about.tokenPort} --token={token}"
    if session.flags.on("print-join-command"):
        session.say(join)
    else:
        session.say(str(token))
        session.warn(f"On the machine that is to join, as root:\n  {join}")
    if host.startswith("127.") or host in ("localhost", "[::1]"):
        session.warn(
            "This address is for this machine only. For others, start the server with --advertise-address=ADDRESS "
            "(helmling up has it too)."
        )
    return 0


def show(session: Session) -> int:
    kind = _kind()
    tokens, _ = session.server.list(kind)
    if not tokens:
        session.warn("No join tokens. Make one with: helmling token create")
        return 0
    now = clock.now()
    rows = [["ID", "EXPIRES", "DESCRIPTION"]]
    for token in tokens:
        expires, spec = "never", token.spec
        if spec.HasField("expiration"):
            moment = clock.to_datetime(spec.expiration)
            expires = "expired" if moment <= now else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
        rows.append([token.metadata.name, expires, spec.description or "<none>"])
    for line in render(rows):
        session.say(line)
    return 0


def delete(session: Session) -> int:
    if not session.args:
        raise UsageError("token delete takes the ids of tokens: helmling token list shows them")
    for word in session.args:
        name = _id_of(word)
        session.server.delete(_kind(), name, "", DeleteOptions())
        session.say(f'bootstrap token "{name}" deleted')
    return 0


def _id_of(word: str) -> str:
    """Of an id, or of a whole token."""
    return word.rpartition("::")[2].partition(".")[0]


ACTIONS = {
    "create": Action(
        create,
        (
            duration("ttl", "How long the token is good for; 0: until it is deleted.", "24h"),
            Flag("description", "What it is for."),
            switch("print-join-command", "Print the whole command for the other machine."),
        ),
    ),
    "list": Action(show, ()),
    "delete": Action(delete, ()),
}
TOKEN = Command(
    usage="token (create [--ttl=24h] [--description=TEXT] [--print-join-command] | list | delete ID…)",
    about="Manage join tokens: what another machine shows to become a node of this cluster.\n\nA token carries the "
    "fingerprint of the cluster's authority, so that the machine joins this cluster and no impostor. Its secret is "
    "shown once; the cluster keeps only a hash of it.",
    examples="""  # The command to run on the other machine
  helmling token create --print-join-command

  # One that is good for ten minutes
  helmling token create --ttl=10m

  # Nobody may join with it any more
  helmling token delete ab12cd""",
    run=lambda session: subcommands.run(session, "token", ACTIONS),
    flags=subcommands.all_flags(ACTIONS),
    actions=tuple(ACTIONS),
)
