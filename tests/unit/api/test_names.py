"""Names: what is accepted, and how a refusal explains itself."""

import pytest

from api import names


@pytest.mark.parametrize("name", ["a", "web", "web-1", "1web", "a" * 63, "0"])
def test_dns_labels(name: str) -> None:
    assert names.dns_label(name) == ()


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a.b", "a_b", "ä", "a b", "a\n", "a" * 64])
def test_no_dns_labels(name: str) -> None:
    assert names.dns_label(name)


def test_the_rule_is_told_in_words_with_examples_and_the_expression() -> None:
    assert names.dns_label("Web") == (
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
        "with an alphanumeric character (e.g. 'my-name',  or '123-abc', "
        "regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    )


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert len(names.dns_label("A" * 64)) == 2


@pytest.mark.parametrize("name", ["a", "a.b", "example.com", "a-b.c-d", "a" * 253])
def test_dns_subdomains(name: str) -> None:
    assert names.dns_subdomain(name) == ()


@pytest.mark.parametrize("name", ["", ".", "a.", ".a", "a..b", "-a.b", "A.b", "a" * 254])
def test_no_dns_subdomains(name: str) -> None:
    assert names.dns_subdomain(name)


@pytest.mark.parametrize(
    ("name", "fine"), [("a1", True), ("1a", False), ("a-", False), ("a-b", True)]
)
def test_labels_of_rfc_1035_begin_with_a_letter(name: str, fine: bool) -> None:
    assert (names.dns_label_1035(name) == ()) is fine


@pytest.mark.parametrize(
    "name", ["a", "A", "a.b_c-d", "example.com/name", "a" * 63, f"{'a' * 253}/b"]
)
def test_qualified_names(name: str) -> None:
    assert names.qualified_name(name) == ()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "name part must be non-empty"),
        ("a/", "name part must be non-empty"),
        ("/a", "prefix part must be non-empty"),
        ("a/b/c", "a qualified name must consist of"),
        ("Up/a", "prefix part a lowercase RFC 1123 subdomain"),
        ("-a", "name part must consist of"),
        ("a" * 64, "name part must be no more than 63 bytes"),
    ],
)
def test_no_qualified_names(name: str, told: str) -> None:
    assert any(problem.startswith(told) for problem in names.qualified_name(name))


@pytest.mark.parametrize(
    ("value", "fine"),
    [
        ("", True),
        ("a_b.C-1", True),
        ("-a", False),
        ("a b", False),
        ("a" * 64, False),
        ("a/b", False),
    ],
)
def test_label_values_may_be_empty(value: str, fine: bool) -> None:
    assert (names.label_value(value) == ()) is fine
