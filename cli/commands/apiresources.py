"""`helmling api-resources`: the kinds of objects that there are."""

from collections.abc import Callable

from api.kinds import KINDS, Kind
from cli.command import Command, Session
from cli.errors import UsageError
from cli.flags import Flag, switch
from cli.output.chosen import NO_HEADERS
from cli.output.table import render

VERBS = "create,delete,deletecollection,get,list,patch,update,watch"
READ_VERBS = "get,list"
HEADER = ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]


def run(session: Session) -> int | None:
    flags = session.flags
    output = flags.text("output")
    if output not in ("", "wide", "name"):
        raise UsageError(f"--output {output} is not available: use wide or name")
    chosen = [kind for kind in KINDS if _wanted(session, kind)]
    by = flags.text("sort-by")
    if by not in ("", "name", "kind"):
        raise UsageError("--sort-by accepts only name or kind")
    orders: dict[str, Callable[[Kind], tuple[str, ...]]] = {
        "": lambda kind: (kind.group, kind.plural),
        "name": lambda kind: (kind.plural,),
        "kind": lambda kind: (kind.name,),
    }
    chosen.sort(key=orders[by])
    if output == "name":
        for kind in chosen:
            session.say(kind.full_name)
        return 0
    wide = output == "wide"
    header = [*HEADER, "VERBS", "CATEGORIES"] if wide else HEADER
    rows = [_row(kind, wide) for kind in chosen]
    for line in render(rows if flags.on("no-headers") else [header, *rows]):
        session.say(line)
    return 0


def _wanted(session: Session, kind: Kind) -> bool:
    flags = session.flags
    if flags.given("namespaced") and kind.namespaced != flags.on("namespaced"):
        return False
    if flags.given("categories"):
        categories = [word for text in flags.many("categories") for word in text.split(",")]
        if not set(categories) <= set(kind.categories):
            return False
    return not flags.given("api-group") or kind.group == flags.text("api-group")


def _row(kind: Kind, wide: bool) -> list[str]:
    cells = [
        kind.plural,
        ",".join(kind.short),
        kind.api_version,
        str(kind.namespaced).lower(),
        kind.name,
    ]
    verbs = VERBS if kind.stored else READ_VERBS
    return [*cells, verbs, ",".join(kind.categories)] if wide else cells


API_RESOURCES = Command(
    usage="api-resources [flags]",
    about="Print the supported API resources.",
    examples="""  # All kinds
  helmling api-resources

  # Those that belong to the whole cluster, with what can be done to them
  helmling api-resources --namespaced=false -o wide""",
    run=run,
    flags=(
        NO_HEADERS,
        Flag("output", "One of: (wide, name).", "o"),
        Flag("api-group", "Only this group; empty is the core group."),
        Flag("categories", "Only kinds in these categories.", form="many"),
        Flag("sort-by", "Sort by name or kind."),
        switch(
            "namespaced", "Only kinds that live in a namespace; =false: only others.", default=True
        ),
    ),
)
