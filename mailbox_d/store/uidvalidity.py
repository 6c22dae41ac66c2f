"""`dovecot-uidvalidity`: from which every new mailbox of an account takes its UIDVALIDITY, each value once.

The file holds eight hex digits, the last value handed out; beside it lies one empty file whose name ends in the same
digits. Renaming that one to the next value is the atomic step.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable

from mailbox_d.errors import MailboxBusy
from mailbox_d.store.files import FileSystem, read_whole

_NAME = b"/dovecot-uidvalidity"
_MARK = re.compile(rb"dovecot-uidvalidity\.([0-9a-f]{8})")
_TRIES = 10
_MAX = 2**32 - 2


def next_uid_validity(files: FileSystem, maildir: bytes, clock: Callable[[], float] = time.time) -> int:
    """A value that no mailbox of this account had before. Raises `OSError`, `MailboxBusy` while others move it."""
    last = _last(files, maildir)
    for _ in range(_TRIES):
        if last is None or last >= _MAX:
            last = _begin(files, maildir, int(clock()))
            if last is not None:
                return last
        elif _step(files, maildir, last):
            _note(files, maildir, last + 1)
            return last + 1
        last = _last_mark(files, maildir)
    raise MailboxBusy("The mailbox is in use by another program", cause="the UIDVALIDITY kept moving")


def _last(files: FileSystem, maildir: bytes) -> int | None:
    content = read_whole(files, maildir + _NAME, 1024) or b""
    noted = int(content, 16) if re.fullmatch(rb"[0-9a-fA-F]{8}", content) else None
    return noted or _last_mark(files, maildir)


def _last_mark(files: FileSystem, maildir: bytes) -> int | None:
    marks = [int(found[1], 16) for name in files.names(maildir) if (found := _MARK.fullmatch(name))]
    return max(marks, default=0) or None


def _step(files: FileSystem, maildir: bytes, last: int) -> bool:
    try:
        files.rename(_mark(maildir, last), _mark(maildir, last + 1))
    except FileNotFoundError:
        return False
    return True


def _begin(files: FileSystem, maildir: bytes, value: int) -> int | None:
    """Start counting at the clock; None where another one just did."""
    try:
        descriptor = files.open(_mark(maildir, value), os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        return None
    try:
        files.chmod(descriptor, 0o444)
    finally:
        files.close(descriptor)
    _note(files, maildir, value)
    return value


def _note(files: FileSystem, maildir: bytes, value: int) -> None:
    descriptor = files.open(maildir + _NAME, os.O_WRONLY | os.O_CREAT)
    try:
        files.write(descriptor, b"%08x" % value)
    finally:
        files.close(descriptor)


def _mark(maildir: bytes, value: int) -> bytes:
    return maildir + _NAME + b".%08x" % value
