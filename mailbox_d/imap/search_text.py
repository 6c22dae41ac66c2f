"""Whether a text holds another, as SEARCH means it: without regard to case, wherever the text is cut into pieces."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

_CONTEXT = 32
"""Characters kept beyond a needle's length, for marks that belong to the character before them."""


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
        self.found: set[str] = {needle for needle in self._missing if not needle}
        self._missing -= self.found

    @property
    def all_found(self) -> bool:
        return not self._missing

    def feed(self, text: str) -> None:
        """Take the next piece of the text."""
        window = self._tail + text
        folded = fold(window)
        now = {needle for needle in self._missing if needle in folded}
        self.found |= now
        self._missing -= now
        self._tail = window[-self._kept :]

    def end_of_text(self) -> None:
        """What comes next is another text: nothing lies across the two."""
        self._tail = ""
