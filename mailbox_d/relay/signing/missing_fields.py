"""Fields that every message must have and one of a user's lacks (RFC 6409 sections 8.2 and 8.3)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime

from mailbox_d.queue.message import Queued, Source

_DATE = re.compile(rb"^Date[ \t]*:", re.IGNORECASE | re.MULTILINE)
_MESSAGE_ID = re.compile(rb"^Message-ID[ \t]*:", re.IGNORECASE | re.MULTILINE)


def missing_fields(message: Queued, header: bytes, hostname: str) -> bytes:
    """What to put in front of a user's message: the same whenever it is sent. Others' messages are let be."""
    if message.source is not Source.USER:
        return b""
    missing = b""
    if not _MESSAGE_ID.search(header):
        name, _, _ = message.identifier.partition("-")
        missing += f"Message-ID: <{name}@{hostname}>\r\n".encode()
    if not _DATE.search(header):
        arrived = datetime.fromtimestamp(int(message.arrived), UTC)
        missing += f"Date: {format_datetime(arrived)}\r\n".encode()
    return missing
