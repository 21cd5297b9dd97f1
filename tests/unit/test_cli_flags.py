"""The command line is read as kubectl reads it."""

import pytest

from cli.command import GLOBAL_FLAGS
from cli.durations import seconds
from cli.errors import UsageError
from cli.flags import Flag, Parsed, duration, parse, parse_leading, switch

FLAGS = (
    Flag("namespace", "", "n"),
    Flag("output", "", "o"),
    Flag("label", "", "l", "many"),
    Flag("tail", "", form="number", default="-1"),
    Flag("dry-run", "", default="none", bare="client"),
    duration("timeout", "", "0s"),
    switch("stdin", "", "i"),
    switch("tty", "", "t"),
    switch("wait", "", default=True),
)


def read(*words: str) -> Parsed:
    return parse(FLAGS, words)


@pytest.mark.parametrize(
    "words", [["-n", "x"], ["-nx"], ["-n=x"], ["--namespace", "x"], ["--namespace=x"]]
)
def test_every_way_to_give_a_value(words: list[str]) -> None:
    """They all mean the same."""
    assert read(*words).text("namespace") == "x"


def test_flags_and_arguments_mix() -> None:
    """Arguments keep their order wherever flags stand."""
    parsed = read("get", "-o", "wide", "pods", "-n", "x", "web")
    assert parsed.args == ["get", "pods", "web"]


def test_short_switches_combine() -> None:
    """`-itn x` is `-i -t -n x`."""
    parsed = read("-itn", "x")
    assert (parsed.on("stdin"), parsed.on("tty"), parsed.text("namespace")) == (True, True, "x")


def test_after_a_double_dash_everything_is_an_argument() -> None:
    parsed = read("web", "--", "ls", "-l", "--all")
    assert (parsed.args, parsed.after_dash) == (["web"], ["ls", "-l", "--all"])


def test_a_switch_can_be_turned_off() -> None:
    assert read("--wait=false").on("wait") is False
    assert read().on("wait") is True


def test_a_flag_with_a_bare_value_does_not_take_the_next_word() -> None:
    """`--dry-run pods`: pods is an argument."""
    parsed = read("--dry-run", "pods")
    assert (parsed.text("dry-run"), parsed.args) == ("client", ["pods"])
    assert read("--dry-run=server").text("dry-run") == "server"


def test_a_repeated_flag_keeps_all_its_values() -> None:
    assert read("-l", "a=b", "--label=c=d").many("label") == ["a=b", "c=d"]


@pytest.mark.parametrize("word", ["--tail=x", "--tail=1.5", "--timeout=abc", "--timeout=5x"])
def test_a_wrong_number_is_refused_when_it_is_read(word: str) -> None:
    """Not when the command asks for it: by then it may have cordoned the node that it cannot drain."""
    name, _, value = word.partition("=")
    with pytest.raises(UsageError, match=f'invalid argument "{value}" for "{name}" flag'):
        read(word)


def test_durations_are_seconds() -> None:
    assert (read("--timeout=1m30s").seconds("timeout"), read().seconds("timeout")) == (90, 0)


def test_a_lone_dash_is_an_argument() -> None:
    assert read("-").args == ["-"]


def test_negative_numbers_are_values() -> None:
    assert read("--tail", "-5").number("tail") == -5
    assert read("--tail=-1").number("tail") == -1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--namspace=x"], 'unknown flag: --namspace, did you mean "--namespace"?'),
        (["-z"], "unknown shorthand flag: 'z' in -z"),
        (["-n"], "flag needs an argument: -n"),
        (["--output"], "flag needs an argument: --output"),
        (["--tty=perhaps"], 'invalid argument "perhaps" for "--tty" flag: must be true or false'),
    ],
)
def test_wrong_flags_are_explained(words: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(*words)
    assert caught.value.message == said


def test_a_number_must_be_one() -> None:
    with pytest.raises(UsageError, match="must be a whole number"):
        read("--tail=many").number("tail")


def test_global_flags_may_come_before_the_command() -> None:
    """`helmling -n shop get pods -w`: what is left begins with the command."""
    leading, rest = parse_leading(GLOBAL_FLAGS, ["-n", "shop", "get", "pods", "-w"])
    assert (leading.text("namespace"), rest) == ("shop", ["get", "pods", "-w"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30s", 30), ("1m30s", 90), ("1.5h", 5400), ("500ms", 0.5), ("0", 0), ("45", 45), ("-1s", -1)],
)
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["soon", "5 parsecs", "s", "1..5s", "3x"])
def test_wrong_durations_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="invalid duration"):
        seconds(text)
