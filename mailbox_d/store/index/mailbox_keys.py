"""Which mailboxes an account has, by what names them for ever."""

from __future__ import annotations

import os
from collections.abc import Collection

from mailbox_d.store.files import FileSystem
from mailbox_d.store.folder import Folder
from mailbox_d.store.index.answers import MailboxKey
from mailbox_d.store.uidlist import parse

_HEADER_MAX = 4096


def mailboxes_in(files: FileSystem, maildir: bytes) -> Collection[MailboxKey] | None:
    """The mailboxes of a Maildir; None where one of them cannot be named. Raises `OSError`."""
    names = [name for name in files.directories(maildir) if name.startswith(b".")]
    keys = [_key(files, Folder(maildir, name)) for name in (b"", *names)]
    known = [key for key in keys if key is not None]
    return known if len(known) == len(keys) else None


def _key(files: FileSystem, folder: Folder) -> MailboxKey | None:
    try:
        descriptor = files.open(folder.uidlist, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return MailboxKey(b"", 0)
    try:
        first, line_end, _ = files.read(descriptor, 0, _HEADER_MAX).partition(b"\n")
    finally:
        files.close(descriptor)
    header, _ = parse(first + line_end)
    return MailboxKey(header.guid, header.uid_validity) if header.guid and header.uid_validity else None
