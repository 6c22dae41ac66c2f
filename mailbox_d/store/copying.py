"""Messages on their way from one folder into another: linked into their places, under the destination's lock.

A link cannot be half there, and shares the file's octets and its date. Where a message's file is not where it was, or
takes no link into its place, each message is made ready in the destination's `tmp` first, with no lock held at all:
linked there, or copied octet by octet where the file system will make no link. That is then renamed into its place.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Iterable
from typing import NamedTuple

from mailbox_d.errors import MessageGone, StorageFault
from mailbox_d.store.disk import Disk
from mailbox_d.store.filename import split_name
from mailbox_d.store.files import FileSystem, find, forget
from mailbox_d.store.folder import Folder, require_folder
from mailbox_d.store.folder_view import FolderView
from mailbox_d.store.keywords import Keywords
from mailbox_d.store.ports import Flags
from mailbox_d.store.usage import file_octets

NOT_LINKABLE = frozenset({errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP})
"""Why a file may be readable and yet take no further link here."""

_BLOCK = 256 * 1024
_LOWER = bytes(letter for letter in range(256) if not chr(letter).isupper())
"""What is no letter of a Maildir's own."""


class NotLinkable(OSError):
    """A message's file is not where it was, or takes no link into its place."""


class Copied(NamedTuple):
    """A message that is copied: which one, and what belongs to it. `path` is of its second file, in the destination's
    `tmp`, or of its own, which is to be linked into its place.

    `letters` are those of a Maildir that are no flags of ours, such as `P`; keywords, whose letters mean something in
    their own folder alone, are among the flags.
    """

    uid: int
    path: bytes
    base: bytes
    flags: Flags
    letters: bytes
    octets: int
    wire_octets: int

    def with_letters(self, letters: bytes, keywords: Keywords) -> Copied:
        """The copy of a message whose file has these letters, in a folder with these keywords."""
        flags, others = sorted_out(letters, keywords)
        return self._replace(flags=flags, letters=others)


class Copies:
    """The files of one command; `add` and `discard` may raise `OSError`."""

    def __init__(self, disk: Disk, folder: Folder) -> None:
        """`folder` is the destination. Raises `NoSuchMailbox`."""
        require_folder(disk.files, folder)
        self.done: list[Copied] = []
        self._disk = disk
        self._folder = folder
        self._in_tmp: set[bytes] = set()

    def add(self, uid: int, source: bytes, keywords: Keywords, wire_octets: int) -> None:
        """Make the second file. Raises `FileNotFoundError` where the first one is not, `StorageFault`."""
        path = self._folder.tmp + b"/" + self._disk.unique.bare()
        self._in_tmp.add(path)
        self._link(source, path)
        status = self._disk.files.lstat(path)
        if not stat.S_ISREG(status.st_mode):
            raise StorageFault("The message cannot be read now", cause=f"{os.fsdecode(source)!r} is not a regular file")
        base, letters = split_name(source.rpartition(b"/")[2])
        flags, others = sorted_out(letters, keywords)
        self.done.append(Copied(uid, path, base, flags, others, status.st_size, wire_octets))

    def put(self, files: FileSystem, path: bytes, goal: bytes) -> None:
        """Put one of them in its place. Raises `FileExistsError`."""
        files.rename_new(path, goal)
        self._in_tmp.discard(path)

    def discard(self) -> None:
        """Remove what was not put in its place."""
        for path in self._in_tmp:
            forget(self._disk.files, path)
        self._in_tmp.clear()

    def _link(self, source: bytes, path: bytes) -> None:
        try:
            self._disk.files.link(source, path)
        except OSError as error:
            if error.errno not in NOT_LINKABLE:
                raise
            self._copy_octets(source, path)

    def _copy_octets(self, source: bytes, path: bytes) -> None:
        files = self._disk.files
        reading = files.open(source, os.O_RDONLY | os.O_NONBLOCK)
        try:
            status = files.fstat(reading)
            writing = files.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            try:
                for offset in range(0, status.st_size, _BLOCK):
                    files.write(writing, files.read(reading, offset, _BLOCK))
                files.utime(writing, status.st_mtime)
                files.fsync(writing)
            finally:
                files.close(writing)
        finally:
            files.close(reading)


def originals(disk: Disk, view: FolderView, uids: Collection[int], *, strict: bool) -> list[Copied]:
    """Messages that are to be linked into their places, UIDs ascending. One that is gone is left out.

    Raises `MessageGone` where that is `strict`, `NotLinkable`.
    """
    places = view.listing.places(sorted(set(uids)))
    if strict and len(places) < len(set(uids)):
        raise MessageGone("The message is gone")
    keywords, messages = view.meanings.keywords, view.listing.messages
    meanings = {letters: sorted_out(letters, keywords) for letters in {place.letters for _, place in places}}
    found = []
    for uid, place in places:
        path = view.path(place)
        octets = file_octets(disk.files, path, place.base)
        message = messages.get(uid)
        if octets is None or message is None:
            raise NotLinkable(errno.ENOENT, os.strerror(errno.ENOENT), path)
        found.append(Copied(uid, path, place.base, *meanings[place.letters], octets, message.size))
    return found


def link_into_place(files: FileSystem, source: bytes, path: bytes) -> None:
    """Link a message's file to a name that nothing has. Whatever is raised, there is no link.

    Raises `NotLinkable`, `FileExistsError`, `OSError`.
    """
    try:
        files.link(source, path)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno in NOT_LINKABLE or find(files, source) is None:
            raise NotLinkable(error.errno, error.strerror, source) from error
        raise
    try:
        if not stat.S_ISREG(files.lstat(path).st_mode):
            raise NotLinkable(errno.EINVAL, "no regular file", source)
    except OSError:
        forget(files, path)
        raise


def sorted_out(letters: bytes, keywords: Keywords) -> tuple[Flags, bytes]:
    """The flags that letters stand for in a folder with these keywords, and the letters of a Maildir that are none."""
    others = letters.translate(None, _LOWER).translate(None, keywords.meaning(letters))
    return keywords.flags(letters), others


def all_flags(copies: Iterable[Copied]) -> Flags:
    """Every flag that one of the messages has."""
    return frozenset[str]().union(*{copy.flags for copy in copies})
