"""What a change of keys still has to do: decided from the file and from what is in the store, and from nothing else.

A rotation is four steps, and no value is unreadable at any moment, on any server:

    AddKey      the new key goes into the file, behind the writing one: from then on it reads
    Promote     … in front of it: from then on it writes
    Rewrite     every object that is not under the writing key is written again
    Forget      the store gives up its history, in which the old values still are

There is no note of a rotation that has begun, which could be lost or wrong. The file and the store tell: a key that
is newer than the one that writes is on its way to the front (keys that we make are named by the time they were made
at), and objects under a key of the file that does not write wait to be rewritten. So whoever is killed anywhere is
resumed by asking again what is left.

Taking the old key away is not part of it: backups may need it. `removal` says whether anything in the store does.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from control_plane.secrets.configuration import Configuration, Key, Rule
from control_plane.secrets.ring import Use

STAMP = "key-%Y%m%dT%H%M%SZ"  # the names of keys that we make
STAMPED = re.compile(r"key-\d{8}T\d{6}Z\Z")
PROVIDER, LENGTH = "aesgcm", 32  # of keys that we make


Change = Callable[[tuple[Key, ...]], tuple[Key, ...]]


class NothingToRotate(Exception):
    """The message says why."""


class StillNeeded(Exception):
    """The key may not be removed; the message says why."""


@dataclass(frozen=True, slots=True)
class Census:
    """What is in the store."""

    uses: Mapping[Use, int] = field(default_factory=dict)  # objects under each key; identity: plain
    # Those of them that can be read, and would be stored otherwise if they were written now.
    waiting: Mapping[Use, int] = field(default_factory=dict)
    lost: tuple[tuple[str, str], ...] = ()  # (key in the store, why it cannot be read)

    @property
    def behind(self) -> int:
        return sum(self.waiting.values())

    def under(self, key: Key) -> int:
        return self.uses.get((key.provider, key.name), 0)


@dataclass(frozen=True, slots=True)
class AddKey:
    name: str

    def __str__(self) -> str:
        return f"add the new key {self.name}, which only reads at first"


@dataclass(frozen=True, slots=True)
class Promote:
    name: str

    def __str__(self) -> str:
        return f"write with {self.name} from now on"


@dataclass(frozen=True, slots=True)
class Rewrite:
    objects: int

    def __str__(self) -> str:
        return f"rewrite {self.objects} {'object' if self.objects == 1 else 'objects'}"


@dataclass(frozen=True, slots=True)
class Forget:
    def __str__(self) -> str:
        return "give up the store's history, where the old values are"


Step = AddKey | Promote | Rewrite | Forget


def rotation(configuration: Configuration, census: Census, now: datetime) -> list[Step]:
    """All steps to a new key; those that are left, if a rotation has begun. Raises NothingToRotate."""
    if not any(rule.writer.encrypts for rule in configuration.rules):
        raise NothingToRotate(
            "the encryption configuration encrypts nothing: its rules begin with identity; put a key in front first"
        )
    if waiting := newest_waiting(configuration):
        return [Promote(waiting), *reencryption(census, everything=True)]
    if unfinished(configuration, census):
        return reencryption(census)
    name = next_name(configuration, now)
    return [AddKey(name), Promote(name), *reencryption(census, everything=True)]


def reencryption(census: Census, *, everything: bool = False) -> list[Step]:
    """`everything`: the writing key is about to change."""
    objects = sum(census.uses.values()) - len(census.lost) if everything else census.behind
    return [Rewrite(objects), Forget()]


def unfinished(configuration: Configuration, census: Census) -> bool:
    """Objects are left under a key of the file that does not write any more."""
    writers = {rule.writer for rule in configuration.rules}
    return any(
        census.waiting.get((key.provider, key.name))
        for key in configuration.all_keys()
        if key not in writers
    )


def newest_waiting(configuration: Configuration) -> str:
    """The key that was added and does not write yet; empty: there is none."""
    names = {
        key.name for rule in configuration.rules if rule.writer.encrypts for key in _waiting(rule)
    }
    return max(names, default="")


def _waiting(rule: Rule) -> Iterator[Key]:
    writes = rule.writer.name if STAMPED.match(rule.writer.name) else ""
    return (key for key in rule.keys if STAMPED.match(key.name) and key.name > writes)


def next_name(configuration: Configuration, now: datetime) -> str:
    """Later than all there are, whatever the clock says."""
    name = now.astimezone(UTC).strftime(STAMP)
    stamped = [key.name for key in configuration.all_keys() if STAMPED.match(key.name)]
    newest = max(stamped, default="")
    if name > newest:
        return name
    after = datetime.strptime(newest, STAMP).replace(tzinfo=UTC) + timedelta(seconds=1)
    return after.strftime(STAMP)


def with_key(configuration: Configuration, key: Key) -> Configuration:
    """The key second wherever something is encrypted."""
    return _each(configuration, lambda keys: (keys[0], key, *keys[1:]))


def promoted(configuration: Configuration, name: str) -> Configuration:
    """The key first, wherever it is."""

    def front(keys: tuple[Key, ...]) -> tuple[Key, ...]:
        return tuple(sorted(keys, key=lambda key: key.name != name))  # stable: the others stay

    return _each(configuration, front)


def without(configuration: Configuration, name: str, census: Census) -> Configuration:
    """The configuration when the key is removed. Raises StillNeeded."""
    _check_removal(configuration, name, census)
    rules = (
        replace(rule, keys=tuple(key for key in rule.keys if key.name != name))
        for rule in configuration.rules
    )
    return Configuration(tuple(rules))


def _check_removal(configuration: Configuration, name: str, census: Census) -> None:
    keys = {key.name: key for key in configuration.all_keys()}
    if name not in keys:
        known = ", ".join(keys) or "none"
        raise StillNeeded(
            f"there is no key {name!r} in the encryption configuration (there are: {known})"
        )
    if any(rule.writer.name == name for rule in configuration.rules):
        raise StillNeeded(
            f"{name} is the key that writes: rotate first, which puts another in its place"
        )
    if count := census.under(keys[name]):
        objects = "1 object is" if count == 1 else f"{count} objects are"
        if not census.waiting.get((keys[name].provider, name)):
            raise StillNeeded(
                f"{objects} under {name} and cannot be read: delete them first (`helmling secrets status` names them)"
            )
        raise StillNeeded(
            f"{objects} still encrypted with {name}: run `helmling secrets reencrypt` first"
        )


def _each(configuration: Configuration, change: Change) -> Configuration:
    """The rules that encrypt, changed; where `identity` writes, that is somebody's will."""
    return Configuration(
        tuple(
            replace(rule, keys=change(rule.keys)) if rule.writer.encrypts else rule
            for rule in configuration.rules
        )
    )
