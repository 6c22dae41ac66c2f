"""What a message is made of, as values: parts, envelopes, addresses (RFC 2045, RFC 2046, RFC 3501 section 7.4.2).

Text is kept as the octets of the header, unfolded and without blanks around it: encoded words and 8-bit stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

Parameters: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""Names in lower case with their values. Continuations of RFC 2231 are joined; a value with charset and language keeps
its encoded form under `name*`, as its section 6 asks of IMAP servers."""


@dataclass(frozen=True, slots=True)
class MimeLimits:
    """How much of a message is understood. What lies beyond is opaque, or is cut, and never an error."""

    depth: int = 100
    """Parts within parts, the message itself included; what would be deeper is one `application/octet-stream`."""
    parts: int = 10_000
    """Parts of a message; delimiters behind the last of them begin no part."""
    header: int = 1024 * 1024
    """Octets of a part's header; a part with more of them is one `application/octet-stream`."""
    header_kept: int = 256 * 1024
    """Octets of a part's header that are read; the others count as part of the header and are not looked at."""
    headers_kept: int = 4 * 1024 * 1024
    """Octets of all the headers of a message that are read."""
    addresses: int = 1000
    """Addresses of one field, begins and ends of groups included; also bounds the words and marks looked at."""
    parameters: int = 100
    """Parameters of one field, and pieces of parameters."""
    boundary: int = 998
    """Octets of a boundary; with a longer one a multipart has no parts."""


class Address(NamedTuple):
    """One address of an envelope (RFC 3501 section 7.4.2), None for what is not there.

    `host` is None only for a group: its begin has the name in `mailbox`, its end has None there too.
    """

    name: bytes | None
    route: bytes | None
    mailbox: bytes | None
    host: bytes | None


@dataclass(frozen=True, slots=True)
class Envelope:
    """The fields of a message's header that ENVELOPE tells; the first of each name counts, None for none.

    `sender` and `reply_to` are those of `from_` where the message has none, or empty ones (RFC 3501 section 7.4.2).
    """

    date: bytes | None = None
    subject: bytes | None = None
    from_: tuple[Address, ...] = ()
    sender: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    in_reply_to: bytes | None = None
    message_id: bytes | None = None


@dataclass(frozen=True, slots=True)
class Disposition:
    """A Content-Disposition (RFC 2183), its type in lower case."""

    type: bytes
    parameters: Parameters = ()


@dataclass(frozen=True, slots=True)
class Part:
    """A message or a part of one. Offsets are octets of the whole message as it goes over the wire.

    The header, with the empty line behind it, is `header_start:body_start`; the body `body_start:body_end`. The line
    end before a delimiter belongs to the delimiter (RFC 2046 section 5.1.1). A multipart has one child at least.
    """

    header_start: int
    body_start: int
    body_end: int
    lines: int
    """Line ends within the body."""
    type: bytes = b"text"
    """In lower case, as is `subtype`."""
    subtype: bytes = b"plain"
    parameters: Parameters = ()
    id: bytes | None = None
    description: bytes | None = None
    encoding: bytes = b"7bit"
    """In lower case; 7bit where none is told (RFC 2045 section 6.1)."""
    md5: bytes | None = None
    disposition: Disposition | None = None
    language: tuple[bytes, ...] = ()
    location: bytes | None = None
    children: tuple[Part, ...] = ()
    """The parts of a multipart; empty for all others."""
    message: Part | None = None
    """The message within a message/rfc822, which begins at `body_start` and has an envelope."""
    envelope: Envelope | None = None
    """Of a message: the root of the tree, or a `message` in a part."""

    @property
    def is_multipart(self) -> bool:
        return self.type == b"multipart"

    @property
    def size(self) -> int:
        """Octets of the body, still encoded."""
        return self.body_end - self.body_start


def section(message: Part, numbers: Sequence[int]) -> Part | None:
    """The part that a section like BODY[1.2] names (RFC 3501 section 6.4.5), the message itself for no numbers.

    Part 1 of a message that is no multipart is that message: its body is the part's body. HEADER, TEXT and
    HEADER.FIELDS behind numbers need the `message` of the part found, MIME its own header.
    """
    found = message
    within: Part | None = message
    for number in numbers:
        if within is None:
            return None
        if within.is_multipart:
            if not 1 <= number <= len(within.children):
                return None
            found = within.children[number - 1]
        elif number == 1:
            found = within
        else:
            return None
        within = found if found.is_multipart else found.message
    return found
