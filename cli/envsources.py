"""`helmling set env --from=configmap/app`: variables that take their values from the keys of an object, as kubectl
names them (https://kubernetes.io/docs/reference/kubectl/generated/kubectl_set/kubectl_set_env/).

The variable refers to the key and does not copy its value, so no value ever passes through here.
"""

import re
from typing import Any

from cli.command import Session
from cli.errors import CommandError, UsageError, did_you_mean
from cli.flags import Flag
from cli.podtemplate import Fields
from cli.resources import scope, wanted

FROM = Flag("from", "Variables for the keys of an object: configmap/NAME, secret/NAME.")
KEYS = Flag("keys", "With --from: only these keys: user,password.", form="many")
PREFIX = Flag("prefix", "With --from: what the variables' names begin with.")
FLAGS = (FROM, KEYS, PREFIX)
SOURCES = {"ConfigMap": "configMapKeyRef", "Secret": "secretKeyRef"}
# All that a variable can be made of: what it is made of now must go when it is made of something else.
ANYTHING = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef")


def read(session: Session) -> dict[str, Fields]:
    """The variables that --from asks for, each as an entry of a strategic patch. Raises UsageError, CommandError."""
    flags = session.flags
    if not flags.text("from"):
        for flag in (KEYS, PREFIX):
            if flags.given(flag.name):
                raise UsageError(f"--{flag.name} says more about --from: name an object with it")
        return {}
    wants = wanted([flags.text("from")])
    want = wants[0]
    if want.kind.name not in SOURCES or len(want.names) != 1:
        raise UsageError(
            "--from takes one ConfigMap or Secret: --from=configmap/app, --from=secret/db"
        )
    obj = session.server.get(want.kind, want.names[0], scope(session, want.kind))
    wished = [key for text in flags.many("keys") for key in text.split(",") if key]
    return entries(obj, wished, flags.text("prefix"))


def entries(obj: Any, wished: list[str], prefix: str) -> dict[str, Fields]:
    """Raises CommandError for a key that is not there, and for keys whose variables would be the same."""
    there = sorted(obj.data)
    which = f"{obj.kind.lower()}/{obj.metadata.name}"
    for key in wished:
        if key not in there:
            raise CommandError(f'{which} has no key "{key}"{did_you_mean(key, there)}')
    if not there:
        raise CommandError(f"{which} has no keys that could be variables")
    found: dict[str, Fields] = {}
    for key in wished or there:
        name = prefix + variable(key)
        if name in found:
            raise CommandError(
                f"two keys of {which} would be the variable {name}: choose with --keys"
            )
        source = {
            **dict.fromkeys(ANYTHING),
            SOURCES[obj.kind]: {"name": obj.metadata.name, "key": key},
        }
        found[name] = {"name": name, "value": None, "valueFrom": source}
    return found


def variable(key: str) -> str:
    """`log-level` is LOG_LEVEL."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", key).upper()
