"""Which UID each message of a folder has: `dovecot-uidlist`, and what this process knows of it.

All of it is called under the folder's lock and the mailbox's own, but for the plain readers.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import NoReturn

from mailbox_d.store.disk import Disk
from mailbox_d.store.folder import Folder
from mailbox_d.store.listing import Listing
from mailbox_d.store.uidlist import UID_MAX, Header, Lines, extension
from mailbox_d.store.uidlist_file import Found, UidListFile
from mailbox_d.store.uidvalidity import next_uid_validity

_DEAD_SHARE = 0.25
"""The share of lines without a message from which on a list is written anew."""

_DEAD_LINES_MIN = 20
"""Fewer such lines than this are let be."""


class Numbering:
    """The UIDs of one folder, whose messages `listing` holds. `end` says that another mailbox is in its place."""

    def __init__(self, disk: Disk, folder: Folder, listing: Listing, end: Callable[[str], NoReturn]) -> None:
        self.header = Header()
        self.next_uid = 1
        self.lines: dict[bytes, int] = {}
        """UIDs by base name, as read since the folder was last compared with the list."""
        self.is_listed = False
        """Whether there is a list on the disk."""
        self._disk = disk
        self._folder = folder
        self._listing = listing
        self._end = end
        self._file = UidListFile(disk.files, folder, disk.settings.uidlist_octets_max)
        self._extensions: dict[bytes, bytes] = {}
        self._line_count = 0
        self._dead: set[bytes] = set()
        """Names on the list that no file has any more: one that comes back must not stand there twice."""
        self._wants_rewrite = False

    def is_loaded(self) -> bool:
        return self.header.uid_validity != 0

    def read(self, *, may_write: bool = True) -> Found:
        """Read the list on. Raises `OSError`, and what `end` raises where its UIDVALIDITY is another one."""
        reading = self._file.read()
        self._wants_rewrite = self._wants_rewrite or reading.torn or reading.lines.damaged
        if reading.found is Found.MISSING:
            self.is_listed = False
            self._take_header(self.header, may_write)
            return reading.found
        if reading.found is Found.REPLACED:
            self.is_listed = True
            self._take_header(reading.header, may_write)
            self._take_all_lines(reading.lines)
        elif reading.found is Found.GROWN:
            self._take_more_lines(reading.lines)
        self.next_uid = max(self.next_uid, reading.header.next_uid, reading.lines.highest + 1)
        return reading.found

    def contradicted(self) -> list[int]:
        """The messages that have another UID, or none, on a list that was just read whole."""
        return [uid for base, uid in self._listing.bases().items() if self.lines.get(base) != uid]

    def forget_dead(self) -> None:
        """The list was replaced: nothing is known of names that stand on it for nothing."""
        self._dead.clear()

    def settle(self) -> None:
        """The folder was compared with what was read: note the names that no file has."""
        bases = self._listing.bases()
        if not self.lines.keys() <= bases.keys():
            self._dead.update(self.lines.keys() - bases.keys())
        self.lines = {}

    def is_dead(self, base: bytes) -> bool:
        """Whether the list names this file, and there is no such message."""
        return base in self._dead

    def die(self, bases: Iterable[bytes]) -> None:
        """These are on the list, and no messages, or none yet."""
        self._dead.update(bases)

    def live(self, bases: Iterable[bytes]) -> None:
        """These have become messages."""
        self._dead.difference_update(bases)

    def has_to_write(self, unlisted: Collection[bytes]) -> bool:
        """Whether the list must be written to where these files are not on it: for them, or to be put in order."""
        comes_back = not self._dead.isdisjoint(unlisted)
        self._wants_rewrite = self._wants_rewrite or comes_back or self._is_mostly_dead()
        return self._wants_rewrite or len(unlisted) > 0

    def give(self, bases: Sequence[bytes]) -> list[int]:
        """Put files on the list, durable: their UIDs. The list is written anew where it should be.

        What a failed attempt left in the file must be read back before anything else is done: its UIDs are spent.
        Raises `OSError`.
        """
        self._require_room(len(bases))
        uids = list(range(self.next_uid, self.next_uid + len(bases)))
        numbered = list(zip(uids, bases, strict=True))
        try:
            if self._wants_rewrite:
                self._rewrite(numbered)
            elif numbered:
                self._file.append(numbered)
                self._line_count += len(numbered)
        except OSError:
            self._wants_rewrite = True
            raise
        self.next_uid += len(uids)
        return uids

    def wire_size(self, base: bytes) -> int | None:
        """The size on the wire, if the list tells it."""
        listed = extension(self._extensions.get(base, b""), b"W")
        return int(listed) if listed is not None and listed.isdigit() else None

    def unique_ids(self) -> dict[int, bytes]:
        """The list's `P` by UID: what POP3 clients called a message where it was before. Dovecot writes one without
        a value where that was the file's base name (`pop3_uidl_format = %g`)."""
        if not self._extensions:
            return {}
        uid_of = self._listing.bases()
        named = ((base, extension(found, b"P")) for base, found in self._extensions.items() if base in uid_of)
        return {uid_of[base]: unique_id or base for base, unique_id in named if unique_id is not None}

    def _take_all_lines(self, lines: Lines) -> None:
        self.lines, self._extensions, self._line_count = dict(lines.uid_of), lines.extensions, lines.count

    def _take_more_lines(self, lines: Lines) -> None:
        self.lines.update(lines.uid_of)
        self._extensions.update(lines.extensions)
        self._line_count += lines.count

    def _take_header(self, header: Header, may_write: bool) -> None:
        """Take over a list's header; what it does not say is kept from memory, or made."""
        known = self.header.uid_validity
        if known and header.uid_validity and header.uid_validity != known:
            self._end("the UIDVALIDITY changed")
        validity = header.uid_validity or known
        if may_write and not (validity and header.guid and self.is_listed):
            self._wants_rewrite = True
            validity = validity or self._new_validity()
        guid = header.guid or self.header.guid or secrets.token_hex(16).encode()
        self.header = Header(validity, header.next_uid, guid, header.others)

    def _new_validity(self) -> int:
        return next_uid_validity(self._disk.files, self._folder.maildir, self._disk.clock)

    def _require_room(self, count: int) -> None:
        """See that there are UIDs left; where there are none, all messages begin anew under another UIDVALIDITY."""
        if self.next_uid + count - 1 <= UID_MAX:
            return
        self.header = replace(self.header, uid_validity=self._new_validity(), next_uid=1)
        self._file.replace(self.header, [])
        self.next_uid = 1
        if self._listing.messages:
            self._end("the UIDs were used up")

    def _is_mostly_dead(self) -> bool:
        dead = self._line_count - len(self._listing.messages)
        return dead > _DEAD_LINES_MIN and dead >= _DEAD_SHARE * self._line_count

    def _rewrite(self, numbered: Sequence[tuple[int, bytes]]) -> None:
        listed = ((uid, self._extensions.get(base, b""), base) for base, uid in self._listing.bases().items())
        rows = [*listed, *((uid, b"", base) for uid, base in numbered)]
        self._file.replace(replace(self.header, next_uid=self.next_uid + len(numbered)), rows)
        self.is_listed, self._wants_rewrite, self._line_count = True, False, len(rows)
        self._dead.clear()
