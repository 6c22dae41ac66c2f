"""Whether a text holds another, as SEARCH means it: without regard to case, wherever the text is cut into pieces."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from mailbox_d.imap.python_work import PYTHON_WORK

_MARKS: Final = 64
"""Marks behind one letter that are put in order among each other. The work grows with the square of their number; no
writing has more than thirty.
"""
_FIRST_MARK: Final = "\u0300"
_CHARACTERS_A_STEP: Final = 1 << 20
"""Characters that are gone over in one step, counted for each needle: a few milliseconds' work."""
_FOLDING: Final = 16
"""How many needles' work it is to fold a character."""
_A_TEXT: Final = 1000
"""What a text costs however short it is."""


def fold(text: str) -> str:
    """The form in which text and needle are compared: compatible characters taken apart, without case."""
    if text.isascii():
        return text.lower()
    cuts = _cuts(text)
    if not cuts:
        return _folded(text)
    return "".join([_folded(text[start:end]) for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)])


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())


def _cuts(text: str) -> list[int]:
    """Where a text is cut because too many marks follow each other: behind every so many of them."""
    cuts: list[int] = []
    end = 0
    for place in range(0, len(text), _MARKS):
        if place < end or not _is_mark(text[place]):
            continue
        start = end = place
        while start and _is_mark(text[start - 1]):
            start -= 1
        while end < len(text) and _is_mark(text[end]):
            end += 1
        cuts += range(start + _MARKS, end, _MARKS)
    return cuts


def _is_mark(character: str) -> bool:
    """Whether it may have to stand before the character before it."""
    return character >= _FIRST_MARK and _begins_with_a_mark(character)


@lru_cache(maxsize=4096)
def _begins_with_a_mark(character: str) -> bool:
    forms = (unicodedata.normalize("NFKD", character), _folded(character))
    return any(unicodedata.combining(form[0]) for form in forms)


class Folding:
    """Folds a text that comes in pieces: together what is told is the whole text, folded."""

    def __init__(self) -> None:
        self._held = ""
        """Characters at the end, which marks that follow may belong to."""

    def feed(self, text: str) -> str:
        """The next of the folded text."""
        text = self._held + text
        cut = _last_letter(text)
        self._held = text[cut:]
        return fold(text[:cut])

    def end(self) -> str:
        """The rest of it. What comes next is another text."""
        text, self._held = self._held, ""
        return fold(text)


def _last_letter(text: str) -> int:
    """Where the last character is that no mark behind it can go before, or where the text is cut behind that."""
    place = len(text) - 1
    while place >= 0 and _is_mark(text[place]):
        place -= 1
    marks = len(text) - place - 1
    return max(place, 0) if marks < _MARKS else len(text) - marks % _MARKS


class Needles:
    """Texts that are looked for together in a text that comes in pieces."""

    def __init__(self, needles: Iterable[str]) -> None:
        """`needles` are folded already."""
        self._missing = set(needles)
        self._kept = max(map(len, self._missing), default=1)
        self._folding = Folding()
        self._tail = ""
        """The last of what was looked at."""
        self._work = 0
        """Since the last pause."""
        self.found: set[str] = {needle for needle in self._missing if not needle}
        self._missing -= self.found

    @property
    def all_found(self) -> bool:
        return not self._missing

    def feed(self, text: str) -> None:
        """Take the next piece of the text."""
        for _ in self.feeding(text):
            pass

    def feeding(self, text: str) -> Iterator[None]:
        """The same with pauses: behind so much work, whether for one long text, many short ones or many needles."""
        with PYTHON_WORK:
            folded = self._folding.feed(text)
        yield from self._looking(folded)

    def ending(self) -> Iterator[None]:
        """The text has ended; what comes next is another one: nothing lies across the two."""
        yield from self._looking(self._folding.end())
        self._tail = ""

    def _looking(self, folded: str) -> Iterator[None]:
        if not folded:
            return
        window = self._tail + folded
        self._tail = window[-self._kept :]
        self._work += len(window) * _FOLDING + _A_TEXT
        missing = list(self._missing)
        at_once = max(1, _CHARACTERS_A_STEP // (len(window) + 1))
        for first in range(0, len(missing), at_once):
            some = missing[first : first + at_once]
            with PYTHON_WORK:
                self._look(some, window)
            self._work += len(window) * len(some)
            if self._work >= _CHARACTERS_A_STEP:
                self._work = 0
                yield

    def end_of_text(self) -> None:
        """As `ending`."""
        for _ in self.ending():
            pass

    def _look(self, needles: Iterable[str], folded: str) -> None:
        now = {needle for needle in needles if needle in folded}
        self.found |= now
        self._missing -= now
