"""`helmling explain`: the documentation of every field, from the contract itself.

Types and rules come from the protobuf descriptors, the sentences from proto/v1/comments.json, which is made from the
same files. It works without a cluster.
"""

import textwrap
from typing import Any

from api import rules
from api.documentation import comments, describe
from api.kinds import Kind
from cli.command import Command, Session
from cli.errors import CommandError, UsageError, did_you_mean
from cli.flags import Flag, switch
from cli.resources import kind_named

WIDTH = 80
TYPES = {"TYPE_STRING": "string", "TYPE_BOOL": "boolean", "TYPE_BYTES": "string"}


def run(session: Session) -> int | None:
    if len(session.args) != 1:
        raise UsageError(
            "You must specify the type of resource to explain: helmling explain pod.spec"
        )
    word, *path = session.args[0].split(".")
    kind = kind_named(word)
    wanted = session.flags.text("api-version")
    if wanted and wanted != kind.api_version:
        raise CommandError(f"{kind.plural} are in {kind.api_version}, not in {wanted}")
    field, message = find(kind, path)
    session.say("\n".join(page(kind, field, message, recursive=session.flags.on("recursive"))))
    return 0


def find(kind: Kind, path: list[str]) -> tuple[Any, Any]:
    """The last field of the path (None: the kind itself) and the message that it holds (None: a scalar)."""
    field, message = None, kind.message.DESCRIPTOR
    for i, name in enumerate(path):
        known = rules.by_json_name(message) if message is not None else {}
        if name not in known:
            above = ".".join([kind.singular, *path[:i]])
            raise CommandError(
                f'field "{name}" does not exist in {above}{did_you_mean(name, list(known))}'
            )
        field = known[name]
        message = field.message_type if rules.is_object(field) else None
    return field, message


def type_of(field: Any) -> str:
    """As Kubernetes names it: string, integer, []Container, map[string]string, Quantity."""
    rule = rules.rule(field)
    if rules.is_map(field):
        return f"map[string]{'Quantity' if rule.quantity else _scalar(field.message_type.fields_by_name['value'])}"
    return f"[]{_single(field, rule)}" if rules.is_list(field) else _single(field, rule)


def _single(field: Any, rule: Any) -> str:
    if rule.quantity:
        return "Quantity"
    if rule.intOrString:
        return "IntOrString"
    return _scalar(field)


def _scalar(field: Any) -> str:
    message = field.message_type
    if message is not None:
        return {
            "Timestamp": "MicroTime" if rules.rule(field).micro else "Time",
            "Value": "any",
        }.get(message.name, str(message.name))
    if field.type in (field.TYPE_STRING, field.TYPE_BYTES):
        return "string"
    if field.type == field.TYPE_BOOL:
        return "boolean"
    return "number" if field.type in (field.TYPE_DOUBLE, field.TYPE_FLOAT) else "integer"


def page(kind: Kind, field: Any, message: Any, *, recursive: bool) -> list[str]:
    lines = [f"KIND:       {kind.name}", f"VERSION:    {kind.api_version}", ""]
    if kind.group:
        lines.insert(0, f"GROUP:      {kind.group}")
        lines[2] = f"VERSION:    {kind.version}"
    if field is not None:
        lines += [f"FIELD: {field.json_name} <{type_of(field)}>{_required(field)}", ""]
    told = [] if field is None else [describe(field)]
    if message is not None:
        told.append(comments().get(message.name, {}).get("", ""))
    lines += ["DESCRIPTION:"]
    for paragraph in dict.fromkeys(text for text in told if text):
        lines += _wrapped(paragraph, "    ")
    if not any(told):
        lines.append("    <no description>")
    if message is not None:
        lines += ["", "FIELDS:"]
        lines += _tree(message, "  ", ()) if recursive else _fields(message)
    return lines


def _required(field: Any) -> str:
    return " -required-" if rules.rule(field).required else ""


def _ordered(message: Any) -> list[Any]:
    return sorted(message.fields, key=lambda field: str(field.json_name))


def _fields(message: Any) -> list[str]:
    lines = []
    for field in _ordered(message):
        lines.append(f"  {field.json_name}\t<{type_of(field)}>{_required(field)}")
        lines += [*_wrapped(describe(field) or "<no description>", "    "), ""]
    return lines


def _tree(message: Any, indent: str, above: tuple[str, ...]) -> list[str]:
    """Only names and types; a message that contains itself is not opened again."""
    lines = []
    for field in _ordered(message):
        lines.append(f"{indent}{field.json_name}\t<{type_of(field)}>{_required(field)}")
        inner = field.message_type
        if rules.is_object(field) and inner.full_name not in above:
            lines += _tree(inner, indent + "  ", (*above, inner.full_name))
    return lines


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


EXPLAIN = Command(
    usage="explain TYPE[.FIELD...] [--recursive]",
    about="Describe fields and structure of various resources.\n\nShows what a field means, its type, and "
    "its rules. Needs no cluster.",
    examples="""  # What a pod is
  helmling explain pods

  # One field
  helmling explain pod.spec.containers.image

  # All fields below another, as a tree
  helmling explain pod.spec.containers --recursive""",
    run=run,
    flags=(
        switch("recursive", "Show the names of all fields below, as a tree."),
        Flag("api-version", "Explain this version of the kind."),
        Flag("output", "Kept for kubectl's sake: plaintext.", "o", default="plaintext"),
    ),
    complete="fields",
)
