"""Around every verb: notes are taken while it works; afterwards its user is told the warnings, and the audit log
what has happened.

The gate (authorization/gate.py) notes what was asked and what was decided, whatever way a request has come: as a call,
as an item of a batch, as a stream. So what it lets pass or refuses is in the log, without a second list of the verbs.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from api import clock, rpc
from api.errors import ApiError
from api.grpc_server import Admit, Context
from api.names import new_uid
from api.rbac import Attributes
from control_plane.apiserver import notes
from control_plane.apiserver.identity import CALLER, IMPERSONATOR, User
from control_plane.apiserver.notes import Notes
from control_plane.audit.event import Outcome, Record
from control_plane.audit.policy import METADATA, NONE, REQUEST, Policy
from control_plane.audit.writer import Writer

LATENCY = "apiserver.latency.k8s.io/total"
LONG = frozenset(
    ("Watch", "Logs", "Exec", "Attach", "PortForward")
)  # it is said when they begin, too
STRANGER = User("system:anonymous", ("system:unauthenticated",))
Verb = Callable[[Any, Context], Awaitable[Any]]


class Trail:
    def __init__(self, policy: Policy | None = None, writer: Writer | None = None) -> None:
        """Without a policy and a writer nothing is logged; warnings reach their users anyway."""
        self._policy, self._writer = policy, writer

    def close(self) -> None:
        """Everything is written. Blocks for as long as that takes."""
        if self._writer is not None:
            self._writer.close()

    def followed(self, verbs: Mapping[str, Verb]) -> dict[str, Verb]:
        return {name: self._followed(name, verb) for name, verb in verbs.items()}

    def _followed(self, name: str, verb: Verb) -> Verb:
        async def call(request: Any, context: Context) -> Any:
            body = request if hasattr(request, "DESCRIPTOR") else None  # a stream has none
            page = self._page(body, context, long=name in LONG)
            with notes.taken(page.decided) as taken:
                answer = await page.follow(taken, verb(request, context))
            if taken.warnings:
                pairs = ((rpc.WARNING_METADATA, warning.encode()) for warning in taken.warnings)
                context.set_trailing_metadata(tuple(pairs))
            return answer

        return call

    def _page(self, request: Any, context: Context, *, long: bool = False) -> "_Page":
        return _Page(self._policy, self._writer, request, context, long)

    async def item(self, request: Any, context: Context, work: Awaitable[Any]) -> Any:
        """One of a batch: it is judged, and noted, for itself; its warnings are those of the batch."""
        page = self._page(request, context)
        with notes.taken(page.decided) as taken:
            stored = await page.follow(taken, work)
        for warning in taken.warnings:
            notes.warn(warning)
        return stored

    def admitting(self, admit: Admit) -> Admit:
        """Whoever is not let in at all is noted as well, by where he came from."""

        async def watched(context: Context) -> None:
            try:
                await admit(context)
            except ApiError as error:
                page = self._page(None, context)
                page.refused(error)
                raise

        return watched


class _Page:
    """What is known of one request, while it is answered."""

    def __init__(
        self,
        policy: Policy | None,
        writer: Writer | None,
        request: Any,
        context: Context,
        long: bool,
    ) -> None:
        self._policy, self._writer = policy, writer
        self._request, self._context, self._long = request, context, long
        self._received = clock.now()
        self._level, self._omit = NONE, frozenset[str]()
        self._asked: Attributes | None = None
        self._id = ""

    def decided(self, taken: Notes, asked: Attributes) -> None:
        """Told by the gate, before anything is done."""
        if self._policy is None:
            return
        self._asked = asked
        self._level, self._omit = self._policy.judge(CALLER.get(), asked)
        self._put("RequestReceived", taken)
        if self._long and taken.annotations.get(notes.DECISION) != "forbid":
            self._put("ResponseStarted", taken, Outcome())

    async def follow(self, taken: Notes, work: Awaitable[Any]) -> Any:
        """The answer of the verb. Whatever it raises is noted."""
        try:
            answer = await work
        except ApiError as error:
            self._ended(taken, Outcome(error.http, error.reason, error.message))
            raise
        except BaseException as error:  # cancelled: the caller has hung up; or a bug
            self._ended(taken, Outcome(500, type(error).__name__))
            raise
        self._ended(taken, Outcome(201 if self._creates else 200), answer)
        return answer

    @property
    def _creates(self) -> bool:
        return self._asked is not None and self._asked.verb == "create"

    def _ended(self, taken: Notes, outcome: Outcome, answer: Any = None) -> None:
        refused = outcome.code in (401, 403)
        if refused and self._policy is not None and self._policy.refusals:
            self._level = max(self._level, METADATA)
        envelope = getattr(answer, "envelope", None)
        answer = envelope() if envelope is not None and self._level else answer
        self._put("ResponseComplete", taken, outcome, answer if isinstance(answer, bytes) else None)

    def refused(self, error: ApiError) -> None:
        """At the door."""
        if self._policy is not None and self._policy.refusals:
            self._asked, self._level = Attributes("connect", path="/"), METADATA
            outcome = Outcome(error.http, error.reason, error.message)
            self._put("ResponseComplete", Notes(), outcome, user=STRANGER)

    def _put(
        self, stage: str, taken: Notes, outcome: Outcome | None = None, response: bytes | None = None,
        user: User | None = None,
    ) -> None:  # fmt: skip
        asked = self._asked
        if self._writer is None or asked is None or self._level == NONE or stage in self._omit:
            return
        record = Record(
            self._level, stage, asked, user or CALLER.get(), self._received, clock.now(),
            impersonator=IMPERSONATOR.get(),
            source=_source(self._context),
            agent=_agent(self._context),
            outcome=outcome,
            request=self._request if self._level >= REQUEST or self._creates else None,
            response=None if asked.verb in ("list", "watch", "deletecollection") else response,
            annotations=dict(taken.annotations),
        )  # fmt: skip
        self._id = record.id = self._id or new_uid()
        if stage == "ResponseComplete":
            spent = (record.ended - self._received).total_seconds()
            record.annotations[LATENCY] = f"{spent * 1000:.3f}ms"
        self._writer.put(record)


def _source(context: Context) -> str:
    """Of "ipv4:127.0.0.1:40532" the address."""
    family, _, rest = str(context.peer()).partition(":")
    return rest.rpartition(":")[0].strip("[]") if family in ("ipv4", "ipv6") else family


def _agent(context: Context) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == "user-agent":
            return str(value)
    return ""
