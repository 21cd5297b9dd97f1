"""`helmling token`: what another machine shows to join the cluster (api/jointoken.py)."""

from datetime import timedelta

from api import clock, jointoken
from api.kinds import Kind, find
from cli import subcommands
from cli.command import Command, Session
from cli.errors import CommandError, UsageError
from cli.flags import Flag, duration, switch
from cli.output.table import render
from cli.subcommands import Action
from proto.v1.certificates_pb2 import BootstrapToken, BootstrapTokenSpec
from proto.v1.meta_pb2 import DeleteOptions, ObjectMeta


def _kind() -> Kind:
    kind = find("bootstraptokens")
    assert kind is not None
    return kind


def create(session: Session) -> int:
    if session.args:
        raise UsageError(f"token create takes no arguments: {' '.join(session.args)}")
    bearer = jointoken.new_bearer()
    name, _, secret = bearer.partition(".")
    spec = BootstrapTokenSpec(
        secretHash=jointoken.hash_of(secret), description=session.flags.text("description")
    )
    life = session.flags.seconds("ttl")
    if life < 0:
        raise UsageError(
            "--ttl is how long the token will be good for: 10m, 24h; 0: until it is deleted"
        )
    if life:
        spec.expiration.CopyFrom(clock.timestamp(clock.now() + timedelta(seconds=life)))
    about = session.server.version()
    token = jointoken.JoinToken(_pin(session), bearer)
    obj = BootstrapToken(metadata=ObjectMeta(name=name), spec=spec)
    session.server.create(_kind(), obj, "")
    if not session.flags.on("print-join-command"):
        session.say(str(token))
        return 0
    host = session.server.address.rpartition(":")[0]
    session.say(f"helmling agent --join={host}:{about.tokenPort} --token={token}")
    if host.startswith("127.") or host in ("localhost", "[::1]"):
        session.warn(
            "This address is for this machine only. For others, start the server with --advertise=ADDRESS (helmling up "
            "has it too)."
        )
    return 0


def _pin(session: Session) -> str:
    """The fingerprint of the authority that we ourselves believe."""
    from api.certificates import BadCertificate, fingerprint, read

    try:
        return fingerprint(read(session.target.identity.ca))
    except BadCertificate as error:
        raise CommandError(f"{session.target.source}: certificate-authority: {error}") from None


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
