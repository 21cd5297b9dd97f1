"""A patch as the server applies it: to the object's JSON form, strictly read back (S#13, S#16).

What the patch itself gets wrong (a field that the kind does not have, a word where a number belongs) is found together
with what validation finds in the result, and told at once.
"""

import json
from collections.abc import Sequence
from typing import Any

from api import jsonform
from api.errors import BadRequest, Cause
from api.kinds import Kind
from api.patch import apply_patch, patch_type

LENIENT = ("Warn", "Ignore")  # fieldValidation that only drops what is unknown
DROPPED = ("UnknownField", "FieldValueDuplicate")


class Patch:
    """Read once, applied as often as somebody else is quicker. Raises BadRequest, UnsupportedMedia."""

    def __init__(self, kind: Kind, media: str, body: bytes, validation: str = "") -> None:
        if validation not in ("", "Strict", *LENIENT):
            raise BadRequest(f"fieldValidation must be Strict, Warn or Ignore, not {validation!r}")
        self._kind = kind
        self._type = patch_type(media)
        self._validation = validation
        self._twice: list[Cause] = []  # names that the patch gives more than once
        self._patch = self._parse(body)
        self.warnings: Sequence[str] = ()  # of the last application

    def apply(self, old: Any) -> tuple[Any, list[Cause]]:
        """What the object becomes, and what is wrong with it already."""
        message = self._kind.message
        document = apply_patch(
            jsonform.to_json(old), self._patch, patch_type=self._type, message_type=message
        )
        new, causes = jsonform.from_json(message, document)
        if (new.apiVersion, new.kind) != (old.apiVersion, old.kind):
            raise BadRequest(
                f"a patch cannot change what an object is: it is a {old.apiVersion} {old.kind}"
            )
        causes = [*self._twice, *causes]
        if self._validation not in LENIENT:
            return new, causes
        dropped = [cause for cause in causes if cause.reason in DROPPED]
        self.warnings = [str(cause) for cause in dropped] if self._validation == "Warn" else ()
        return new, [cause for cause in causes if cause not in dropped]

    def _parse(self, body: bytes) -> Any:
        def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
            names = [name for name, _ in found]
            for name in dict.fromkeys(name for name in names if names.count(name) > 1):
                told = "the patch gives this field more than once"
                self._twice.append(Cause(name, told, "FieldValueDuplicate"))
            return dict(found)

        try:
            return json.loads(body, object_pairs_hook=pairs)
        except (ValueError, RecursionError) as error:
            raise BadRequest(f"the patch is not valid JSON: {error}") from None
