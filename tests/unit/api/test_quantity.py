"""Quantities: read exactly, written canonically, compared by amount."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import quantity

UNITS = {
    **dict(zip(["n", "u", "m", "", "k", "M", "G", "T", "P", "E"], range(-9, 19, 3), strict=True)),
}
BINARY = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("0", "0"),
        ("0Mi", "0"),
        ("-0", "0"),
        ("0.5", "500m"),
        (".5", "500m"),
        ("5.", "5"),
        ("+5", "5"),
        ("-1.5", "-1500m"),
        ("100m", "100m"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("2000000u", "2"),
        ("1n", "1n"),
        ("0.1n", "1n"),
        ("1000", "1k"),
        ("1024", "1024"),
        ("1000000", "1M"),
        ("1000k", "1M"),
        ("1E", "1E"),
        ("1e3", "1e3"),
        ("1E3", "1e3"),
        ("12e-1", "1200e-3"),
        ("100e1", "1e3"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("1Ki", "1Ki"),
        ("512Ki", "512Ki"),
        ("0.5Ki", "512"),
        ("0.3Ki", "307200m"),
        ("1025Mi", "1025Mi"),
        ("1Ei", "1Ei"),
    ],
)
def test_a_quantity_is_written_with_the_largest_suffix_that_leaves_a_whole_number(
    text: str, written: str
) -> None:
    assert str(quantity.parse(text)) == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1 Gi",
        "Mi",
        "1Mb",
        "1mi",
        "1KI",
        "1K",
        "1.2.3",
        "--1",
        "1e",
        "1e+",
        ".",
        "one",
        "1_000",
        "٣",
        "1Gi\n",
        "0x10",
        "1e1m",
        "1,5",
        "9" * 400,
    ],
)
def test_what_is_no_quantity_is_refused_with_the_syntax(text: str) -> None:
    assert not quantity.valid(text)
    with pytest.raises(ValueError, match="is not a quantity"):
        quantity.parse(text)


@pytest.mark.parametrize(
    ("text", "millis", "value"),
    [
        ("", 0, 0),
        ("1", 1000, 1),
        ("250m", 250, 1),
        ("1u", 1, 1),
        ("1.5", 1500, 2),
        ("64Mi", 67108864000, 67108864),
        ("-1500m", -1500, -2),
        ("1e3", 1000000, 1000),
        ("129e6", 129000000000, 129000000),
        ("1P", 10**18, 10**15),
    ],
)
def test_millis_and_value_round_away_from_zero(text: str, millis: int, value: int) -> None:
    assert (quantity.millis(text), quantity.value(text)) == (millis, value)


@pytest.mark.parametrize("text", ["1e9999", "99999999999E", "10000000Ei", "1" + "0" * 60])
def test_what_is_beyond_all_bounds_is_the_largest_amount(text: str) -> None:
    assert quantity.value(text) == 2**63 - 1


@pytest.mark.parametrize(
    ("small", "large"),
    [("999m", "1"), ("1M", "1Mi"), ("1000Ki", "1Mi"), ("-1", "0"), ("1e3", "1001"), ("1n", "1u")],
)
def test_quantities_are_ordered_by_amount(small: str, large: str) -> None:
    assert quantity.parse(small) < quantity.parse(large)
    assert quantity.parse(large) >= quantity.parse(small)


@pytest.mark.parametrize(
    ("one", "other"), [("1024Mi", "1Gi"), ("0.5", "500m"), ("1e3", "1k"), ("1000m", "1")]
)
def test_quantities_are_equal_however_they_are_written(one: str, other: str) -> None:
    assert quantity.parse(one) == quantity.parse(other)
    assert hash(quantity.parse(one)) == hash(quantity.parse(other))


@pytest.mark.parametrize(
    ("texts", "total"),
    [
        ([], "0"),
        (["100m", "900m"], "1"),
        (["1Gi", "1Gi"], "2Gi"),
        (["0", "64Mi"], "64Mi"),
        (["1Gi", "1G"], "2073741824"),
    ],
)
def test_a_sum_is_written_like_its_first_summand(texts: list[str], total: str) -> None:
    assert str(quantity.total(texts)) == total


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("0.5", "500m"),
        ("1u", "1m"),
        ("100n", "1m"),
        ("1024Mi", "1Gi"),
        ("lots", "lots"),
        ("1e-9", "1e-3"),
    ],
)
def test_the_server_writes_thousandths_at_the_finest_and_leaves_nonsense_alone(
    text: str, stored: str
) -> None:
    assert quantity.canonical(text) == stored


@given(st.integers(0, 10**6), st.sampled_from([*UNITS, *BINARY]))
def test_a_parsed_amount_is_exact(number: int, suffix: str) -> None:
    factor = (
        Fraction(10) ** UNITS[suffix] if suffix in UNITS else 1024 ** (BINARY.index(suffix) + 1)
    )
    exact = min(number * factor, Fraction(2**63 - 1))
    assert Fraction(quantity.parse(f"{number}{suffix}").nanos, 10**9) == exact


@given(st.from_regex(r"[+-]?[0-9]{1,9}(\.[0-9]{1,9})?([numkMGT]|[KMGT]i|e[0-9])?", fullmatch=True))
def test_writing_and_reading_again_keeps_the_amount(text: str) -> None:
    amount = quantity.parse(text)
    again = quantity.parse(str(amount))
    assert again == amount
    assert str(again) == str(amount)
