"""STATUS's items (RFC 3501 section 6.3.10), which LIST may ask for as well (RFC 5819)."""

from __future__ import annotations

from enum import Enum
from typing import Final

from mailbox_d.wire.imap.cursor import Cursor
from mailbox_d.wire.imap.errors import BadSyntax


class StatusItem(Enum):
    """What STATUS may ask for: RFC 3501 section 6.3.10, SIZE of RFC 8438, APPENDLIMIT of RFC 7889, HIGHESTMODSEQ of RFC
    7162, what EXPUNGE would remove of RFC 9208 section 4.1.4."""

    MESSAGES = b"MESSAGES"
    RECENT = b"RECENT"
    UIDNEXT = b"UIDNEXT"
    UIDVALIDITY = b"UIDVALIDITY"
    UNSEEN = b"UNSEEN"
    SIZE = b"SIZE"
    APPENDLIMIT = b"APPENDLIMIT"
    HIGHESTMODSEQ = b"HIGHESTMODSEQ"
    DELETED = b"DELETED"
    DELETED_STORAGE = b"DELETED-STORAGE"


_ITEMS: Final = {item.value: item for item in StatusItem}


def parse_status_items(cursor: Cursor) -> tuple[StatusItem, ...]:
    """One item or more in parentheses, each told once. Raises `BadSyntax`."""
    cursor.expect(b"(")
    items = {_item(cursor): None}
    while cursor.accept(b" "):
        items[_item(cursor)] = None
    cursor.expect(b")")
    return tuple(items)


def _item(cursor: Cursor) -> StatusItem:
    item = _ITEMS.get(cursor.atom().upper())
    if item is None:
        raise BadSyntax("There is no such STATUS item")
    return item
