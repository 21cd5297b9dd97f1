"""`helmling get -o json|yaml|name|jsonpath|custom-columns`: whole objects instead of a table."""

import sys
from collections.abc import Sequence
from typing import Any

from api.errors import NotFound
from api.jsonform import to_json
from api.rpc import unpack
from cli.command import Session
from cli.commands.get import events
from cli.connection import target_of
from cli.output import chosen
from cli.output.table import render
from cli.resources import Wanted, nothing_found, qualified, scope
from proto.v1.service_pb2 import ListRequest

Found = list[tuple[Wanted, Any]]  # protobuf objects, each with what it was asked for as


def objects(session: Session, wants: Sequence[Wanted], output: chosen.Output) -> int:
    found, version, code = _fetch(session, wants)
    if not session.flags.on("watch-only"):
        _show(session, wants, output, found, code)
    if code == 0 and (session.flags.on("watch") or session.flags.on("watch-only")):
        _watch(session, wants[0], output, version)
    return code


def _fetch(session: Session, wants: Sequence[Wanted]) -> tuple[Found, str, int]:
    """The objects, the version of the last list, and 1 if a name was not found."""
    found: Found = []
    version, code = "", 0
    for want in wants:
        if not want.names:
            listed, version = _list(session, want)
            found += [(want, obj) for obj in listed]
        for name in want.names:
            try:
                obj = session.server.get(
                    want.kind, name, scope(session, want.kind), session.flags.text("subresource")
                )
            except NotFound as error:
                if not session.flags.on("ignore-not-found"):
                    session.warn(f"Error from server (NotFound): {error.message}")
                    code = 1
                continue
            found.append((want, obj))
            version = obj.metadata.resourceVersion
    return found, version, code


def _list(session: Session, want: Wanted) -> tuple[list[Any], str]:
    request = ListRequest(
        target=target_of(want.kind, scope(session, want.kind)),
        labelSelector=session.flags.text("selector"),
        fieldSelector=session.flags.text("field-selector"),
    )
    listed: list[Any] = []
    version = ""
    for answer in session.server.pages(request, size=session.flags.number("chunk-size") or 0):
        listed += [unpack(item) for item in answer.items]
        version = answer.metadata.resourceVersion
    return listed, version


def _show(
    session: Session, wants: Sequence[Wanted], output: chosen.Output, found: Found, code: int
) -> None:
    single = len(wants) == 1 and len(wants[0].names) == 1
    if output.form == "name":
        for want, obj in found:
            session.say(qualified(want.kind, obj.metadata.name))
        if not found and not single and code == 0:
            session.warn(nothing_found(session))
        return
    if output.is_table:
        _scales(session, [obj for _, obj in found])
        return
    plain = [to_json(obj) for _, obj in found]
    if session.flags.text("sort-by"):
        from cli.output.columns import sort_order

        plain = [plain[place] for place in sort_order(plain, session.flags.text("sort-by"))]
    if single and not plain:
        return
    headers = not session.flags.on("no-headers")
    chosen.write(output, plain[0] if single else chosen.listing(plain), headers=headers)


def _scales(session: Session, scales: Sequence[Any]) -> None:
    rows = [[s.metadata.name, str(s.spec.replicas), str(s.status.replicas)] for s in scales]
    header = [] if session.flags.on("no-headers") else [["NAME", "DESIRED", "AVAILABLE"]]
    for line in render([*header, *rows]) if rows else ():
        session.say(line)


def _watch(session: Session, want: Wanted, output: chosen.Output, version: str) -> None:
    """Each change as a document of its own."""
    for event in events(session, want, version, as_table=False):
        if event.type == "BOOKMARK":
            continue
        obj = unpack(event.object)
        if output.form == "name":
            session.say(qualified(want.kind, obj.metadata.name))
        else:
            separator = "---\n" if output.form == "yaml" else ""
            form = chosen.text_of(output, to_json(obj), headers=False)
            sys.stdout.write(separator + form)
        sys.stdout.flush()
