"""Finding text in text, without regard to case and to where it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.imap.search import text as search_text
from mailbox_d.imap.search.text import Folding, Needles, fold


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
    needles.end_of_text()
    assert needles.all_found == (fold(needle) in fold(text))


ODD = st.text(alphabet="aIß\u0130\u0345\u0301\u0323\u0344\u0f73\u1fb3\ufb03\uff9e\u3099カ각ﷺ한", max_size=30)


@given(ODD, st.integers(1, 5))
def test_a_text_is_folded_the_same_wherever_it_is_cut(text: str, size: int) -> None:
    folding = Folding()
    pieces = [folding.feed(text[start : start + size]) for start in range(0, len(text), size)]
    assert "".join([*pieces, folding.end()]) == fold(text)


MARKS = ("a", "\u0301\u0323" * 40, "\u0323", "b c", "\u0344" * 70)


@given(st.lists(st.sampled_from(MARKS), max_size=8), st.integers(1, 90))
def test_marks_without_end_are_cut_at_the_same_places(words: list[str], size: int) -> None:
    text = "".join(words)
    folding = Folding()
    pieces = [folding.feed(text[start : start + size]) for start in range(0, len(text), size)]
    assert "".join([*pieces, folding.end()]) == fold(text)
    assert fold("x: " + text) == "x: " + fold(text)


def test_attack_63_a_text_of_marks_alone_costs_no_more_than_another(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    folded = search_text._folded
    monkeypatch.setattr(search_text, "_folded", lambda text: lengths.append(len(text)) or folded(text))
    fold("a" + "\u0301\u0323" * 20_000 + "b")
    folding = Folding()
    for _ in range(50):
        folding.feed("\u0301\u0323" * 500)
    assert max(lengths) <= 65


def test_nothing_is_found_across_two_texts() -> None:
    needles = Needles(["ab"])
    needles.feed("a")
    needles.end_of_text()
    needles.feed("b")
    assert not needles.all_found
