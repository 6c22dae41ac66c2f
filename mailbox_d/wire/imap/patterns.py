"""LIST's wildcards (RFC 3501 section 6.3.8), matched in one pass whatever the pattern is."""

from __future__ import annotations

import re
from collections import defaultdict

_WILDCARDS = re.compile(r"[*%]++")


class MailboxPattern:
    """A pattern in which `*` stands for anything and `%` for anything without a separator.

    All places in the pattern that a name may have reached are bits of one number, so that a character of the name costs
    the same few operations whatever the wildcards are.
    """

    def __init__(self, pattern: str, separator: str) -> None:
        pattern = _WILDCARDS.sub(lambda run: "*" if "*" in run[0] else "%", pattern)
        self._literals = len(pattern.replace("*", "").replace("%", ""))
        self._separator = separator
        self._end = 1 << len(pattern)
        self._stay = self._stay_within = 0
        places: defaultdict[str, int] = defaultdict(int)
        for at, character in enumerate(pattern):
            if character == "*":
                self._stay |= 1 << at
            elif character == "%":
                self._stay_within |= 1 << at
            else:
                places[character] |= 1 << at
        self._places = dict(places)

    def matches(self, name: str) -> bool:
        """Whether the whole name matches."""
        if self._literals > len(name):
            return False
        wild = self._stay | self._stay_within
        reached = 1 | (1 & wild) << 1
        for character in name:
            stay = self._stay if character == self._separator else wild
            reached = (reached & self._places.get(character, 0)) << 1 | reached & stay
            reached |= (reached & wild) << 1
        return bool(reached & self._end)
