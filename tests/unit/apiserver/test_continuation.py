"""Continue tokens: what goes in comes out, and nothing else is accepted."""

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import BadRequest
from control_plane.apiserver import continuation
from control_plane.apiserver.continuation import Place


@given(
    st.integers(1, 2**63), st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=300)
)
def test_tokens_come_back(revision: int, after: str) -> None:
    place = Place(revision, after)
    assert continuation.read(continuation.write(place)) == place


@pytest.mark.parametrize(
    "told",
    ["", "{}", "[]", "7", '{"v":2,"rv":1,"after":"a"}', '{"v":1,"rv":0,"after":"a"}', '{"v":1,"rv":"1","after":"a"}',
     '{"v":1,"rv":true,"after":7}', '{"v":1,"rv":1,"after":"\\u00e4"}', "\xff"],
)  # fmt: skip
def test_other_texts_are_refused(told: str) -> None:
    token = base64.urlsafe_b64encode(told.encode("latin-1")).decode()
    with pytest.raises(BadRequest, match="continue key is not valid"):
        continuation.read(token)


@given(st.text(max_size=40))
def test_any_text_is_a_token_or_refused(token: str) -> None:
    with suppress(BadRequest):
        continuation.read(token)
