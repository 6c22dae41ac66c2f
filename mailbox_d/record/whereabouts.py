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
from mailbox_d.store.files import FileSystem, read_whole
from mailbox_d.store.folder import Folder
from mailbox_d.store.layout import Layout
from mailbox_d.store.names import NameLimits, name_of
from mailbox_d.store.ports import INBOX

_LIST_MAX = 256 << 20
"""Octets of the longest uidlist that is read."""

_DIGITS_MAX = 10


@dataclass(frozen=True, slots=True)
class Place:
    """A mailbox that holds the message; `uid` is None until somebody has looked at it."""

    mailbox: str
    uid: int | None


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was seen of a folder: its mailbox, its list, and the base names in `cur` and `new`."""

    mailbox: str
    uidlist: bytes
    bases: frozenset[bytes]


class Whereabouts:
    """Looks into the accounts of a store: once into each folder, as long as the same account is asked about."""

    def __init__(self, files: FileSystem, layout: Layout) -> None:
        self._files = files
        self._layout = layout
        self._account: EmailAddress | None = None
        self._seen: list[_Seen] = []

    def places(self, account: EmailAddress, name: str) -> list[Place]:
        """All mailboxes of the account where the file is, INBOX first; a copy may lie in several. Raises `OSError`."""
        if account != self._account:
            self._account, self._seen = None, []
            self._seen = list(self._look(account))
            self._account = account
        base = name.encode("utf-8", "surrogateescape")
        return [Place(seen.mailbox, _uid(seen.uidlist, base)) for seen in self._seen if base in seen.bases]

    def _look(self, account: EmailAddress) -> Iterator[_Seen]:
        try:
            maildir = self._layout.maildir(account)
        except AddressError:
            return
        for mailbox, folder in self._folders(maildir):
            uidlist = read_whole(self._files, folder.uidlist, _LIST_MAX) or b""
            # a message that is renamed meanwhile goes from `new` to `cur`
            names = [*self._names(folder.new), *self._names(folder.cur)]
            yield _Seen(mailbox, uidlist, frozenset(split_name(name)[0] for name in names))

    def _folders(self, maildir: bytes) -> Iterator[tuple[str, Folder]]:
        yield INBOX, Folder(maildir)
        with suppress(FileNotFoundError):
            for folder in sorted(self._files.directories(maildir)):
                mailbox = name_of(folder, NameLimits())
                if mailbox is not None:
                    yield mailbox, Folder(maildir, folder)

    def _names(self, directory: bytes) -> list[bytes]:
        try:
            return self._files.names(directory)
        except FileNotFoundError:
            return []


def _uid(uidlist: bytes, base: bytes) -> int | None:
    """What a folder's list says of a message, if it says anything."""
    place = uidlist.find(b" :" + base + b"\n")
    if place < 0:
        return None
    digits = uidlist[uidlist.rfind(b"\n", 0, place) + 1 : place].partition(b" ")[0]
    return int(digits) if digits.isdigit() and len(digits) <= _DIGITS_MAX else None
