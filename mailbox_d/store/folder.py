"""One folder on disk: the paths of its parts, and how it comes to be."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field

from mailbox_d.errors import NoSuchMailbox, StorageFault
from mailbox_d.store.files import FileSystem, find, make_directories

PARTS = (b"cur", b"new", b"tmp")


@dataclass(frozen=True, slots=True)
class Folder:
    """A Maildir's INBOX or one of its folders, by path; `maildir` is the account's Maildir that it belongs to."""

    maildir: bytes
    name: bytes = b""
    path: bytes = field(init=False)
    new: bytes = field(init=False)
    cur: bytes = field(init=False)
    tmp: bytes = field(init=False)

    def __post_init__(self) -> None:
        path = self.maildir + b"/" + self.name if self.name else self.maildir
        object.__setattr__(self, "path", path)
        for part in PARTS:
            object.__setattr__(self, part.decode(), path + b"/" + part)

    @property
    def uidlist(self) -> bytes:
        return self.path + b"/dovecot-uidlist"

    @property
    def lock(self) -> bytes:
        """The lock that guards everything in this folder."""
        return self.path + b"/dovecot-uidlist.lock"

    @property
    def keywords(self) -> bytes:
        return self.path + b"/dovecot-keywords"


def require_folder(files: FileSystem, folder: Folder) -> None:
    """See that the folder has its three parts, as directories; what is missing is made.

    Raises `NoSuchMailbox` where the folder itself is missing, `StorageFault` where the whole Maildir is, or where a
    part is something else than a directory: a symbolic link is never followed.
    """
    missing = [part for part in PARTS if not _is_directory(files, folder.path + b"/" + part)]
    if not missing:
        return
    if not _is_directory(files, folder.maildir + b"/cur"):
        raise _no_maildir(folder)
    if not _is_directory(files, folder.path):
        raise NoSuchMailbox("No such mailbox")
    try:
        for part in missing:
            make_directories(files, folder.path + b"/" + part, parents=False)
    except FileNotFoundError:
        raise (NoSuchMailbox("No such mailbox") if folder.name else _no_maildir(folder)) from None


def make_maildir(files: FileSystem, maildir: bytes) -> None:
    """Make a Maildir that is not there, and its parents. `cur` comes last: where that is, the Maildir is."""
    if find(files, maildir + b"/cur") is None:
        for part in reversed(PARTS):
            make_directories(files, maildir + b"/" + part)


def _no_maildir(folder: Folder) -> StorageFault:
    """Its disk may have gone away: who has mailboxes open is told of no message that it is removed."""
    cause = f"there is no Maildir at {os.fsdecode(folder.maildir)!r} any more"
    return StorageFault("The mail store is not available now", cause=cause)


def _is_directory(files: FileSystem, path: bytes) -> bool:
    status = find(files, path)
    if status is None:
        return False
    if not stat.S_ISDIR(status.st_mode):
        raise StorageFault("The mail store is not available now", cause=f"{os.fsdecode(path)!r} is not a directory")
    return True
