"""Pod Security: three levels of what a pod may do to its node, chosen per namespace by labels (S#28).

    pod-security.kubernetes.io/enforce           privileged | baseline | restricted: pods that violate it are refused
    pod-security.kubernetes.io/warn              … whoever creates them, or something that makes them, is warned
    pod-security.kubernetes.io/audit             … it is noted in the audit log
    …-version                                    latest, or v1.34: as the level was in that version

The checks are in podchecks.py, one function for each.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from api.errors import Cause
from control_plane.apiserver.policies.podchecks import BASELINE, RESTRICTED, Check
from control_plane.apiserver.validation import causes
from proto.v1.pod_pb2 import Pod, PodSpec

PREFIX = "pod-security.kubernetes.io/"
MODES = ("enforce", "audit", "warn")
LEVELS = ("privileged", "baseline", "restricted")  # each is stricter than those before
LATEST = "latest"
VERSION = re.compile(r"v1\.(0|[1-9][0-9]*)", re.ASCII)
MOST = 3000  # pods that are looked at when a namespace becomes stricter


@dataclass(frozen=True, slots=True)
class Level:
    name: str = "privileged"
    version: str = LATEST

    def __str__(self) -> str:
        return f"{self.name}:{self.version}"

    def checks(self) -> Iterable[Check]:
        """What restricted demands is stricter than some checks of baseline: then only the stricter one speaks."""
        if self.name == "privileged":
            return
        stricter = RESTRICTED if self.name == "restricted" else ()
        replaced = {name for check in stricter for name in check.replaces if self._has(check)}
        for check in (*BASELINE, *stricter):
            if self._has(check) and check.name not in replaced:
                yield check

    def _has(self, check: Check) -> bool:
        return self.version == LATEST or int(self.version.removeprefix("v1.")) >= check.since

    def minor(self) -> int:
        """For checks whose rules have changed over time."""
        return 10**6 if self.version == LATEST else int(self.version.removeprefix("v1."))


@dataclass(frozen=True, slots=True)
class Policy:
    """Of a namespace."""

    enforce: Level = Level()
    audit: Level = Level()
    warn: Level = Level()


PRIVILEGED = Policy()  # of a namespace without labels


def policy_of(labels: Mapping[str, str]) -> Policy:
    """What cannot be read is taken as restricted where it protects, and as nothing where it only tells."""
    levels = {}
    for mode in MODES:
        name, version = (
            labels.get(PREFIX + mode, "privileged"),
            labels.get(f"{PREFIX}{mode}-version"),
        )
        if name not in LEVELS:
            name = "restricted" if mode == "enforce" else "privileged"
        if version is None or not VERSION.fullmatch(version):
            version = LATEST
        levels[mode] = Level(name, version)
    return Policy(**levels)


def wrong_labels(labels: Mapping[str, str]) -> list[Cause]:
    found = []
    for mode in MODES:
        level, version = labels.get(PREFIX + mode), labels.get(f"{PREFIX}{mode}-version")
        if level is not None and level not in LEVELS:
            told = f"must be one of {', '.join(LEVELS)}"
            found.append(causes.invalid(f"metadata.labels[{PREFIX}{mode}]", level, told))
        if version is not None and version != LATEST and not VERSION.fullmatch(version):
            told = 'must be "latest" or "v1.x"'
            found.append(causes.invalid(f"metadata.labels[{PREFIX}{mode}-version]", version, told))
    return found


def violations(level: Level, spec: PodSpec) -> list[tuple[str, str]]:
    """For each check that fails: what is wrong, and where."""
    minor = level.minor()
    found = ((check.reason, check.find(spec, minor)) for check in level.checks())
    return [(reason, detail) for reason, detail in found if detail]


def refusal(level: Level, spec: PodSpec) -> str:
    """`PodSecurity "restricted:latest": …`; empty: nothing is violated."""
    found = violations(level, spec)
    told = ", ".join(f"{reason} ({detail})" for reason, detail in found)
    return f'PodSecurity "{level}": {told}' if found else ""


def is_stricter(new: Level, old: Level) -> bool:
    """Whether pods that were fine may not be any more."""
    if new == old or new.name == "privileged":
        return False
    return new.version != old.version or LEVELS.index(new.name) > LEVELS.index(old.name)


def existing(level: Level, namespace: str, pods: Sequence[Pod]) -> list[str]:
    """What is said to whoever raises the level above pods that are there."""
    by_reason: dict[str, list[str]] = {}
    for pod in pods[:MOST]:
        if found := violations(level, pod.spec):
            by_reason.setdefault(", ".join(reason for reason, _ in found), []).append(
                pod.metadata.name
            )
    lines = []
    if len(pods) > MOST:
        lines.append(
            f"new PodSecurity enforce level only checked against the first {MOST} of {len(pods)} existing pods"
        )
    if by_reason:
        lines.append(
            f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{level}"'
        )
    told = (f"{_named(sorted(names))}: {reason}" for reason, names in by_reason.items())
    return [*lines, *sorted(told)]


def _named(names: Sequence[str]) -> str:
    first, others = names[0], len(names) - 1
    if not others:
        return first
    return f"{first} (and {others} other pod{'s' if others > 1 else ''})"


def is_judged_again(new: Pod, old: Pod) -> bool:
    """Of all that can still be changed in a pod, only images matter."""

    def images(pod: Pod) -> list[str]:
        return [each.image for each in (*pod.spec.containers, *pod.spec.initContainers)]

    return images(new) != images(old)
