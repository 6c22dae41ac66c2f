"""IMAP's responses as octets (RFC 3501 section 7).

Whatever content decides (names, keywords, texts) is written as a quoted string, a literal or a checked atom: nothing of
it can end a line, a string or a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import islice
from typing import Final

from mailbox_d.wire.imap.fetch import BinarySection, BinarySize, BodySection
from mailbox_d.wire.imap.mailbox_names import SEPARATOR, to_wire

CRLF: Final = b"\r\n"

_ELEMENTS_A_LINE = 1000

_NOT_TEXT = re.compile(r"[^\x20-\x7e]")
_ATOM = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]]++")
_FLAG = re.compile(r"\\?[^\x00-\x20\x7f-\U0010ffff(){%*\"\\\]]++")
_QUOTABLE = re.compile(rb"[\x20-\x7e]{0,1000}+")
_PLAIN = re.compile(rb"[ !#-\[\]-~]{0,1000}+")
"""What quotes hold as it is."""
_QUOTABLE_IN_UTF_8 = re.compile(rb"[^\x00-\x1f\x7f]{0,1000}+")
_SPECIALS = re.compile(rb"([\"\\])")


class Condition(Enum):
    """What a status response says (RFC 3501 section 7.1)."""

    OK = b"OK"
    NO = b"NO"
    BAD = b"BAD"
    BYE = b"BYE"


@dataclass(frozen=True, slots=True)
class Completion:
    """How a command ended: a line of text, and a response code without its brackets."""

    condition: Condition
    text: str
    code: bytes = b""


def tagged(tag: bytes, completion: Completion) -> bytes:
    """The response that ends a command; `*` as tag makes it untagged."""
    code = b"[%b] " % completion.code if completion.code else b""
    return b"%b %b %b%b\r\n" % (tag, completion.condition.value, code, _text(completion.text))


def untagged(condition: Condition, text: str, code: bytes = b"") -> bytes:
    return tagged(b"*", Completion(condition, text, code))


def data(*words: bytes) -> bytes:
    """An untagged response of words that were written by this module, or are known to be atoms."""
    return b"* %b\r\n" % b" ".join(words)


def continuation(data: bytes) -> bytes:
    """A continuation request (RFC 3501 section 7.5): base64, or text of ours."""
    return b"+ %b\r\n" % data


def string(octets: bytes) -> bytes:
    """A quoted string, or a literal where quotes cannot hold the octets."""
    if _PLAIN.fullmatch(octets):
        return b'"%b"' % octets
    return _quoted(octets) if _QUOTABLE.fullmatch(octets) else b"{%d}\r\n%b" % (len(octets), octets)


def nstring(octets: bytes | None) -> bytes:
    return b"NIL" if octets is None else string(octets)


def astring(octets: bytes) -> bytes:
    """An atom, or a string where that cannot hold the octets."""
    return octets if _ATOM.fullmatch(octets) and octets.upper() != b"NIL" else string(octets)


def mailbox(name: str, *, utf8: bool = False) -> bytes:
    """A mailbox name in modified UTF-7; in UTF-8 for a client that enabled that (RFC 6855 section 3)."""
    octets = to_wire(name, utf8=utf8)
    in_utf8 = utf8 and not octets.isascii() and _QUOTABLE_IN_UTF_8.fullmatch(octets)
    return _quoted(octets) if in_utf8 else astring(octets)


@lru_cache(maxsize=4096)
def flag_list(flags: frozenset[str]) -> bytes:
    """Flags in parentheses. A keyword that another program made and IMAP cannot say is left out."""
    return b"(%b)" % " ".join(sorted(filter(_FLAG.fullmatch, flags))).encode("ascii")


def capability(names: Iterable[bytes]) -> bytes:
    """RFC 3501 section 7.2.1, without `* ` and line end: it is a response code too."""
    return b"CAPABILITY " + b" ".join(names)


def listed(
    kind: bytes, attributes: Iterable[bytes], name: str, below: Iterable[bytes] = (), *, utf8: bool = False
) -> bytes:
    """A LIST or LSUB response (RFC 3501 sections 7.2.2 and 7.2.3), with CHILDINFO (RFC 5258 section 3.5)."""
    options = b" ".join(map(string, below))
    extended = (b'("CHILDINFO" (%b))' % options,) if options else ()
    separator = b'"%b"' % SEPARATOR.encode("ascii")
    return data(kind, b"(%b)" % b" ".join(attributes), separator, mailbox(name, utf8=utf8), *extended)


def status(name: str, figures: Iterable[tuple[bytes, int]], *, utf8: bool = False) -> bytes:
    """A STATUS response (RFC 3501 section 7.2.4)."""
    return data(b"STATUS", mailbox(name, utf8=utf8), b"(%b)" % b" ".join(b"%b %d" % figure for figure in figures))


def search(numbers: Iterable[int]) -> bytes:
    """A SEARCH response (RFC 3501 section 7.2.5)."""
    return data(b"SEARCH", *[b"%d" % number for number in numbers])


def esearch(tag: bytes, words: Iterable[bytes], *, by_uid: bool) -> bytes:
    """An ESEARCH response (RFC 4731 section 3.1) without its line end: more may follow."""
    kind = (b"UID",) if by_uid else ()
    return b" ".join((b"* ESEARCH", b"(TAG %b)" % string(tag), *kind, *words))


def ranges(numbers: Sequence[int]) -> Iterator[bytes]:
    """Ascending numbers as the elements of a sequence set: `2`, `10:15`."""
    first = 0
    for index, number in enumerate(numbers):
        if index + 1 < len(numbers) and numbers[index + 1] == number + 1:
            continue
        low = numbers[first]
        yield b"%d" % low if low == number else b"%d:%d" % (low, number)
        first = index + 1


def append_uid(uid_validity: int, uid: int) -> bytes:
    """The response code that says which UID APPEND's message has (RFC 4315 section 3)."""
    return b"APPENDUID %d %d" % (uid_validity, uid)


