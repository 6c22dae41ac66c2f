"""The grammar of `dovecot-uidlist`: which message has which UID.

Version 3: a header `3 V<validity> N<next> G<guid>`, then lines `<uid> [<extension> ...] :<base name>`, UIDs ascending.
Version 1 is read too. What stands here was written by whoever can write to the Maildir: lines that make no sense are
dropped, every line that can be trusted is kept. A last line without its LF is still being written and is no line yet.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import lt

from mailbox_d.store.filename import is_listable

UID_MAX = 2**32 - 2
_PLAUSIBLE_MAX = 2**31
"""A UID above this that stands in no order was never handed out; it does not raise the next UID."""

_NAME_MAX = 255
_NOT_PLAIN = (b":.", b"/", b"\r", b"\0", b"\n0")
"""What stands in no line without extensions whose name is listable."""
_UID = re.compile(rb"[1-9][0-9]{0,9}")
_EXTENSION = re.compile(rb"[A-Z][^ ]*")
_HEADER_FIELD = re.compile(rb"[A-Za-z][^ ]*")
_GUID = re.compile(rb"[0-9a-fA-F]{32}")


@dataclass(frozen=True, slots=True)
class Header:
    """The first line. `uid_validity` is 0 and `guid` empty where the file did not say; `others` are kept verbatim."""

    uid_validity: int = 0
    next_uid: int = 1
    guid: bytes = b""
    others: tuple[bytes, ...] = ()


@dataclass(slots=True)
class Lines:
    """Lines of the list: UIDs, ascending, and (where there are any) extensions by base name.

    `highest` is the greatest UID that may have been handed out; `count` the lines read; `damaged` says that some were
    dropped, so that the list wants rewriting.
    """

    uid_of: dict[bytes, int] = field(default_factory=dict)
    extensions: dict[bytes, bytes] = field(default_factory=dict)
    highest: int = 0
    count: int = 0
    damaged: bool = False


def parse(content: bytes) -> tuple[Header, Lines]:
    """Read a whole list up to its last LF."""
    first, _, rest = content[: content.rfind(b"\n") + 1].partition(b"\n")
    version, _, fields = first.rstrip(b"\r").partition(b" ")
    if version == b"3":
        lines = parse_lines(rest)
        return _parse_header(fields), lines
    lines = _parse_version_1(rest) if version == b"1" else Lines()
    lines.damaged = True
    return _parse_version_1_header(fields) if version == b"1" else Header(), lines


def parse_lines(content: bytes, above: int = 0) -> Lines:
    """Read version 3 lines, of which the last is complete; all UIDs must be greater than `above`."""
    return _parse_fast(content, above) or _parse_careful(content, above)


def format_header(header: Header) -> bytes:
    fields = [b"3", b"V%d" % header.uid_validity, b"N%d" % header.next_uid]
    fields += [b"G" + header.guid] if header.guid else []
    return b" ".join([*fields, *header.others]) + b"\n"


def format_lines(lines: Iterable[tuple[int, bytes, bytes]]) -> bytes:
    """Lines for (UID, extensions or nothing, base name)."""
    return b"".join(
        b"%d %s :%s\n" % (uid, extensions, base) if extensions else b"%d :%s\n" % (uid, base)
        for uid, extensions, base in lines
    )


def extension(extensions: bytes, key: bytes) -> bytes | None:
    """The value of one extension, by its letter."""
    return next((word[1:] for word in extensions.split(b" ") if word.startswith(key)), None)


def _parse_header(fields: bytes) -> Header:
    values: dict[bytes, bytes] = {}
    others: list[bytes] = []
    for word in fields.split(b" "):
        if word[:1] in (b"V", b"N", b"G"):
            values.setdefault(word[:1], word[1:])
        elif _HEADER_FIELD.fullmatch(word):
            others.append(word)
    guid = values.get(b"G", b"")
    return Header(
        uid_validity=_number(values.get(b"V", b"")) or 0,
        next_uid=_number(values.get(b"N", b"")) or 1,
        guid=guid.lower() if _GUID.fullmatch(guid) else b"",
        others=tuple(others),
    )


def _parse_version_1_header(fields: bytes) -> Header:
    validity, _, next_uid = fields.partition(b" ")
    return Header(uid_validity=_number(validity) or 0, next_uid=_number(next_uid) or 1)


def _parse_version_1(content: bytes) -> Lines:
    return _parse_careful(content.replace(b" ", b" :"), 0)


def _number(digits: bytes) -> int | None:
    return int(digits) if _UID.fullmatch(digits) and int(digits) <= UID_MAX else None


def _parse_fast(content: bytes, above: int) -> Lines | None:
    """Lines without extensions and without fault, all at once; None where there is anything else."""
    count = content.count(b"\n")
    if not count or content.count(b":") != count or content.startswith(b"0"):
        return None
    words = content[:-1].replace(b" :", b"\n").split(b"\n")
    if len(words) != 2 * count or any(octets in content for octets in _NOT_PLAIN):
        return None
    numbers, bases = words[::2], words[1::2]
    if not b"".join(numbers).isdigit() or b"" in words or max(map(len, bases)) > _NAME_MAX:
        return None
    uids = list(map(int, numbers))
    if uids[0] <= above or uids[-1] > UID_MAX or not all(map(lt, uids, uids[1:])):
        return None
    uid_of = dict(zip(bases, uids, strict=True))
    return Lines(uid_of, {}, uids[-1], count) if len(uid_of) == count else None


def _parse_careful(content: bytes, above: int) -> Lines:
    """Line by line; where UIDs stand in no order, the most lines that do are kept."""
    rows = content[:-1].split(b"\n") if content else []
    read = [line for row in rows if (line := _parse_line(row.rstrip(b"\r"), above)) is not None]
    kept = _longest_ascending([uid for uid, _, _ in read])
    lines = Lines(count=len(rows), damaged=len(kept) != len(rows))
    for index in kept:
        uid, extensions, base = read[index]
        lines.damaged = lines.uid_of.pop(base, None) is not None or lines.damaged
        lines.uid_of[base] = uid
        lines.extensions.pop(base, None)
        if extensions:
            lines.extensions[base] = extensions
    last = read[kept[-1]][0] if kept else above
    lines.highest = max([last, *(uid for uid, _, _ in read if uid < _PLAUSIBLE_MAX)])
    return lines


def _parse_line(row: bytes, above: int) -> tuple[int, bytes, bytes] | None:
    words, separator, name = row.partition(b" :")
    number, _, extensions = words.partition(b" ")
    uid = _number(number)
    base = name.partition(b":")[0]
    if uid is None or uid <= above or not separator or not is_listable(base) or len(base) > _NAME_MAX:
        return None
    if extensions and not all(map(_EXTENSION.fullmatch, extensions.split(b" "))):
        return None
    return uid, extensions, base


def _longest_ascending(uids: list[int]) -> list[int]:
    """The indexes of a longest strictly ascending subsequence; of equal numbers the first one counts."""
    tails: list[int] = []
    tail_uids: list[int] = []
    before: list[int] = []
    for index, uid in enumerate(uids):
        place = bisect_left(tail_uids, uid)
        before.append(tails[place - 1] if place else -1)
        if place == len(tails):
            tails.append(index)
            tail_uids.append(uid)
        elif uid < tail_uids[place]:
            tails[place], tail_uids[place] = index, uid
    chain: list[int] = []
    index = tails[-1] if tails else -1
    while index >= 0:
        chain.append(index)
        index = before[index]
    return chain[::-1]
