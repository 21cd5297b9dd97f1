"""`helmling secrets`: how the server encrypts what it stores, and with which keys.

The server does the work; the command only asks for it, so it runs wherever the administrator is. Ctrl-C ends a
change where it is, and the same command goes on from there.
"""

import sys
from typing import Any

from api import kinds
from cli import subcommands
from cli.command import Command, Session
from cli.errors import UsageError
from cli.flags import Flag, switch
from cli.output.table import render
from cli.subcommands import Action
from proto.v1 import service_pb2 as service
from proto.v1.config_pb2 import Secret

LOST = 3  # the exit code of `status` when something cannot be read


def status(session: Session) -> int:
    _no_arguments(session, "status")
    output = session.flags.text("output")
    if output not in ("", "json", "yaml"):
        raise UsageError(f"--output must be json or yaml, not {output}")
    found = session.server.encryption("Status", service.EncryptionStatusRequest())
    if output:
        from google.protobuf.json_format import MessageToDict

        from cli.output import chosen

        shown = MessageToDict(found, always_print_fields_with_no_presence=True)
        chosen.write(chosen.read(output), shown)
    else:
        _print(session, found)
    return LOST if found.lost else 0


def _print(session: Session, found: Any) -> None:
    session.say(f"Keys are in {found.file}, on the server's machine.")
    session.say()
    rows = [["RESOURCES", "KEY", "PROVIDER", "USE", "OBJECTS"]]
    for rule in found.rules:
        for place, key in enumerate(rule.keys):
            resources = ",".join(rule.resources)
            objects = "-" if key.provider == "identity" else str(key.objects)
            use = "reads" if place else "writes"
            rows.append([resources, key.name or "<none>", key.provider, use, objects])
    for line in render(rows):
        session.say(line)
    for line in _remarks(found):
        session.say()
        session.say(line)


def _remarks(found: Any) -> list[str]:
    """What the administrator should know beyond the table."""
    said = []
    if found.refused:
        said.append(f"The file was changed, and is not in use as it is now: {found.refused}")
    if found.unfinished:
        steps = "".join(f"\n  {step}" for step in found.unfinished)
        said.append(
            f"A rotation was begun and is not finished. `helmling secrets rotate-key` goes on:{steps}"
        )
    elif found.behind:
        plain = f", {found.plain} of them stored in the clear" if found.plain else ""
        said.append(
            f"Not under the key that writes: {found.behind}{plain}. `helmling secrets reencrypt` changes that."
        )
    if found.lost:
        said.append(f"Lost, unless their keys are put back: {len(found.lost)}")
        said += [f"  {each.object}\n    {each.why}" for each in found.lost]
    return said


def rotate(session: Session) -> int:
    _no_arguments(session, "rotate-key")
    only = session.flags.on("only-server")
    _follow(session, "RotateKey", service.RotateKeyRequest(onlyServer=only))
    found = session.server.encryption("Status", service.EncryptionStatusRequest())
    idle = sorted(
        {key.name for rule in found.rules for key in rule.keys[1:] if key.name and not key.objects}
    )
    session.say("Done.")
    for name in idle:
        session.say(f"Nothing needs {name} any more, but copies of the store may:")
        session.say(f"  helmling secrets remove-key {name}")
    return 0


def reencrypt(session: Session) -> int:
    _no_arguments(session, "reencrypt")
    _follow(session, "Reencrypt", service.ReencryptRequest())
    session.say("Done.")
    return 0


def _follow(session: Session, method: str, request: Any) -> None:
    for report in session.server.key_progress(method, request):
        counted = f": {report.done} of {report.total}" if report.total else ""
        session.say(f"{report.step}{counted}")
        sys.stdout.flush()  # who follows a pipe wants to see it now


def remove(session: Session) -> int:
    if len(session.args) != 1:
        raise UsageError(
            "remove-key takes the name of one key: `helmling secrets status` lists them"
        )
    name = session.args[0]
    session.server.encryption("RemoveKey", service.RemoveKeyRequest(name=name))
    session.say(f"{name} is removed from the server's file.")
    return 0


def _no_arguments(session: Session, word: str) -> None:
    if session.args:
        raise UsageError(f"{word} takes no arguments: {' '.join(session.args)}")


def exposure(session: Session) -> int:
    """The same as `helmling why secret/NAME`."""
    if len(session.args) != 1:
        raise UsageError("secrets exposure takes the name of one Secret")
    from cli.commands.why import exposed

    [name] = session.args
    secrets = kinds.of(Secret)
    session.server.get(secrets, name, session.namespace)
    session.say("\n".join(exposed(session, session.namespace, name)).rstrip())
    return 0


ONLY_SERVER = switch(
    "only-server",
    "No other server uses the same etcd; needed there, as it would not know the new key.",
)
ACTIONS = {
    "status": Action(status, (Flag("output", "One of: (json, yaml).", "o"),)),
    "rotate-key": Action(rotate, (ONLY_SERVER,)),
    "reencrypt": Action(reencrypt, ()),
    "remove-key": Action(remove, ()),
    "exposure": Action(exposure, ()),
}
SECRETS = Command(
    usage="secrets (status | rotate-key | reencrypt | remove-key NAME | exposure SECRET) [flags]",
    about="Encryption at rest: which keys there are and how many objects are under each; a new key, while everything "
    "runs and stays readable; rewriting what is not under the key that writes; removing a key that nothing "
    "needs.\n\nWhatever is interrupted is taken up again by the same command. "
    "Exit status of `status`: 0 all can be read, 3 something is lost.",
    examples="""  # Which keys, and what is under them
  helmling secrets status

  # A new key for everything
  helmling secrets rotate-key

  # After changing the server's file by hand
  helmling secrets reencrypt

  # When no copy of the store needs it any more
  helmling secrets remove-key key-20260101T120000Z

  # Who can get at a Secret, and by which path
  helmling secrets exposure keys""",
    run=lambda session: subcommands.run(session, "secrets", ACTIONS),
    flags=subcommands.all_flags(ACTIONS),
    actions=tuple(ACTIONS),
)
