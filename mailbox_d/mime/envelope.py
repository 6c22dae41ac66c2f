"""The envelope of a message (RFC 3501 section 7.4.2), and address lists read leniently (RFC 5322 section 3.4).

Whatever a field holds, something is told of it: what is no address appears as a mailbox without a host. A check of a
sender reads strictly, with `addresses.parse_mailbox_list`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from mailbox_d.mime.structure import Address, Envelope

ENVELOPE_FIELDS = {
    b"date": "date",
    b"subject": "subject",
    b"from": "from_",
    b"sender": "sender",
    b"reply-to": "reply_to",
    b"to": "to",
    b"cc": "cc",
    b"bcc": "bcc",
    b"in-reply-to": "in_reply_to",
    b"message-id": "message_id",
}
"""Names of fields in lower case, and the attribute of an `Envelope` that each one is."""

_GROUP_END = Address(None, None, None, None)

_WORD = rb"[^\x00-\x20\x7f()<>\[\]:;@\\,\"]"
_SIMPLE = re.compile(
    rb"""[ \t]*+ (?: (?: "([^"\\]*+)" | (%(word)s++(?>(?:[ \t]++%(word)s++)*)) )?
                       [ \t]*+ <(%(word)s++)@(%(word)s++)>
                   | (%(word)s++)@(%(word)s++) ) [ \t]*+"""
    % {b"word": _WORD},
    re.VERBOSE,
)
"""Nearly every address that is met; names with several blanks in a row and whatever else is odd go the long way."""

_TOKEN = re.compile(
    rb"""(?P<blank>[ \t\r\n]++)
      | (?P<quoted>"(?P<text>(?>(?:[^"\\]++|\\.)*))"?)
      | (?P<literal>\[[^\[\]\\]*+\])
      | (?P<special>[()<>@,;:])
      | (?P<atom>[^ \t\r\n()<>@,;:"\[]++|\[)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(rb"[^()\\]++|\\.|[()]|\\\Z", re.DOTALL)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_BLANKS = re.compile(rb"[ \t\r\n]++")

_TOKENS_AN_ADDRESS = 32
"""Words, marks and comments that an address may have on average in a field that is read to its end."""
_CACHED_OCTETS = 256
"""Fields up to this length are remembered; a stranger's long ones would only fill memory."""
_CACHED_FIELDS = 4096


def envelope(values: Mapping[str, bytes], max_addresses: int) -> Envelope:
    """The envelope of these values, by attribute, as `ENVELOPE_FIELDS` calls them."""
    get = values.get
    from_ = addresses(get("from_", b""), max_addresses)
    return Envelope(
        get("date"),
        get("subject"),
        from_,
        addresses(get("sender", b""), max_addresses) or from_,
        addresses(get("reply_to", b""), max_addresses) or from_,
        addresses(get("to", b""), max_addresses),
        addresses(get("cc", b""), max_addresses),
        addresses(get("bcc", b""), max_addresses),
        get("in_reply_to"),
        get("message_id"),
    )


def addresses(value: bytes, most: int) -> tuple[Address, ...]:
    """The addresses of an unfolded field, groups included; the first `most` of them, and of a sane number of words."""
    if not value:
        return ()
    reader = _addresses if len(value) <= _CACHED_OCTETS else _addresses.__wrapped__
    return reader(value, most)


@lru_cache(_CACHED_FIELDS)
def _addresses(value: bytes, most: int) -> tuple[Address, ...]:
    found = []
    for piece in value.split(b",", most)[:most]:
        simple = _SIMPLE.fullmatch(piece)
        if simple is None:
            return _any_addresses(value, most)
        quoted, name, mailbox, host, bare, bare_host = simple.groups()
        if bare is not None:
            found.append(Address(None, None, bare, bare_host))
        else:
            found.append(Address(_spaced(quoted or name), None, mailbox, host))
    return tuple(found)


def _spaced(name: bytes | None) -> bytes | None:
    return _BLANKS.sub(b" ", name) if name else None


class _Token(NamedTuple):
    mark: bytes
    """One of `<>@,;:`, empty for a word, `(` for a comment."""
    text: bytes
    """Without quoting."""
    apart: bool
    """Whether blanks or a comment stand before it."""


class _Member:
    """What is gathered of one member of a list: a phrase and what stands in brackets, or a bare address.

    Whose address is bare may be named in a comment: `alice@example.org (Alice)`.
    """

    __slots__ = ("_at", "_bracketed", "_closed", "_comment", "_opened", "_outside")

    def __init__(self) -> None:
        self._outside: list[_Token] = []
        self._bracketed: list[_Token] = []
        self._opened = self._closed = self._at = False
        self._comment = b""

    def take(self, token: _Token) -> None:
        if token.mark == b"(":
            self._comment = token.text
        elif self._opened and not self._closed:
            self._closed = token.mark == b">"
            self._bracketed.append(token)
        elif token.mark == b"<":
            self._opened = True
        elif not self._closed:
            self._at = self._at or token.mark == b"@"
            self._outside.append(token)

    def ends_at(self, mark: bytes) -> bool:
        """Whether a comma or semicolon ends the member here: a comma does not within a route, `<@a,@b:c@d>`."""
        routed = self._opened and not self._closed and self._bracketed[:1] and self._bracketed[0].mark == b"@"
        return mark == b";" or not routed

    def names_group(self) -> bool:
        """Whether a colon here ends the name of a group."""
        return not self._opened and not self._at

    def phrase(self) -> bytes:
        return b"".join(b" " + token.text if token.apart else token.text for token in self._outside).strip()

    def address(self) -> Iterator[Address]:
        """The address, or none if nothing but comments was gathered."""
        if self._opened:
            inner = self._bracketed[:-1] if self._closed else self._bracketed
            route, inner = _split_route(inner)
            yield Address(self.phrase() or None, route, *_split_address(inner))
        elif self._at:
            yield Address(self._comment or None, None, *_split_address(self._outside))
        elif self._outside:
            yield Address(self._comment or None, None, self.phrase(), b"")


def _split_route(tokens: list[_Token]) -> tuple[bytes | None, list[_Token]]:
    """The route of `@a,@b:c@d` and what is behind it (RFC 5322 section 4.4)."""
    colon = next((index for index, token in enumerate(tokens) if token.mark == b":"), 0)
    if not colon or tokens[0].mark != b"@":
        return None, tokens
    return b"".join(token.text for token in tokens[:colon]), tokens[colon + 1 :]


def _split_address(tokens: list[_Token]) -> tuple[bytes, bytes]:
    """Local part and domain, at the last @; the domain empty without one."""
    at = next((index for index in range(len(tokens) - 1, -1, -1) if tokens[index].mark == b"@"), len(tokens))
    return b"".join(token.text for token in tokens[:at]), b"".join(token.text for token in tokens[at + 1 :])


def _any_addresses(value: bytes, most: int) -> tuple[Address, ...]:
    """The long way: token by token, member by member."""
    found: list[Address] = []
    member = _Member()
    in_group = False
    for token in islice(_tokens(value), most * _TOKENS_AN_ADDRESS):
        if token.mark == b":" and not in_group and member.names_group():
            found.append(Address(None, None, member.phrase(), None))
            in_group = True
        elif token.mark in (b",", b";") and member.ends_at(token.mark):
            found.extend(member.address())
            if token.mark == b";" and in_group:
                found.append(_GROUP_END)
                in_group = False
        else:
            member.take(token)
            continue
        if len(found) >= most:
            return tuple(found[:most])
        member = _Member()
    found.extend(member.address())
    if in_group:
        found.append(_GROUP_END)
    return tuple(found[:most])


def _tokens(value: bytes) -> Iterator[_Token]:
    place = 0
    apart = False
    while (found := _TOKEN.match(value, place)) is not None:
        place = found.end()
        kind, text = found.lastgroup, found[0]
        if kind == "blank":
            apart = True
            continue
        if text == b"(":
            text, place = _comment(value, place)
            yield _Token(b"(", text, apart)
            apart = True
            continue
        if kind == "special":
            yield _Token(text, text, apart)
        elif found["quoted"] is not None:
            yield _Token(b"", _QUOTED_PAIR.sub(rb"\1", found["text"]), apart)
        else:
            yield _Token(b"", text, apart)
        apart = False


def _comment(value: bytes, place: int) -> tuple[bytes, int]:
    """The text of the comment whose parenthesis stands before `place`, and where it ends; nesting is counted."""
    depth = 1
    pieces = []
    while (found := _COMMENT.match(value, place)) is not None:
        place = found.end()
        depth += {b"(": 1, b")": -1}.get(found[0], 0)
        if not depth:
            break
        pieces.append(found[0])
    return _QUOTED_PAIR.sub(rb"\1", b"".join(pieces)).strip(), place
