"""Finding text in text, without regard to case and to where it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.imap.search_text import Needles, fold


@pytest.mark.parametrize(
    ("text", "needle"),
    [
        ("Hello", "hELL"),
        ("STRASSE", "straße"),
        ("Straße", "STRASSE"),
        ("caf\u00e9", "CAFE\u0301"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
    ],
)
def test_case_and_composition_do_not_matter(text: str, needle: str) -> None:
    assert fold(needle) in fold(text)


@given(st.text(alphabet="abAB é", max_size=30), st.text(alphabet="abAB é", max_size=4), st.integers(1, 5))
def test_a_needle_is_found_wherever_the_text_is_cut(text: str, needle: str, size: int) -> None:
    needles = Needles([fold(needle)])
    for start in range(0, len(text), size):
        needles.feed(text[start : start + size])
    assert needles.all_found == (fold(needle) in fold(text))


def test_nothing_is_found_across_two_texts() -> None:
    needles = Needles(["ab"])
    needles.feed("a")
    needles.end_of_text()
    needles.feed("b")
    assert not needles.all_found
