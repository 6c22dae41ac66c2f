"""Where a message lies now that was put into an account: it is looked for by its file's base name, which it keeps.

Nothing is changed and nothing locked: what another session does meanwhile may be missed, as with any look.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from mailbox_d.address import EmailAddress
from mailbox_d.errors import AddressError
from mailbox_d.store.filename import split_name
from mailbox_d.store.files import FileSystem, find, read_whole
from mailbox_d.store.folder import Folder
from mailbox_d.store.layout import Layout
from mailbox_d.store.names import NameLimits, name_of
from mailbox_d.store.ports import INBOX

_LIST_MAX = 256 << 20
"""Octets of the longest uidlist that is read."""


@dataclass(frozen=True, slots=True)
class Place:
    """A mailbox that holds the message; `uid` is None until somebody has looked at it."""

    mailbox: str
    uid: int | None


class Whereabouts:
    """Looks into the accounts of a store."""

    def __init__(self, files: FileSystem, layout: Layout) -> None:
        self._files = files
        self._layout = layout

    def places(self, account: EmailAddress, name: str) -> list[Place]:
        """All mailboxes of the account where the file is, INBOX first; a copy may lie in several. Raises `OSError`."""
        try:
            maildir = self._layout.maildir(account)
        except AddressError:
            return []
        base = name.encode("utf-8", "surrogateescape")
        folders = list(self._folders(maildir))
        likely = [place for mailbox, folder in folders if (place := self._place(mailbox, folder, base, thorough=False))]
        if likely:
            return likely
        return [place for mailbox, folder in folders if (place := self._place(mailbox, folder, base, thorough=True))]

    def _folders(self, maildir: bytes) -> Iterator[tuple[str, Folder]]:
        yield INBOX, Folder(maildir)
        with suppress(FileNotFoundError):
            for folder in sorted(self._files.directories(maildir)):
                mailbox = name_of(folder, NameLimits())
                if mailbox is not None:
                    yield mailbox, Folder(maildir, folder)

    def _place(self, mailbox: str, folder: Folder, base: bytes, *, thorough: bool) -> Place | None:
        """The message in a folder. Where it has no UID, `cur` is only looked into if the look is to be `thorough`."""
        uid = self._uid(folder, base)
        if find(self._files, folder.new + b"/" + base) is not None:
            return Place(mailbox, uid)
        if (uid is None and not thorough) or not self._is_in_cur(folder, base):
            return None
        return Place(mailbox, uid)

    def _is_in_cur(self, folder: Folder, base: bytes) -> bool:
        try:
            names = self._files.names(folder.cur)
        except FileNotFoundError:
            return False
        return any(name.startswith(base) and split_name(name)[0] == base for name in names)

    def _uid(self, folder: Folder, base: bytes) -> int | None:
        """What the folder's list says."""
        content = read_whole(self._files, folder.uidlist, _LIST_MAX) or b""
        place = content.find(b" :" + base + b"\n")
        if place < 0:
            return None
        digits = content[content.rfind(b"\n", 0, place) + 1 : place].partition(b" ")[0]
        return int(digits) if digits.isdigit() and len(digits) <= 10 else None
