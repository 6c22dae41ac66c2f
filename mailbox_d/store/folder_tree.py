"""The folders of one Maildir: listed, made, renamed and removed, each in one step that others see whole."""

from __future__ import annotations

import errno
import random
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress

from mailbox_d.errors import MailboxBusy, MailboxExists, NoSuchMailbox
from mailbox_d.store.disk import Disk
from mailbox_d.store.files import find, remove_tree, write_new
from mailbox_d.store.folder import PARTS, Folder
from mailbox_d.store.names import folder_of, name_of
from mailbox_d.store.ports import INBOX, Usage
from mailbox_d.store.uidlist import Header, format_header
from mailbox_d.store.uidvalidity import next_uid_validity
from mailbox_d.store.usage import folder_usage

_TRASH = b"..DOVECOT-TRASHED"
_NOT_EMPTY = (errno.ENOTEMPTY, errno.EEXIST)
"""What is said where another program has just put something into a directory."""


class FolderTree:
    """A Maildir and the folders in it, by mailbox name. Methods may raise `OSError`."""

    def __init__(self, disk: Disk, maildir: bytes) -> None:
        self._disk = disk
        self._maildir = maildir
        self._trash = maildir + b"/" + _TRASH

    def folder(self, name: str) -> Folder:
        """Where the mailbox of a canonical name lies, or would lie."""
        return Folder(self._maildir, folder_of(name))

    def names(self) -> Sequence[str]:
        """All mailboxes but INBOX that lie here, sorted."""
        directories = self._disk.files.directories(self._maildir)
        names = (name_of(name, self._disk.settings.names) for name in directories)
        return sorted(name for name in names if name is not None)

    def exists(self, name: str) -> bool:
        return name == INBOX or find(self._disk.files, self.folder(name).path) is not None

    def make(self, name: str) -> None:
        """Make a folder aside and rename it into its place. Raises `MailboxExists`."""
        if self.exists(name):
            raise MailboxExists("The mailbox exists already")
        aside = self._maildir + b"/tmp/" + self._disk.unique.bare()
        try:
            self._fill(aside)
            self._disk.files.rename(aside, self.folder(name).path)
        except OSError as error:
            with suppress(OSError):
                remove_tree(self._disk.files, aside)
            if error.errno in _NOT_EMPTY:
                raise MailboxExists("The mailbox exists already") from None
            raise
        try:
            self._disk.files.fsync_directory(self._maildir)
        except OSError:
            self.unmake(name)
            raise

    def unmake(self, name: str) -> bool:
        """Remove a folder that was just made, unless there is mail in it by now; whether it was removed."""
        folder = self.folder(name)
        if not self._remove_empty(folder.new):
            return False
        if not self._remove_empty(folder.cur):
            self._disk.files.mkdir(folder.new)
            return False
        remove_tree(self._disk.files, folder.path)
        self._disk.files.fsync_directory(self._maildir)
        return True

    def rename(self, old: str, new: str) -> None:
        """Give a folder another name. Raises `NoSuchMailbox`, `MailboxExists`."""
        if self.exists(new):
            raise MailboxExists("The mailbox exists already")
        try:
            self._disk.files.rename(self.folder(old).path, self.folder(new).path)
        except FileNotFoundError:
            raise NoSuchMailbox("No such mailbox") from None
        except OSError as error:
            if error.errno in _NOT_EMPTY:
                raise MailboxExists("The mailbox exists already") from None
            raise
        self._disk.files.fsync_directory(self._maildir)

    def take_away(self, name: str, taken: Callable[[Usage], None]) -> None:
        """Put a folder where it is none any more, in one step; `taken` is told what it held.

        Raises `NoSuchMailbox`; `MailboxBusy` where another program is just removing a folder.
        """
        held = folder_usage(self._disk.files, self.folder(name).path)
        try:
            remove_tree(self._disk.files, self._trash)
            self._disk.files.rename(self.folder(name).path, self._trash)
        except FileNotFoundError:
            raise NoSuchMailbox("No such mailbox") from None
        except OSError as error:
            if error.errno in _NOT_EMPTY:
                raise MailboxBusy("Another program is removing a mailbox") from error
            raise
        taken(held.usage)
        self._disk.files.fsync_directory(self._maildir)

    def remove_taken(self) -> None:
        """Remove what was taken away; what another program puts there meanwhile is its own to remove."""
        try:
            remove_tree(self._disk.files, self._trash)
        except OSError as error:
            if error.errno not in _NOT_EMPTY:
                raise

    def _remove_empty(self, directory: bytes) -> bool:
        """Remove a directory, unless there is something in it."""
        try:
            self._disk.files.rmdir(directory)
        except OSError as error:
            if error.errno not in _NOT_EMPTY:
                raise
            return False
        return True

    def _fill(self, path: bytes) -> None:
        self._disk.files.mkdir(path)
        for part in PARTS:
            self._disk.files.mkdir(path + b"/" + part)
        validity = next_uid_validity(self._disk.files, self._maildir, self._disk.clock)
        header = Header(validity, guid=secrets.token_hex(16).encode())
        write_new(self._disk.files, path + b"/maildirfolder", b"")
        write_new(self._disk.files, path + b"/dovecot-uidlist", format_header(header))
        self._disk.files.fsync_directory(path)


def sweep(disk: Disk, folder: Folder, *, most: int | None = None) -> None:
    """Remove what deliveries that never ended left in `tmp`. The time of the last change counts, not the message's.

    With `most`, so many files are looked at, which chance chooses: each has its turn.
    """
    try:
        names = disk.files.names(folder.tmp)
    except FileNotFoundError:
        return  # another program has just taken the folder away
    for name in names if most is None or len(names) <= most else random.sample(names, most):
        path = folder.tmp + b"/" + name
        status = find(disk.files, path)
        if status is not None and disk.clock() - status.st_ctime > disk.settings.stale_after:
            remove_tree(disk.files, path)
