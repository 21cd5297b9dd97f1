"""Pods on their way out: each is asked to go until it is granted, then looked at until it is gone.

All pods of a node are under way at once. A refusal by a disruption budget is not the end: the pod is asked again
after five seconds, by which time others may have become ready elsewhere.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from api.errors import ApiError, NotFound, TooManyRequests
from cli.watching import Deadline

AGAIN = 5.0  # seconds after a refusal
LOOK = 0.5  # seconds between two looks at what is left

Say = Callable[[str], None]


class Hands(Protocol):
    """What is done to pods."""

    verb: str  # "evicting", "deleting"

    def remove(self, pod: Any) -> None:
        """Raises TooManyRequests: not now; NotFound: it is gone."""
        ...

    def remaining(self) -> set[str]:
        """The uids of the pods that are still there."""
        ...


@dataclass
class _Leaving:
    pod: Any
    due: float = 0.0  # when to ask (again)
    asked: bool = False  # and granted
    error: str = ""

    @property
    def name(self) -> str:
        return f'pods/"{self.pod.metadata.name}" -n "{self.pod.metadata.namespace}"'


@dataclass(frozen=True)
class Out:
    """Where to say what."""

    say: Say
    warn: Say
    done: Callable[[Any], None]  # told of each pod that is gone


def follow(
    pods: Iterable[Any], hands: Hands, out: Out, deadline: Deadline, limit: str
) -> list[str]:
    """Until all are gone, or it makes no sense any more. What went wrong, a sentence each; `limit`: --timeout."""
    leaving = [_Leaving(pod) for pod in pods]
    while waiting := [each for each in leaving if not each.error]:
        for each in waiting:
            if not each.asked and each.due <= time.monotonic():
                _ask(each, hands, out)
        there = hands.remaining()
        for each in waiting:
            if each.asked and each.pod.metadata.uid not in there:
                out.done(each.pod)
                leaving.remove(each)
        if deadline.left <= 0:
            for each in (each for each in leaving if not each.error):
                what = (
                    f"waiting for {each.name} terminating"
                    if each.asked
                    else f"{hands.verb} {each.name}"
                )
                each.error = f"error when {what}: global timeout reached: {limit}"
        elif leaving:
            time.sleep(min(LOOK, deadline.left))  # no event says that a budget has room again
    return [each.error for each in leaving]


def _ask(each: _Leaving, hands: Hands, out: Out) -> None:
    meta = each.pod.metadata
    out.say(f"{hands.verb} pod {meta.namespace}/{meta.name}")
    try:
        hands.remove(each.pod)
        each.asked = True
    except NotFound:
        each.asked = True
    except TooManyRequests as error:
        each.due = time.monotonic() + AGAIN
        out.warn(f"error when {hands.verb} {each.name} (will retry after 5s): {error.message}")
    except ApiError as error:
        each.error = f"error when {hands.verb} {each.name}: {error.message}"
