"""What another server says in reply to EHLO that it can do (RFC 5321 section 4.1.1.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from mailbox_d.wire.smtp.peer_replies import ReceivedReply

_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*+")


@dataclass(frozen=True, slots=True)
class Extensions:
    """Extensions with their parameters, by keyword in upper case; `Extensions()` is what HELO's server can do."""

    offered: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.offered

    @property
    def largest(self) -> int | None:
        """The largest message that is taken, in octets; None where none is told (RFC 1870 section 3)."""
        value = self.offered.get("SIZE", ("",))[:1]
        known = value and value[0].isascii() and value[0].isdigit() and len(value[0]) <= 20
        return (int(value[0]) or None) if known else None

    @property
    def mechanisms(self) -> frozenset[str]:
        """By which one can log in (RFC 4954 section 3)."""
        return frozenset(word.upper() for word in self.offered.get("AUTH", ()))


def read_extensions(reply: ReceivedReply) -> Extensions:
    """Those of a positive reply to EHLO, whose first line is the greeting.

    A line that is none is passed over. `AUTH=PLAIN`, which servers told before there was RFC 2554, is AUTH too.
    """
    offered: dict[str, tuple[str, ...]] = {}
    for line in reply.lines[1:]:
        if matched := _KEYWORD.match(line):
            words = line[matched.end() :].replace("=", " ", 1).split()
            keyword = matched[0].upper()
            offered[keyword] = (*offered.get(keyword, ()), *words)
    return Extensions(MappingProxyType(offered))
