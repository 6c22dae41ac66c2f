"""The part of a report that programs read: message/delivery-status (RFC 3464), and its form in UTF-8 (RFC 6533)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime

from mailbox_d.address import EmailAddress
from mailbox_d.queue.message import Queued
from mailbox_d.queue.notices import Notice
from mailbox_d.queue.quoting import address_field, as_ascii, decode_xtext, field, quoted_of_each, words

_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
_CLASS = {"failed": "5", "delayed": "4"}
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9.-]{1,40}")


def delivery_status(message: Queued, notices: Sequence[Notice], *, hostname: str, utf8: bool) -> bytes:
    """One block for the message and one for each recipient. `utf8`: as message/global-delivery-status."""
    most = quoted_of_each(len(notices))
    blocks = [_of_message(message, hostname, utf8), *(_of_recipient(notice, utf8, most) for notice in notices)]
    return "\r\n".join("".join(block) for block in blocks).encode()


def date(seconds: float) -> str:
    """RFC 5322 section 3.3, in UTC."""
    return format_datetime(datetime.fromtimestamp(int(seconds), UTC))


def status_of(notice: Notice) -> str:
    """The enhanced status code, of the class that the action demands (RFC 3464 section 2.3.4)."""
    of_class = _CLASS.get(notice.action.value, "2")
    given = notice.attempt.status if _STATUS.fullmatch(notice.attempt.status) else "0.0.0"
    return of_class + given[1:]


def _of_message(message: Queued, hostname: str, utf8: bool) -> Iterator[str]:
    if message.envelope.envelope_id:
        decoded = decode_xtext(message.envelope.envelope_id)
        yield field("Original-Envelope-Id", words(decoded, ascii_only=not utf8))
    yield field("Reporting-MTA", f"dns; {hostname}")
    yield field("X-Mailboxd-Queue-Id", words(message.identifier, ascii_only=True))
    yield field("Arrival-Date", date(message.arrived))


def _of_recipient(notice: Notice, utf8: bool, most: int) -> Iterator[str]:
    attempt = notice.attempt
    if notice.recipient.original:
        yield field("Original-Recipient", _original(notice.recipient.original, utf8))
    yield address_field("Final-Recipient", _final(notice.recipient.address, utf8))
    yield field("Action", notice.action.value)
    yield field("Status", status_of(notice))
    if attempt.host or attempt.address:
        yield field("Remote-MTA", f"dns; {words(attempt.host or f'[{attempt.address}]', ascii_only=True)}")
    if attempt.reply:
        yield field("Diagnostic-Code", f"smtp; {words(attempt.reply, ascii_only=not utf8, most=most)}")
    elif attempt.reason:
        yield field("Diagnostic-Code", f"x-mailboxd; {words(attempt.reason, ascii_only=not utf8, most=most)}")
    yield field("Last-Attempt-Date", date(attempt.at))
    if notice.until is not None:
        yield field("Will-Retry-Until", date(notice.until))


def _final(address: EmailAddress, utf8: bool) -> str:
    if address.is_ascii:
        return f"rfc822; {address}"
    return f"utf-8; {address}" if utf8 else f"utf-8; {as_ascii(str(address))}"


def _original(original: str, utf8: bool) -> str:
    """ORCPT, out of its xtext; of another form than ours it is told as it was said."""
    of_type, delimiter, value = original.partition(";")
    if not delimiter or not _ADDRESS_TYPE.fullmatch(of_type):
        return f"unknown; {words(original, ascii_only=not utf8)}"
    decoded = value if of_type.lower() == "utf-8" else decode_xtext(value)
    return f"{of_type.lower()}; {words(decoded, ascii_only=not utf8)}"
