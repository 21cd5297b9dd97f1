"""`helmling create token`: a token of a ServiceAccount, for whoever cannot be a pod."""

from typing import Any

from api.errors import ApiError
from api.kinds import TOKEN_REQUEST, find
from cli.command import Session
from cli.errors import CommandError, UsageError
from cli.flags import Flag, duration

BOUND = ("Pod", "Secret", "Node")
FLAGS = (
    duration("duration", "With token: how long it shall hold; at least 10m. Default 1h."),
    Flag("audience", "With token: who shall accept it, instead of the API server.", form="many"),
    Flag("bound-object-kind", f"With token: it ends with an object of this kind: {', '.join(BOUND)}."),
    Flag("bound-object-name", "With token: the object's name."),
    Flag("bound-object-uid", "With token: the object's uid."),
)  # fmt: skip


def print_token(session: Session, name: str) -> int:
    kind = find("serviceaccounts")
    assert kind is not None
    request = _request(session, name)
    try:
        answer = session.server.create(kind, request, session.namespace, subresource="token")
    except ApiError as error:
        raise CommandError(f"failed to create token: {error.message}") from None
    if session.flags.text("output"):
        from cli.writing import tell

        tell(session, TOKEN_REQUEST, answer, "created")
    else:
        session.say(answer.status.token)
    return 0


def _request(session: Session, name: str) -> Any:
    flags, request = session.flags, TOKEN_REQUEST.message()
    request.metadata.name = name
    request.spec.audiences.extend(flags.many("audience"))
    if flags.given("duration"):
        life = flags.seconds("duration")
        if life <= 0:
            raise UsageError("--duration must be greater than 0")
        request.spec.expirationSeconds = round(life)
    bound = flags.text("bound-object-kind")
    if not bound:
        if flags.given("bound-object-name") or flags.given("bound-object-uid"):
            raise UsageError("--bound-object-name and -uid need --bound-object-kind")
        return request
    if bound not in BOUND:
        raise UsageError(f"supported --bound-object-kind values are {', '.join(BOUND)}")
    if not flags.text("bound-object-name"):
        raise UsageError("--bound-object-name is required if --bound-object-kind is provided")
    ref = request.spec.boundObjectRef
    ref.kind, ref.apiVersion = bound, "v1"
    ref.name, ref.uid = flags.text("bound-object-name"), flags.text("bound-object-uid")
    return request
