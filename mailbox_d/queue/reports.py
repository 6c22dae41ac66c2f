"""Delivery status notifications (RFC 3464, in multipart/report of RFC 6522; RFC 6533 for mail with SMTPUTF8).

Everything here is a function of its arguments. What other servers said stands only where it can neither end a field nor
a part: on one line, escaped, folded, of bounded length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mailbox_d.address import EmailAddress
from mailbox_d.mime.fields import split_fields
from mailbox_d.queue.delivery_status import date, delivery_status
from mailbox_d.queue.message import Envelope, Notify, Queued, Recipient
from mailbox_d.queue.notices import Notice
from mailbox_d.queue.quoting import address_field, field
from mailbox_d.queue.report_parts import Part, boundary, header_of, returned_part, status_part, text_part
from mailbox_d.queue.report_text import SUBJECTS, report_text
from mailbox_d.wire.smtp.commands import Body

_MESSAGE_ID = re.compile(rb"<[!-;=?-~]{1,250}>")


@dataclass(frozen=True, slots=True)
class Report:
    """A report as on the wire, and its envelope: from nobody, to the sender of the message that it is about."""

    envelope: Envelope
    octets: bytes


def octets_wanted(message: Queued, limit: int) -> int:
    """How many of the message's first octets `write_report` wants. `limit`: `limits.returned_message`."""
    return min(message.octets, limit)


def write_report(
    message: Queued, notices: Sequence[Notice], original: bytes, *, hostname: str, now: float, identifier: str
) -> Report | None:
    """One report of all the notices; None where there is nobody to tell, or nothing.

    `original`: the first octets of the message as on the wire, as many as `octets_wanted` says. `identifier`: a name
    that no other report has, of letters, digits, `-`, `_` and `.`, 60 at most.
    """
    sender = message.envelope.sender
    if sender is None or not notices:
        return None
    header, utf8 = header_of(original), message.envelope.smtputf8
    parts = (
        text_part(report_text(message, notices, header, hostname=hostname)),
        status_part(delivery_status(message, notices, hostname=hostname, utf8=utf8), utf8=utf8),
        returned_part(message, notices, original),
    )
    origin = (
        field("From", f"Mail Delivery System <MAILER-DAEMON@{hostname}>")
        + field("Date", date(now))
        + field("Message-ID", f"<{identifier}@{hostname}>")
    )
    top = "".join((origin, *_about(sender, notices, header), *_mime_fields(parts, boundary(identifier, parts))))
    return Report(_envelope(message, sender, parts), top.encode() + b"\r\n" + _multipart(parts, identifier))


def _about(sender: EmailAddress, notices: Sequence[Notice], header: bytes) -> Iterator[str]:
    actions = {notice.action for notice in notices}
    yield address_field("To", f"<{sender}>")
    yield field("Subject", next(subject for action, subject in SUBJECTS.items() if action in actions))
    identifier = split_fields(header, {b"message-id": "id"}).get("id", b"")
    if _MESSAGE_ID.fullmatch(identifier):
        yield field("In-Reply-To", identifier.decode())
        yield field("References", identifier.decode())
    yield field("Auto-Submitted", "auto-replied")


def _mime_fields(parts: Sequence[Part], mark: str) -> Iterator[str]:
    yield field("MIME-Version", "1.0")
    yield field("Content-Type", f'multipart/report; report-type=delivery-status; boundary="{mark}"')
    yield field("Content-Transfer-Encoding", "8bit" if _has_eight_bit(parts) else "7bit")


def _multipart(parts: Sequence[Part], identifier: str) -> bytes:
    mark = b"--" + boundary(identifier, parts).encode()
    return b"".join(mark + b"\r\n" + bytes(part) + b"\r\n" for part in parts) + mark + b"--\r\n"


def _has_eight_bit(parts: Sequence[Part]) -> bool:
    return any(part.encoding == "8bit" for part in parts)


def _envelope(message: Queued, sender: EmailAddress, parts: Sequence[Part]) -> Envelope:
    """A header in UTF-8 wants SMTPUTF8, also that of a message within (RFC 6531 section 3.6)."""
    utf8_header = any(part.kind in ("message/global", "message/global-headers") for part in parts)
    return Envelope(
        sender=None,
        recipients=(Recipient(sender, Notify.NEVER, said_notify=True),),
        body=Body.EIGHT_BIT if _has_eight_bit(parts) else Body.SEVEN_BIT,
        smtputf8=utf8_header or not sender.is_ascii,
        require_tls=message.envelope.require_tls,
    )
