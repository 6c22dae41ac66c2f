"""Where an account's Maildir lies: `<root>/<domain>/<local part>/Maildir`, or where a link says that stands there.

A name that could lead out of its folder is refused here, whoever let it come this far.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mailbox_d.address import EmailAddress
from mailbox_d.errors import AddressError
from mailbox_d.store.files import FileSystem

MAILDIR = b"Maildir"
OWNER: Final = b"mailboxd-owner"
"""The file in a Maildir that is not in its place by the layout: whose it is."""

_NAME_MAX = 255
_PARTS = frozenset({"cur", "new", "tmp"})
_DEPTH_MAX = 16
_UP = b"../../"
"""What the links begin with that the store makes: the way to the root."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders below `root`, one for each domain, one in it for each user (by the folded local part)."""

    root: Path
    files: FileSystem = field(default_factory=FileSystem, compare=False)

    def maildir(self, address: EmailAddress) -> bytes:
        """The path of the account's Maildir. Raises `AddressError` for a name that is no safe name of a folder,
        `OSError`."""
        return self.resolved(self.own(address))

    def own(self, address: EmailAddress) -> bytes:
        """The account's place by its name. Raises `AddressError`."""
        return b"/".join((os.fsencode(self.root), *folder_names(address), MAILDIR))

    def resolved(self, own: bytes) -> bytes:
        """Where the Maildir lies whose place by its name is `own`. A link that leads anywhere but to a place below the
        root is none of the store's. Raises `OSError`."""
        text = self.files.link_text(own)
        if text is None or not text.startswith(_UP):
            return own
        try:
            return self._joined(place_names(os.fsdecode(text.removeprefix(_UP))))
        except AddressError:
            return own

    def at(self, text: str) -> bytes:
        """A path below the root, given from there or whole. Raises `AddressError` for any other."""
        if not text.startswith("/"):
            return self._joined(place_names(text))
        root = str(self.root)
        if not text.startswith(root.rstrip("/") + "/"):
            raise AddressError("This user can have no mailbox here", cause=f"{text!r} is not below {root!r}")
        return self._joined(place_names(text[len(root.rstrip("/")) + 1 :]))

    def below(self, maildir: bytes) -> Sequence[bytes]:
        """The names of the folders from the root to a Maildir below it."""
        return maildir[len(os.fsencode(self.root)) :].lstrip(b"/").split(b"/")

    def _joined(self, names: Sequence[bytes]) -> bytes:
        return b"/".join((os.fsencode(self.root), *names))


def folder_names(address: EmailAddress) -> tuple[bytes, bytes]:
    """The names of the domain's and the user's folder. Raises `AddressError` for one that is not safe."""
    return _safe(address.domain), _safe(address.key)


def place_names(text: str) -> tuple[bytes, ...]:
    """The names in a path below a root, each a safe one; a slash at the end means nothing. Raises `AddressError`."""
    names = tuple(_safe(name) for name in text.removesuffix("/").split("/"))
    if any(name != name.strip() for name in names):
        raise AddressError("This user can have no mailbox here", cause="a folder's name begins or ends with a blank")
    if any(os.fsdecode(name).lower() in _PARTS for name in names):
        raise AddressError("This user can have no mailbox here", cause="cur, new and tmp are parts of a Maildir")
    if len(names) > _DEPTH_MAX:
        raise AddressError("This user can have no mailbox here", cause=f"more than {_DEPTH_MAX} folders deep")
    return names


def check_place(text: str) -> None:
    """What can be told of a Maildir's path without knowing the root. Raises `AddressError`."""
    place_names(text.removeprefix("/"))


def _safe(name: str) -> bytes:
    try:
        encoded = name.encode("utf-8")
    except UnicodeError as error:
        raise AddressError("This address can have no mailbox here", cause="not valid text") from error
    unsafe = any(octet < 0x20 or octet == 0x7F for octet in encoded)
    if not encoded or encoded.startswith(b".") or b"/" in encoded or unsafe or len(encoded) > _NAME_MAX:
        raise AddressError("This address can have no mailbox here", cause="unsafe as a folder's name")
    return encoded
