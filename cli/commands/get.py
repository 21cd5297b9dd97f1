"""`helmling get`: one or many objects, as a table or in another form, once or for as long as they change.

Tables are printed by the server: this module asks for them and lays them out. Everything else is made from the
objects.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from api.errors import NotFound
from cli.command import Command, Session
from cli.connection import target_of
from cli.errors import UsageError
from cli.flags import Flag, switch
from cli.output import chosen
from cli.output.table import NONE, Printer, text
from cli.resources import (
    ALL_NAMESPACES,
    CHUNK_SIZE,
    FIELD_SELECTOR,
    SELECTOR,
    Wanted,
    nothing_found,
    qualified,
    scope,
    wanted,
)
from proto.v1.service_pb2 import ListRequest, WatchRequest

FLAGS = (
    chosen.OUTPUT,
    chosen.NO_HEADERS,
    chosen.SHOW_MANAGED,
    SELECTOR,
    FIELD_SELECTOR,
    ALL_NAMESPACES,
    CHUNK_SIZE,
    Flag("filename", "Get the objects that these files name.", "f", "many"),
    switch("recursive", "With -f: also the directories inside.", "R"),
    switch("watch", "After listing, go on showing changes.", "w"),
    switch("watch-only", "Show changes without listing first."),
    switch("output-watch-events", "With --watch: show which event each line is from."),
    Flag("sort-by", "Sort by the field that this JSONPath finds: '{.metadata.name}'."),
    switch("show-labels", "Show all labels as the last column."),
    Flag("label-columns", "Show these labels as columns: -L app,tier.", "L", "many"),
    Flag("subresource", "A part of the named objects: status, scale."),
    switch("ignore-not-found", "It is no error if an object does not exist."),
    switch("show-kind", "Show the kind before each name."),
    switch("allow-missing-template-keys", "Kept for kubectl's sake: missing fields print nothing.", default=True),
    switch("server-print", "Kept for kubectl's sake: the server always prints the tables.", default=True),
)  # fmt: skip

PARTS = ("status", "scale")


@dataclass(slots=True)
class Page:
    """What one list brought: a table, or objects."""

    want: Wanted
    header: list[str]
    wide: list[bool]  # for each column: only with -o wide
    rows: list[Any]  # TableRow
    version: str


def run(session: Session) -> int | None:
    if session.flags.many("filename"):
        return _from_files(session)
    if not session.args:
        raise UsageError(
            'You must specify the type of resource to get. Use "helmling api-resources" for a '
            "complete list of supported resources."
        )
    wants = wanted(session.args)
    output = chosen.read(session.flags.text("output"))
    _check(session, wants)
    if output.is_table and session.flags.text("subresource") != "scale":
        return _tables(session, wants, output)
    from cli.commands.getobjects import objects

    return objects(session, wants, output)


def _from_files(session: Session) -> int | None:
    """The files only say which objects: the answer is what the server has."""
    from cli.commands.getobjects import objects
    from cli.manifests import load

    output = chosen.read(session.flags.text("output"))
    files = load(session.flags.many("filename"), recursive=session.flags.on("recursive"))
    wants = [Wanted(each.kind, (each.name,)) for each in files]
    return _tables(session, wants, output) if output.is_table else objects(session, wants, output)


def _check(session: Session, wants: Sequence[Wanted]) -> None:
    flags = session.flags
    if any(each.names for each in wants):
        for name in ("selector", "field-selector"):
            if flags.given(name):
                raise UsageError(
                    "name cannot be provided when a selector is specified"
                    if name == "selector"
                    else "field selector cannot be used when specifying resources by name"
                )
        if flags.given("all-namespaces"):
            raise UsageError("a resource cannot be retrieved by name across all namespaces")
    part = flags.text("subresource")
    if part and part not in PARTS:
        raise UsageError(f'invalid subresource value: "{part}". Must be one of {", ".join(PARTS)}')
    if part and (_watches(session) or not all(each.names for each in wants)):
        raise UsageError("--subresource is of objects that are named, and not watched")
    if _watches(session) and (len(wants) != 1 or len(wants[0].names) > 1):
        raise UsageError("watch is only supported on individual resources and resource collections")


def _watches(session: Session) -> bool:
    return session.flags.on("watch") or session.flags.on("watch-only")


# Tables


def _tables(session: Session, wants: Sequence[Wanted], output: chosen.Output) -> int | None:
    layout = Layout(
        session, output, with_kind=len(wants) > 1 and wants[0].kind is not wants[-1].kind
    )
    code, shown = 0, 0
    last: Page | None = None
    for want in wants:
        for name in want.names or ("",):
            try:
                page = last = _list(session, want, name)
            except NotFound as error:
                if not session.flags.on("ignore-not-found"):
                    session.warn(f"Error from server (NotFound): {error.message}")
                    code = 1
                continue
            if page.rows and not session.flags.on("watch-only"):
                layout.show(page, new_table=bool(shown) and want is not wants[0] and not name)
                shown += len(page.rows)
    if _watches(session) and last is not None and code == 0:
        return _watch(session, last, layout)
    if not shown and code == 0 and not session.flags.on("ignore-not-found"):
        session.warn(nothing_found(session))
    return code


def _list(session: Session, want: Wanted, name: str) -> Page:
    """Everything, page after page; or the table of one object. Raises NotFound."""
    flags = session.flags
    # A watch goes on from the version of a list; that of the object may be too old for it.
    by_field = bool(name) and _watches(session)
    request = ListRequest(
        target=target_of(
            want.kind,
            scope(session, want.kind),
            "" if by_field else name,
            flags.text("subresource") if name else "",
        ),
        labelSelector=flags.text("selector"),
        fieldSelector=f"metadata.name={name}" if by_field else flags.text("field-selector"),
        asTable=True,
        includeObject="Object" if flags.text("sort-by") else "Metadata",
    )
    page = Page(want, [], [], [], "")
    for answer in session.server.pages(request, size=flags.number("chunk-size") or 0):
        definitions = answer.table.columnDefinitions
        page.header = [column.name.upper() for column in definitions] or page.header
        page.wide = [column.priority > 0 for column in definitions] or page.wide
        page.rows += answer.table.rows
        page.version = answer.metadata.resourceVersion
    if name and not page.rows:
        raise NotFound(f'{want.kind.full_name} "{name}" not found')
    return page


class Layout:
    """Which columns are shown, beside those the server sent."""

    def __init__(self, session: Session, output: chosen.Output, *, with_kind: bool) -> None:
        flags = session.flags
        self.session = session
        self.wide = output.form == "wide"
        self.namespaces = flags.on("all-namespaces")
        self.labels = [label for given in flags.many("label-columns") for label in given.split(",")]
        self.all_labels = flags.on("show-labels")
        self.with_kind = with_kind or flags.on("show-kind")
        self.events = flags.on("output-watch-events")
        self.headers = not flags.on("no-headers")
        self.printer = Printer(sys.stdout, headers=self.headers)

    def show(self, page: Page, *, new_table: bool = False) -> None:
        if new_table:
            sys.stdout.write("\n")
            self.printer = Printer(sys.stdout, headers=self.headers)
        self.printer.add(self.header(page), self.sorted_rows(page))

    def sorted_rows(self, page: Page) -> list[list[str]]:
        path = self.session.flags.text("sort-by")
        rows = [self.row(page, row) for row in page.rows]
        if not path:
            return rows
        from api.jsonform import to_json
        from cli.output.columns import sort_order

        objects = [
            to_json(page.want.kind.message.FromString(row.object.value)) for row in page.rows
        ]
        return [rows[place] for place in sort_order(objects, path)]

    def header(self, page: Page) -> list[str]:
        shown = [
            name for name, wide in zip(page.header, page.wide, strict=True) if self.wide or not wide
        ]
        if self.namespaces and page.want.kind.namespaced:
            shown.insert(0, "NAMESPACE")
        if self.events:
            shown.insert(0, "EVENT")
        shown += [label.rpartition("/")[2].upper() for label in self.labels]
        return [*shown, "LABELS"] if self.all_labels else shown

    def row(self, page: Page, row: Any, event: str = "ADDED") -> list[str]:
        cells = [
            text(cell)
            for cell, wide in zip(row.cells, page.wide, strict=True)
            if self.wide or not wide
        ]
        meta = page.want.kind.message.FromString(row.object.value).metadata
        if self.with_kind and cells:
            cells[0] = qualified(page.want.kind, cells[0])
        if self.namespaces and page.want.kind.namespaced:
            cells.insert(0, meta.namespace)
        if self.events:
            cells.insert(0, event)
        cells += [meta.labels.get(label, "") or NONE for label in self.labels]
        if self.all_labels:
            cells.append(",".join(f"{k}={v}" for k, v in sorted(meta.labels.items())) or NONE)
        return cells


def _watch(session: Session, page: Page, layout: Layout) -> int:
    for event in events(session, page.want, page.version, as_table=True):
        if event.columnDefinitions:
            page.header = [column.name.upper() for column in event.columnDefinitions]
            page.wide = [column.priority > 0 for column in event.columnDefinitions]
        if event.type != "BOOKMARK":
            layout.printer.add(layout.header(page), [layout.row(page, event.row, event.type)])
    return 0


def events(session: Session, want: Wanted, version: str, *, as_table: bool) -> Iterator[Any]:
    """What happens after `version`; the server closes a watch now and then, so it is taken up again."""
    request = WatchRequest(
        target=target_of(want.kind, scope(session, want.kind)),
        labelSelector=session.flags.text("selector"),
        fieldSelector=f"metadata.name={want.names[0]}" if want.names else session.flags.text("field-selector"),
        resourceVersion=version,
        asTable=as_table,
        includeObject="Metadata",
        allowWatchBookmarks=True,
    )  # fmt: skip
    return session.server.watch(request)


GET = Command(
    usage="get TYPE[,TYPE] [NAME ...] | TYPE/NAME ... | -f FILE [flags]",
    about="Display one or many resources.\n\nPrints a table of the most important information about the resources. "
    "Narrow the list with a label selector (-l), a field selector, or names.",
    examples="""  # List all pods in the namespace
  helmling get pods

  # List all pods, with the node each runs on, in all namespaces
  helmling get pods -o wide -A

  # One pod, as the server has it
  helmling get pod web -o yaml

  # The names and addresses of all pods of an app
  helmling get pods -l app=web -o custom-columns=NAME:.metadata.name,IP:.status.podIP

  # Only one value
  helmling get pod web -o jsonpath='{.status.phase}'

  # Watch pods change
  helmling get pods -w""",
    run=run,
    flags=FLAGS,
    complete="resources",
)
