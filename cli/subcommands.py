"""Commands that are several: `rollout undo`, `set image`. Each word has its own action and its own flags.

The flags of all actions are read together, because flags and words mix freely (`set -c web image …`); what an action
does not take is refused afterwards, as if it had never been heard of.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cli.command import Session
from cli.errors import UsageError, did_you_mean
from cli.flags import Flag


@dataclass(frozen=True, slots=True)
class Action:
    run: Callable[[Session], int | None]
    flags: Sequence[Flag]


def all_flags(actions: Mapping[str, Action]) -> tuple[Flag, ...]:
    """Each once, in the order in which the actions name them."""
    flags = {flag.name: flag for action in actions.values() for flag in action.flags}
    return tuple(flags.values())


def run(session: Session, command: str, actions: Mapping[str, Action]) -> int | None:
    """Takes the action's word from the arguments. Raises UsageError for a wrong word, or a flag of another action."""
    if not session.args:
        raise UsageError(f"{command} what? One of: {', '.join(actions)}")
    word = session.args.pop(0)
    if word not in actions:
        guess = did_you_mean(word, list(actions))
        raise UsageError(f'unknown command "{word}" for "helmling {command}"{guess}')
    action = actions[word]
    refuse_others(session, action.flags, all_flags(actions))
    return action.run(session)


def refuse_others(session: Session, taken: Sequence[Flag], of_all: Sequence[Flag]) -> None:
    """Raises UsageError when a flag is given that only other actions take."""
    names = {flag.name for flag in taken}
    for flag in of_all:
        if flag.name not in names and session.flags.given(flag.name):
            known = [f"--{name}" for name in names]
            raise UsageError(f"unknown flag: --{flag.name}{did_you_mean(f'--{flag.name}', known)}")
