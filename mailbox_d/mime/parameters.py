"""Content-Type, Content-Disposition and Content-Language values (RFC 2045 section 5, RFC 2183, RFC 2231, RFC 3282).

Read leniently: what makes no sense is passed over. The work is linear in the octets of the value.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote_from_bytes

from mailbox_d.mime.structure import Disposition, Parameters

_TYPE = re.compile(rb"([^\x00-\x20\x7f()<>@,;:\\\"/\[\]?=]++)/([^\x00-\x20\x7f()<>@,;:\\\"/\[\]?=]++)(?=[ \t(;]|\Z)")
_TOKEN = re.compile(rb"[^\x00-\x20\x7f()<>@,;:\\\"/\[\]?=]++")
_PARAMETER = re.compile(
    rb"""; [ \t\r\n]*+ ([^=;"\s]++) [ \t\r\n]*+ = [ \t\r\n]*+
         (?: " ((?>(?: [^"\\]++ | \\. )*)) "?  |  ([^;]*+) )""",
    re.VERBOSE | re.DOTALL,
)
_PIECE = re.compile(rb'"(?>(?:[^"\\]++|\\.)*)"?|[ \t]\(|.[^" \t]*+', re.DOTALL)
_COMMENT = re.compile(rb"[^()\\]++|\\.|[()]|\\\Z", re.DOTALL)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_CONTINUED = re.compile(rb"([^*]++)\*([0-9]{1,5})(\*?)")

_CACHED_OCTETS = 256
"""Values up to this length are remembered; a stranger's long ones would only fill memory."""
_CACHED_VALUES = 1024


class ContentType(NamedTuple):
    """Type and subtype in lower case, and the parameters."""

    type: bytes
    subtype: bytes
    parameters: Parameters


PLAIN_TEXT = ContentType(b"text", b"plain", ((b"charset", b"us-ascii"),))
"""What a part is that does not say, or not in a way that makes sense (RFC 2045 section 5.2)."""


def content_type(value: bytes, max_parameters: int) -> ContentType:
    """What a Content-Type says; `PLAIN_TEXT` if it cannot be read.

    Text that does not tell its charset is told to be in US-ASCII (RFC 2045 section 5.2), as IMAP servers do.
    """
    reader = _content_type if len(value) <= _CACHED_OCTETS else _content_type.__wrapped__
    return reader(value, max_parameters)


@lru_cache(_CACHED_VALUES)
def _content_type(value: bytes, max_parameters: int) -> ContentType:
    value = without_comments(value)
    named = _TYPE.match(value)
    if named is None:
        return PLAIN_TEXT
    type_ = named[1].lower()
    told = parameters(value, named.end(), max_parameters)
    if type_ == b"text" and all(name != b"charset" for name, _ in told):
        told += PLAIN_TEXT.parameters
    return ContentType(type_, named[2].lower(), told)


def disposition(value: bytes, max_parameters: int) -> Disposition | None:
    """What a Content-Disposition says, None if it names no type."""
    value = without_comments(value)
    named = _TOKEN.match(value)
    return named and Disposition(named[0].lower(), parameters(value, named.end(), max_parameters))


def languages(value: bytes, max_languages: int) -> tuple[bytes, ...]:
    """The tags of a Content-Language, as written."""
    tags = without_comments(value).split(b",", max_languages)[:max_languages]
    return tuple(tag for tag in map(bytes.strip, tags) if tag)


def token(value: bytes) -> bytes:
    """The one word of a field such as Content-Transfer-Encoding, in lower case; empty if there is none."""
    reader = _token if len(value) <= _CACHED_OCTETS else _token.__wrapped__
    return reader(value)


@lru_cache(_CACHED_VALUES)
def _token(value: bytes) -> bytes:
    named = _TOKEN.match(without_comments(value))
    return named[0].lower() if named else b""


_CONTINUES = b" "
"""Marks the place of a parameter in pieces; no name can begin with a blank."""


def parameters(value: bytes, start: int, most: int) -> Parameters:
    """The parameters that begin behind `start`, the first of each name; at most `most` are looked at."""
    plain: dict[bytes, bytes] = {}
    continued: dict[bytes, dict[int, tuple[bytes, bool]]] = {}
    for count, found in enumerate(_PARAMETER.finditer(value, start)):
        if count == most:
            break
        name = found[1].lower()
        text = found[3].rstrip(b" \t\r\n") if found[2] is None else _QUOTED_PAIR.sub(rb"\1", found[2])
        piece = _CONTINUED.fullmatch(name) if b"*" in name else None
        if piece is None:
            plain.setdefault(name, text)
        else:
            plain.setdefault(_CONTINUES + piece[1], b"")
            continued.setdefault(piece[1], {}).setdefault(int(piece[2]), (text, bool(piece[3])))
    return _joined(plain, continued) if continued else tuple(plain.items())


def _joined(plain: dict[bytes, bytes], continued: dict[bytes, dict[int, tuple[bytes, bool]]]) -> Parameters:
    """Put pieces together where the first of them stood (RFC 2231 section 3); a gap ends the value."""
    joined: dict[bytes, bytes] = {}
    for name, text in plain.items():
        stem = name.removeprefix(_CONTINUES)
        if stem == name:
            joined.setdefault(name, text)
        elif 0 in continued[stem]:
            whole, extended = _whole(continued[stem])
            joined.setdefault(stem + b"*" if extended else stem, whole)
    return tuple(joined.items())


def _whole(pieces: dict[int, tuple[bytes, bool]]) -> tuple[bytes, bool]:
    """The joined value, and whether it is an encoded one; then pieces that were not are encoded too."""
    run: list[tuple[bytes, bool]] = []
    while len(run) in pieces:
        run.append(pieces[len(run)])
    if not any(extended for _, extended in run):
        return b"".join(text for text, _ in run), False
    start = b"" if run[0][1] else b"''"
    return start + b"".join(text if extended else quote_from_bytes(text).encode() for text, extended in run), True


def without_comments(value: bytes) -> bytes:
    """The value without its comments (RFC 5322 section 3.2.2), which may nest.

    A parenthesis that stands within a word begins none: `name=plan(2).pdf` is common, if not lawful.
    """
    if b"(" not in value:
        return value.strip(b" \t\r\n")
    kept = []
    place = 0
    value = b" " + value
    while (found := _PIECE.match(value, place)) is not None:
        place = found.end()
        if found[0][1:] == b"(" and found[0][:1] in b" \t":
            kept.append(b" ")
            place = _behind_comment(value, place)
        else:
            kept.append(found[0])
    return b"".join(kept).strip(b" \t\r\n")


def _behind_comment(value: bytes, place: int) -> int:
    """Where the comment ends whose first parenthesis stands before `place`; the end of the value if it does not."""
    depth = 1
    while depth and (found := _COMMENT.match(value, place)) is not None:
        place = found.end()
        depth += {b"(": 1, b")": -1}.get(found[0], 0)
    return place
