"""What `up` and `agent` are told about names, on its way to the agent."""

from pathlib import Path

import pytest

from cli.cluster import nameflags
from cli.cluster.agents import options
from cli.cluster.layout import Layout, Wishes
from cli.errors import UsageError
from cli.flags import parse


def wishes(*words: str) -> Wishes:
    flags = parse(nameflags.FLAGS, words)
    return nameflags.of(flags, Wishes(node_name="n1"))


def test_by_default_the_tenth_address_of_the_services() -> None:
    told = options(Layout(Path("/x")), "", wishes())
    assert (told.name_server, told.cluster_domain) == ("10.96.0.10", "cluster.local")


def test_what_up_is_told_arrives_at_the_agent() -> None:
    """`up` hands it on as the same flags."""
    told = wishes("--cluster-dns=10.97.0.53", "--cluster-domain=lab.example.")
    again = wishes(*nameflags.arguments(told))
    assert again == told
    arrived = options(Layout(Path("/x")), "", again)
    assert (arrived.name_server, arrived.cluster_domain) == ("10.97.0.53", "lab.example")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("--cluster-dns=10.96.0", "--cluster-dns 10.96.0: "),
        ("--cluster-dns=fd00::1", "--cluster-dns fd00::1: "),
        ("--cluster-domain=Lab_1", "--cluster-domain Lab_1: a lowercase RFC 1123 subdomain"),
        (f"--cluster-domain={'x' * 64}.y", "more than 63 characters"),
    ],
)
def test_what_cannot_be(word: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        wishes(word)
