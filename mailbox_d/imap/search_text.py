"""Whether a text holds another, as SEARCH means it: without regard to case, wherever the text is cut into pieces."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

from mailbox_d.imap.python_work import PYTHON_WORK

_CONTEXT = 32
"""Characters kept beyond a needle's length, for marks that belong to the character before them."""
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
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())


class Needles:
    """Texts that are looked for together in a text that comes in pieces."""

    def __init__(self, needles: Iterable[str]) -> None:
        """`needles` are folded already."""
        self._missing = set(needles)
        self._kept = max(map(len, self._missing), default=0) + _CONTEXT
        self._tail = ""
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
        if not text:
            return
        window = self._tail + text
        self._tail = window[-self._kept :]
        with PYTHON_WORK:
            folded = fold(window)
        self._work += len(folded) * _FOLDING + _A_TEXT
        missing = list(self._missing)
        at_once = max(1, _CHARACTERS_A_STEP // (len(folded) + 1))
        for first in range(0, len(missing), at_once):
            some = missing[first : first + at_once]
            with PYTHON_WORK:
                self._look(some, folded)
            self._work += len(folded) * len(some)
            if self._work >= _CHARACTERS_A_STEP:
                self._work = 0
                yield

    def end_of_text(self) -> None:
        """What comes next is another text: nothing lies across the two."""
        self._tail = ""

    def _look(self, needles: Iterable[str], folded: str) -> None:
        now = {needle for needle in needles if needle in folded}
        self.found |= now
        self._missing -= now
