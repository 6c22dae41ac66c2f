"""Mailbox names between the wire and the store (RFC 3501 section 5.1).

On the wire they are in modified UTF-7, and in UTF-8 once the client enabled that (RFC 6855 section 3): an `&` then is
an `&`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from mailbox_d import mutf7
from mailbox_d.errors import MailboxNameError

SEPARATOR: Final = "/"
"""Between the levels of a name, as clients see it."""

_LONGEST: Final = 2000
"""Characters of a name that may be a new mailbox's: beyond all that the store holds, and soon put into normal form."""
_LONGEST_ON_WIRE: Final = 8000
"""Octets of a name or pattern that is looked at: what is longer is no mailbox's, and a literal may hold a mebibyte."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def from_wire(name: bytes, *, utf8: bool = False) -> str:
    """A name as a client wrote it, INBOX in capitals whatever its case. Raises `MailboxNameError`.

    Whether the name can be a mailbox's is for the store to say; a control character can be in no name.
    """
    if len(name) > _LONGEST_ON_WIRE:
        raise MailboxNameError("The mailbox name is too long")
    try:
        text = name.decode("utf-8") if utf8 else mutf7.decode(name)
    except ValueError as error:
        form = "UTF-8" if utf8 else "modified UTF-7"
        raise MailboxNameError(f"This is not a mailbox name in {form}", cause=str(error)) from error
    if not is_name(text):
        raise MailboxNameError("A mailbox name cannot hold control characters")
    return _with_inbox(text)


def new_from_wire(name: bytes, *, utf8: bool = False) -> str:
    """As `from_wire`, for a mailbox that is to be made: a name in UTF-8 must be in normal form C (RFC 5198 section 2).

    Modified UTF-7 has no such rule, so mailboxes may have other names; these can be used, but not made, in UTF-8.
    """
    text = from_wire(name, utf8=utf8)
    if utf8 and (len(text) > _LONGEST or not unicodedata.is_normalized("NFC", text)):
        raise MailboxNameError("The name of a new mailbox is too long, or not in Unicode's normal form C")
    return text


def is_name(text: str) -> bool:
    """Whether a mailbox can be told by this name: it holds no control character."""
    return not _CONTROLS.search(text)


@lru_cache(maxsize=1024)
def to_wire(name: str, *, utf8: bool = False) -> bytes:
    """A name in modified UTF-7, which is printable ASCII alone, or in UTF-8; not yet quoted."""
    return name.encode("utf-8") if utf8 else mutf7.encode(name)


def _with_inbox(name: str) -> str:
    """INBOX is named without regard to case (RFC 3501 section 5.1), also where other mailboxes lie below it."""
    first, separator, below = name.partition(SEPARATOR)
    return f"INBOX{separator}{below}" if first.lower() == "inbox" else name