def copy_uid(uid_validity: int, copied: Mapping[int, int]) -> bytes:
    """The response code that says which UID each copy has in the other mailbox; both ascend (RFC 4315 section 3)."""
    sources, copies = (b",".join(ranges(list(uids))) for uids in (copied.keys(), copied.values()))
    return b"COPYUID %d %b %b" % (uid_validity, sources, copies)


def exists(count: int) -> bytes:
    return b"* %d EXISTS\r\n" % count


def recent(count: int) -> bytes:
    return b"* %d RECENT\r\n" % count


def expunge(number: int) -> bytes:
    return b"* %d EXPUNGE\r\n" % number


def vanished(uids: Iterable[bytes], *, earlier: bool = False) -> Iterator[bytes]:
    """VANISHED responses (RFC 7162 section 3.2.10) of elements of a sequence set, as many as there must be."""
    start = b"* VANISHED (EARLIER) " if earlier else b"* VANISHED "
    elements = iter(uids)
    while some := list(islice(elements, _ELEMENTS_A_LINE)):
        yield start + b",".join(some) + CRLF


def highest_mod_sequence(number: int) -> bytes:
    """Up to which change the client knows all, or would (RFC 7162 section 3.1.2.1)."""
    return untagged(Condition.OK, "Highest mod-sequence", highest_code(number))


def highest_code(number: int) -> bytes:
    """The response code of that."""
    return b"HIGHESTMODSEQ %d" % number


def modified(numbers: Sequence[int]) -> bytes:
    """The response code of messages that STORE has let be (RFC 7162 section 3.1.3), ascending."""
    return b"MODIFIED " + b",".join(ranges(numbers))


def fetch(number: int, items: bytes) -> bytes:
    """A FETCH response (RFC 3501 section 7.4.2) of items that were written by this module."""
    return b"* %d FETCH (%b)\r\n" % (number, items)


def section_name(attribute: BodySection) -> bytes:
    """How a FETCH response names a section: `BODY[HEADER]<0>`, or RFC822 and its kin."""
    if attribute.name:
        return attribute.name
    section = attribute.section
    words = [b"%d" % number for number in section.part]
    if section.text.value:
        words.append(section.text.value)
    fields = b" (%b)" % b" ".join(map(astring, section.fields)) if section.fields else b""
    return b"BODY[%b%b]%b" % (b".".join(words), fields, _origin(attribute.partial))


def binary_name(attribute: BinarySection | BinarySize) -> bytes:
    """How a FETCH response names a part without its transfer encoding (RFC 3516 section 4.2)."""
    part = b".".join(b"%d" % number for number in attribute.part)
    if isinstance(attribute, BinarySize):
        return b"BINARY.SIZE[%b]" % part
    return b"BINARY[%b]%b" % (part, _origin(attribute.partial))


def _origin(partial: tuple[int, int] | None) -> bytes:
    return b"<%d>" % partial[0] if partial else b""


def literal_start(size: int, *, binary: bool = False) -> bytes:
    """What announces a literal of `size` octets; a binary one may hold NULs (RFC 3516 section 4.1)."""
    return b"%b{%d}\r\n" % (b"~" if binary else b"", size)


def _quoted(octets: bytes) -> bytes:
    return b'"%b"' % _SPECIALS.sub(rb"\\\1", octets)


def _text(text: str) -> bytes:
    """Text of a status response: one line of printable ASCII that cannot be taken for a response code."""
    printable = _NOT_TEXT.sub("?", text).lstrip("[")
    return printable.encode("ascii") or b"?"
