"""The flags about a node's ingress: what they mean, and what they refuse."""

import pytest

from cli.cluster.ingressflags import FLAGS, arguments, with_ingress
from cli.cluster.layout import Wishes
from cli.errors import UsageError
from cli.flags import parse


def given(*words: str) -> Wishes:
    return with_ingress(Wishes(), parse(FLAGS, list(words)))


def test_without_flags_all_is_as_usual() -> None:
    assert given() == Wishes()
    assert arguments(given()) == []


def test_what_up_is_told_the_agent_is_told() -> None:
    words = ["--ingress=off", "--ingress-http-port=8080", "--ingress-https-port=8443"]
    assert arguments(given(*words)) == words


@pytest.mark.parametrize(
    "word",
    [
        "--ingress=maybe",
        "--ingress-http-port=0",
        "--ingress-https-port=65536",
        "--ingress-http-port=443",
    ],
)
def test_what_cannot_be_meant_is_refused(word: str) -> None:
    with pytest.raises(UsageError):
        given(word)
