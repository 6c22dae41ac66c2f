"""The parts of a multipart/report (RFC 6522), each with the transfer encoding that its octets need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mailbox_d.queue.message import Queued, Return
from mailbox_d.queue.notices import Action, Notice
from mailbox_d.queue.quoting import field, is_eight_bit, is_seven_bit, quoted_printable


@dataclass(frozen=True, slots=True)
class Part:
    """A part: its type with parameters, what it is, its transfer encoding, and its octets as they are encoded."""

    kind: str
    description: str
    encoding: str
    octets: bytes

    def __bytes__(self) -> bytes:
        header = (
            field("Content-Description", self.description)
            + field("Content-Type", self.kind)
            + field("Content-Transfer-Encoding", self.encoding)
        )
        return header.encode() + b"\r\n" + self.octets


def text_part(text: str) -> Part:
    """What people read; in quoted-printable where it is not plain ASCII."""
    charset = "us-ascii" if text.isascii() else "utf-8"
    return _as_text(f"text/plain; charset={charset}", "What happened", text.encode())


def status_part(octets: bytes, *, utf8: bool) -> Part:
    """What programs read."""
    kind = "message/global-delivery-status" if utf8 else "message/delivery-status"
    return Part(kind, "What happened, for programs", "7bit" if octets.isascii() else "8bit", octets)


def returned_part(message: Queued, notices: Sequence[Notice], original: bytes) -> Part:
    """The message where it is given back whole, else its header. `original`: its first octets."""
    header = header_of(original)
    has_utf8 = message.envelope.smtputf8 and not header.isascii() and _is_utf8(header)
    if _is_returned_whole(message, notices, original):
        kind = "message/global" if has_utf8 else "message/rfc822"
        return Part(kind, "Your message", "7bit" if original.isascii() else "8bit", original)
    if has_utf8 and is_eight_bit(header):
        return Part("message/global-headers", "Your message's header", "8bit", header)
    return _as_text("text/rfc822-headers", "Your message's header", header)


def header_of(original: bytes) -> bytes:
    """The header of a message, of whose first octets it is taken; without a line that is cut off, if one is."""
    if original.startswith(b"\r\n"):
        return b""
    end = original.find(b"\r\n\r\n")
    return original[: end + 2] if end >= 0 else b"".join(original.rpartition(b"\r\n")[:2])


def boundary(identifier: str, parts: Sequence[Part]) -> str:
    """A line that stands in none of the parts (RFC 2046 section 5.1.1)."""
    count = 0
    while any(f"{identifier}={count}".encode() in part.octets for part in parts):
        count += 1
    return f"{identifier}={count}"


def _is_returned_whole(message: Queued, notices: Sequence[Notice], original: bytes) -> bool:
    """RET is about failures alone (RFC 3461 section 4.3); what demanded a safe way is not sent back on another."""
    return (
        len(original) == message.octets
        and message.envelope.returns is not Return.HEADERS
        and not message.envelope.require_tls
        and any(notice.action is Action.FAILED for notice in notices)
        and is_eight_bit(original)
    )


def _as_text(kind: str, description: str, octets: bytes) -> Part:
    if is_seven_bit(octets):
        return Part(kind, description, "7bit", octets)
    return Part(kind, description, "quoted-printable", quoted_printable(octets))


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True
