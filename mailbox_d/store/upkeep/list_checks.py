"""What is wrong with a `dovecot-uidlist` and a `dovecot-keywords`: line by line, where a look at the whole is not
satisfied."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mailbox_d.store.keywords import MAX_KEYWORDS, Keywords
from mailbox_d.store.uidlist import extension, parse, parse_lines
from mailbox_d.store.upkeep.findings import Kind

_FAULTS_MAX = 100
"""Lines of one file that are told one by one."""

_HEADER = re.compile(rb"3 .*")
_KEYWORD = re.compile(rb"[0-9]{1,2} .+")

ListFault = tuple[Kind, str]
"""What is wrong, and where."""


def list_faults(content: bytes) -> Iterator[ListFault]:
    """What is wrong with a uidlist, its first lines first. Fast where nothing is."""
    header, lines = parse(content)
    first, _, rest = content.partition(b"\n")
    if not _HEADER.fullmatch(first.rstrip(b"\r")) or not (header.uid_validity and header.guid):
        yield Kind.LIST_HEADER, f"the header is {_shown(first)}"
    if content and not content.endswith(b"\n"):
        _, _, end = content.rpartition(b"\n")
        yield Kind.LIST_TORN, f"the end is {_shown(end)}"
    if lines.damaged and first.startswith(b"3 "):
        yield from _line_faults(rest)


def _line_faults(rest: bytes) -> Iterator[ListFault]:
    highest, names, told = 0, set[bytes](), 0
    for number, row in enumerate(rest.split(b"\n")[:-1], 2):
        read = parse_lines(row + b"\n")
        fault: ListFault | None = None
        if not read.uid_of:
            fault = Kind.LIST_LINE, f"line {number} is {_shown(row)}"
        else:
            ((base, uid),) = read.uid_of.items()
            if uid <= highest:
                fault = Kind.LIST_ORDER, f"line {number}: UID {uid} stands behind {highest}"
            elif base in names:
                fault = Kind.LIST_NAME_TWICE, f"line {number}: {_shown(base)}"
            highest = max(highest, uid)
            names.add(base)
        if fault is not None:
            yield fault
            told += 1
        if told == _FAULTS_MAX:
            return


def keyword_faults(content: bytes) -> Iterator[ListFault]:
    """What is wrong with a keywords file."""
    seen: set[int] = set()
    for number, row in enumerate(content.removesuffix(b"\n").split(b"\n") if content else [], 1):
        line = row.rstrip(b"\r")
        index = int(line.partition(b" ")[0]) if _KEYWORD.fullmatch(line) else MAX_KEYWORDS
        if index >= MAX_KEYWORDS or index in seen:
            yield Kind.KEYWORDS_DAMAGED, f"line {number} is {_shown(row)}"
        seen.add(index)


def nameless(letters: bytes, keywords: Keywords) -> list[int]:
    """The indexes of keywords that stand in a file's name and have no name themselves."""
    return [
        index for letter in letters if 0 <= (index := letter - ord("a")) < MAX_KEYWORDS and index not in keywords.names
    ]


def listed_wire_size(extensions: bytes) -> int | None:
    """The size on the wire that a list tells of a message."""
    digits = extension(extensions, b"W")
    return int(digits) if digits is not None and digits.isdigit() and len(digits) < 19 else None


def _shown(octets: bytes) -> str:
    text = octets[:80].decode("utf-8", "backslashreplace")
    return repr(text if len(octets) <= 80 else text + "…")
