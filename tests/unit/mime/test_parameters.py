"""Parameters of Content-Type and Content-Disposition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.mime.parameters import parameters

MOST = 100


def of(text: bytes) -> tuple[tuple[bytes, bytes], ...]:
    return parameters(text, 0, MOST)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"; a=x; b=y", ((b"a", b"x"), (b"b", b"y"))),
        (b"; a*0=x; a*1=y", ((b"a", b"xy"),)),
        (b"; a*0=x; *0=y", ((b"a", b"x"), (b"*0", b"y"))),
        (b"; x**0=y; a*0=x", ((b"x**0", b"y"), (b"a", b"x"))),
        (b"; filename*0=x; b*0*0=y", ((b"filename", b"x"), (b"b*0*0", b"y"))),
        (b"; a*123456*0=y; b*0=x", ((b"a*123456*0", b"y"), (b"b", b"x"))),
    ],
)
def test_attack_99_names_that_look_like_pieces_are_names(
    text: bytes, expected: tuple[tuple[bytes, bytes], ...]
) -> None:
    assert of(text) == expected


@given(st.lists(st.sampled_from([b"a", b"*", b"0", b"*0", b"1", b"=", b"; ", b'"', b"x"]), max_size=40).map(b"".join))
def test_any_text_gives_parameters(text: bytes) -> None:
    of(b"; a*0=x; " + text)
