"""`subscriptions`: the mailbox names that a user follows, in either form that Dovecot writes.

Version 2 begins with `V<TAB>2` and an empty line, writes TAB between levels and escapes control characters; version 1
has no header and writes a dot. The form that is found is kept, and so is every line that says nothing to us.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from mailbox_d import mutf7
from mailbox_d.errors import MailboxBusy
from mailbox_d.store.files import FileSystem, find, forget, parent, read_whole
from mailbox_d.store.ports import INBOX, SEPARATOR

_HEADER = b"V\t2\n\n"
_ESCAPES = {b"\x011": b"\x01", b"\x01t": b"\t", b"\x01n": b"\n", b"\x01r": b"\r", b"\x010": b"\0"}


def parse(content: bytes) -> Sequence[str]:
    """The names subscribed to, in the file's order; lines that are no mailbox names are passed over."""
    is_version_2, lines = _lines(content)
    names = (_parse_name(line, is_version_2) for line in lines)
    return tuple(dict.fromkeys(name for name in names if name))


def with_name(content: bytes, name: str, *, subscribed: bool) -> bytes:
    """The file's content with a name in it, or without."""
    is_version_2, lines = _lines(content) if content else (True, [])
    kept = [line for line in lines if line and _parse_name(line, is_version_2) != name]
    if subscribed:
        level_end = b"\t" if is_version_2 else b"."
        kept.append(mutf7.encode(name).replace(SEPARATOR.encode(), level_end))
    return (_HEADER if is_version_2 else b"") + b"".join(line + b"\n" for line in kept)


def _lines(content: bytes) -> tuple[bool, list[bytes]]:
    is_version_2 = content.startswith(b"V\t2\n")
    lines = content.split(b"\n")
    return is_version_2, [line for line in (lines[1:] if is_version_2 else lines) if line]


def _parse_name(line: bytes, is_version_2: bool) -> str | None:
    levels = line.split(b"\t" if is_version_2 else b".")
    try:
        name = SEPARATOR.join(mutf7.decode(_unescape(level)) for level in levels)
    except ValueError:
        return None
    return INBOX if name.lower() == INBOX.lower() else name


def _unescape(level: bytes) -> bytes:
    first, *rest = level.split(b"\x01")
    return first + b"".join(_ESCAPES.get(b"\x01" + part[:1], part[:1]) + part[1:] for part in rest)


class SubscriptionsFile:
    """One account's subscriptions. The lock file beside it is the new content itself."""

    def __init__(
        self,
        files: FileSystem,
        maildir: bytes,
        *,
        stale_after: float = 30.0,
        octets_max: int = 4 * 1024 * 1024,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._files = files
        self._path = maildir + b"/subscriptions"
        self._stale_after = stale_after
        self._octets_max = octets_max
        self._clock = clock

    def read(self) -> Sequence[str]:
        return parse(self._content())

    def change(self, name: str, *, subscribed: bool) -> None:
        """Add a name or take it out, durable. Raises `MailboxBusy`, `OSError`."""
        lock = self._path + b".lock"
        descriptor = self._open_lock(lock)
        try:
            ours = self._files.fstat(descriptor)
            before = self._content()
            self._files.write(descriptor, with_name(before, name, subscribed=subscribed))
            self._files.fsync(descriptor)
            self._require_ours(lock, ours)
            self._files.rename(lock, self._path)
        except OSError:
            forget(self._files, lock)
            raise
        finally:
            self._files.close(descriptor)
        self._files.fsync_directory(parent(self._path))

    def _content(self) -> bytes:
        return read_whole(self._files, self._path, self._octets_max) or b""

    def _open_lock(self, lock: bytes) -> int:
        try:
            return self._files.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            status = find(self._files, lock)
            if status is not None and abs(self._clock() - status.st_mtime) > self._stale_after:
                forget(self._files, lock)
            raise MailboxBusy("The subscriptions are in use by another program") from None

    def _require_ours(self, lock: bytes, ours: os.stat_result) -> None:
        status = find(self._files, lock)
        if status is None or status.st_ino != ours.st_ino:
            raise MailboxBusy("The subscriptions are in use by another program", cause="lost the lock")
