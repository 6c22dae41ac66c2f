"""Where an account's Maildir lies: `<root>/<domain>/<local part>/Maildir`.

A name that could lead out of its folder is refused here, whoever let it come this far.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mailbox_d.address import EmailAddress
from mailbox_d.errors import AddressError

MAILDIR = b"Maildir"
_NAME_MAX = 255


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders below `root`, one for each domain, one in it for each user (by the folded local part)."""

    root: Path

    def maildir(self, address: EmailAddress) -> bytes:
        """The path of the account's Maildir. Raises `AddressError` for a name that is no safe name of a folder."""
        return b"/".join((os.fsencode(self.root), *folder_names(address), MAILDIR))


def folder_names(address: EmailAddress) -> tuple[bytes, bytes]:
    """The names of the domain's and the user's folder. Raises `AddressError` for one that is not safe."""
    return _safe(address.domain), _safe(address.key)


def _safe(name: str) -> bytes:
    try:
        encoded = name.encode("utf-8")
    except UnicodeError as error:
        raise AddressError("This address can have no mailbox here", cause="not valid text") from error
    unsafe = any(octet < 0x20 or octet == 0x7F for octet in encoded)
    if not encoded or encoded.startswith(b".") or b"/" in encoded or unsafe or len(encoded) > _NAME_MAX:
        raise AddressError("This address can have no mailbox here", cause="unsafe as a folder's name")
    return encoded
