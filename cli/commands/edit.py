"""`helmling edit`: the object in your editor; what you saved goes back as a patch.

If something is wrong with it, the editor opens again with the complaints on top. Nothing happens if nothing was
changed.
"""

import json
import os
import sys
import tempfile
from dataclasses import dataclass
from typing import Any

from api.client import PATCH_TYPES
from api.errors import ApiError, Invalid
from api.jsonform import to_json
from api.kinds import Kind
from cli.command import Command, Session
from cli.errors import CommandError, UsageError
from cli.manifests import Manifest, parse
from cli.output.chosen import OUTPUT
from cli.output.yamlform import dump
from cli.resources import scope, wanted
from cli.writing import in_its_file, tell

HEADER = """# Please edit the object below. Lines beginning with a '#' will be ignored,
# and an empty file will abort the edit. If an error occurs while saving this file will be
# reopened with the relevant failures.
#
"""
FIXED = ("apiVersion", "kind", "metadata.name", "metadata.namespace")


@dataclass(slots=True)
class Editing:
    """One object on its way through the editor."""

    session: Session
    kind: Kind
    before: dict[str, Any]
    path: str  # the file that the editor opens

    def finish(self) -> bool:
        """Goes round until the server is content or the user gives up; False for giving up."""
        text = dump(self.before)
        previous, complaints = HEADER + text, ""
        while True:
            saved = self.open_editor(HEADER + complaints + _without_comments(text))
            if _without_comments(saved) == _without_comments(previous):
                return self.give_up(bool(complaints))
            if not _without_comments(saved).strip():
                self.session.say("Edit cancelled, saved file was empty.")
                return True
            complaints = self.send(saved)
            if not complaints:
                return True
            previous = text = saved

    def give_up(self, after_errors: bool) -> bool:
        if not after_errors:
            self.session.say("Edit cancelled, no changes made.")
            return True
        self.session.warn(
            f"error: Edit cancelled, no valid changes were saved. Your text is in {self.path}"
        )
        return False

    def open_editor(self, text: str) -> str:
        import shlex
        import subprocess

        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text)
        editor = os.environ.get("KUBE_EDITOR") or os.environ.get("EDITOR") or "vi"
        sys.stdout.flush()
        try:
            done = subprocess.run([*shlex.split(editor), self.path], check=False)
        except OSError:  # not there, or not executable
            os.unlink(self.path)
            raise CommandError(
                f'unable to launch the editor "{editor}": set EDITOR to one that is installed'
            ) from None
        if done.returncode != 0:
            raise CommandError(
                f'there was a problem with the editor "{editor}": it ended with {done.returncode}'
            )
        with open(self.path, encoding="utf-8") as file:
            return file.read()

    def send(self, saved: str) -> str:
        """Empty if the change was accepted; else the complaints as comment lines."""
        wrong: list[str] = []
        manifests: list[Manifest] = []
        for manifest, complaints in parse(saved, os.path.basename(self.path)):
            wrong += complaints
            manifests += [manifest] if manifest is not None else []
        if not wrong and len(manifests) != 1:
            wrong = [f"expected one object, found {len(manifests)}"]
        wrong = wrong or self.renamed(manifests[0])
        return self.patch(manifests[0]) if not wrong else _as_comments(wrong)

    def renamed(self, manifest: Manifest) -> list[str]:
        after = manifest.plain
        return [
            f"{path} may not be changed"
            for path in FIXED
            if _dig(self.before, path) != _dig(after, path)
        ]

    def patch(self, manifest: Manifest) -> str:
        change = merge_diff(self.before, to_json(manifest.object))
        if not change:
            self.session.say("Edit cancelled, no changes made.")
            return ""
        name, namespace = (
            self.before["metadata"]["name"],
            self.before["metadata"].get("namespace", ""),
        )
        try:
            after = self.session.server.patch(
                self.kind, name, namespace, json.dumps(change).encode(), PATCH_TYPES["merge"]
            )
        except Invalid as error:
            return _as_comments(in_its_file(manifest, error).split("\n"))
        except ApiError as error:
            return _as_comments([error.message])
        tell(self.session, self.kind, after, "edited")
        return ""


def merge_diff(before: Any, after: Any) -> dict[str, Any]:
    """The JSON merge patch (RFC 7386) from one to the other."""
    patch: dict[str, Any] = {key: None for key in before if key not in after}
    for key, value in after.items():
        old = before.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            inner = merge_diff(old, value)
            if inner:
                patch[key] = inner
        elif old != value:
            patch[key] = value
    return patch


def _dig(plain: Any, path: str) -> Any:
    for step in path.split("."):
        plain = plain.get(step) if isinstance(plain, dict) else None
    return plain


def _without_comments(text: str) -> str:
    lines = text.splitlines(keepends=True)
    while lines and lines[0].startswith("#"):
        lines.pop(0)
    return "".join(lines)


def _as_comments(wrong: list[str]) -> str:
    return "".join(f"# {line}\n" for entry in wrong for line in entry.split("\n")) + "#\n"


def run(session: Session) -> int | None:
    wants = wanted(session.args)
    targets = [(each.kind, name) for each in wants for name in each.names]
    if not targets:
        raise UsageError("name the object to edit: helmling edit pod web")
    edited = [_edit(session, kind, name) for kind, name in targets]
    return 0 if all(edited) else 1


def _edit(session: Session, kind: Kind, name: str) -> bool:
    live = session.server.get(kind, name, scope(session, kind))
    handle, path = tempfile.mkstemp(prefix=f"helmling-edit-{name}-", suffix=".yaml")
    os.close(handle)
    done = Editing(session, kind, to_json(live), path).finish()
    if done:  # otherwise the user's work stays
        os.unlink(path)
    return done


EDIT = Command(
    usage="edit (TYPE NAME | TYPE/NAME) [flags]",
    about="Edit a resource from the default editor.\n\nOpens the editor that KUBE_EDITOR or EDITOR names, or "
    "vi. Saving without "
    "a change, or an empty file, does nothing. If the server refuses, the editor opens again and says why.",
    examples="""  # Edit a pod
  helmling edit pod web

  # With another editor
  KUBE_EDITOR=nano helmling edit node n1""",
    run=run,
    tidies_up=True,
    flags=(OUTPUT,),
    complete="resources",
)
