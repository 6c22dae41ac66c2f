"""Mailbox names between the wire and the store (RFC 3501 section 5.1)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from mailbox_d import mutf7
from mailbox_d.errors import MailboxNameError

SEPARATOR: Final = "/"
"""Between the levels of a name, as clients see it."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def from_wire(name: bytes) -> str:
    """A name as a client wrote it, INBOX in capitals whatever its case. Raises `MailboxNameError`.

    Whether the name can be a mailbox's is for the store to say; a control character can be in no name.
    """
    try:
        text = mutf7.decode(name)
    except ValueError as error:
        raise MailboxNameError("This is not a mailbox name in modified UTF-7", cause=str(error)) from error
    if _CONTROLS.search(text):
        raise MailboxNameError("A mailbox name cannot hold control characters")
    return _with_inbox(text)


@lru_cache(maxsize=1024)
def to_wire(name: str) -> bytes:
    """A name in modified UTF-7: printable ASCII alone, not yet quoted."""
    return mutf7.encode(name)


def _with_inbox(name: str) -> str:
    """INBOX is named without regard to case (RFC 3501 section 5.1), also where other mailboxes lie below it."""
    first, separator, below = name.partition(SEPARATOR)
    return f"INBOX{separator}{below}" if first.lower() == "inbox" else name
