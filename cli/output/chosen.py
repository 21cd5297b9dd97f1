"""`-o`: which of the forms of output was asked for."""

import sys
from dataclasses import dataclass
from typing import Any

from cli.errors import CommandError, UsageError, did_you_mean
from cli.flags import Flag, switch

OBJECTS = ("json", "yaml", "name")
TEMPLATES = (
    "jsonpath",
    "jsonpath-file",
    "jsonpath-as-json",
    "custom-columns",
    "custom-columns-file",
)
TABLES = ("", "wide")
FORMS = (*OBJECTS, *TEMPLATES, "wide")

OUTPUT = Flag(
    "output", f"One of: ({', '.join(FORMS)}). Templates follow an equals sign: jsonpath='{{.kind}}'.", "o"
)  # fmt: skip
NO_HEADERS = switch("no-headers", "Print no line of headers.")
SHOW_MANAGED = switch(
    "show-managed-fields", "Kept for kubectl's sake: there are no managed fields."
)


@dataclass(frozen=True, slots=True)
class Output:
    form: str  # "", "wide", "json", "jsonpath", …
    template: str = ""

    @property
    def is_table(self) -> bool:
        return self.form in TABLES


def read(text: str, *, tables: bool = True) -> Output:
    """Raises UsageError for a form that is not served."""
    form, equals, template = text.partition("=")
    if form in ("go-template", "go-template-file", "template", "templatefile"):
        raise UsageError("Go templates are not supported: use -o jsonpath='{...}' instead")
    if form not in FORMS and not (form == "" and not equals):
        raise UsageError(
            f'unable to match a printer suitable for the output format "{form}"'
            f"{did_you_mean(form, list(FORMS))} Allowed: {', '.join(FORMS)}"
        )
    if form in TEMPLATES and not template:
        raise UsageError(f"template format specified but no template given: -o {form}='…'")
    if form == "wide" and not tables:
        raise UsageError(f"-o wide is not for this command; use one of: {', '.join(OBJECTS)}")
    return Output(form, template)


def write(output: Output, document: Any, *, headers: bool = True) -> None:
    """Prints one object, or one List, in every form but tables and names."""
    sys.stdout.write(text_of(output, document, headers=headers))
    sys.stdout.flush()


def text_of(output: Output, document: Any, *, headers: bool = True) -> str:
    if output.form == "json":
        import json

        return json.dumps(document, indent=4, ensure_ascii=False, sort_keys=True) + "\n"
    if output.form == "yaml":
        from cli.output import yamlform

        return yamlform.dump(document)
    if output.form.startswith("jsonpath"):
        return _by_path(output, document)
    return _in_columns(output, document, headers)


def _by_path(output: Output, document: Any) -> str:
    from cli.output.jsonpath import Template

    template = _read(output.template) if output.form == "jsonpath-file" else output.template
    if output.form == "jsonpath-as-json":
        import json

        found = Template(template).values(document)
        return json.dumps(found, indent=4, ensure_ascii=False) + "\n"
    return Template(template).render(document)


def _in_columns(output: Output, document: Any, headers: bool) -> str:
    from cli.output import columns, table

    if output.form == "custom-columns-file":
        chosen = columns.from_file(_read(output.template))
    else:
        chosen = columns.Columns(output.template)
    objects = document["items"] if document.get("kind") == "List" else [document]
    rows = [chosen.row(obj) for obj in objects]
    return "".join(
        line + "\n" for line in table.render([chosen.headers, *rows] if headers else rows)
    )


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from None


def listing(objects: list[Any], version: str = "") -> dict[str, Any]:
    """kubectl's wrapping of several objects."""
    return {
        "apiVersion": "v1",
        "items": objects,
        "kind": "List",
        "metadata": {"resourceVersion": version},
    }
