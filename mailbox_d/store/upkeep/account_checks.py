"""What is wrong with an account as a whole: its folders' names, its subscriptions, its quota file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mailbox_d.store import subscriptions
from mailbox_d.store.disk import Disk
from mailbox_d.store.files import find, read_whole
from mailbox_d.store.names import name_of
from mailbox_d.store.upkeep.accounts import AccountPlace
from mailbox_d.store.upkeep.findings import Finding, Kind

LOCKED_FILES = (b"subscriptions", b"mailboxd-special-use")
"""Files whose lock is the new content; the lock says nothing of its owner, and is nobody's after half a minute."""

LOCK_STALE_AFTER = 30.0

_FILE_MAX = 4 * 1024 * 1024
_LIMITS = re.compile(rb"[0-9]{1,18}[SC](?:,[0-9]{1,18}[SC])?")
_DELTA = re.compile(rb"[+-]?[0-9]{1,18} [+-]?[0-9]{1,18}")


class AccountChecks:
    """The checks of one account. All of them only look."""

    def __init__(self, disk: Disk, place: AccountPlace) -> None:
        self._disk = disk
        self._place = place

    def findings(self) -> Iterator[Finding]:
        """Everything that concerns no mailbox alone. Raises `OSError`."""
        yield from self._nameless_folders()
        yield from self._dead_locks()
        yield from self._subscriptions()
        yield from self._maildirsize()

    def _nameless_folders(self) -> Iterator[Finding]:
        for name in self._disk.files.directories(self._place.maildir):
            is_hidden = name.startswith(b".") and not name.startswith(b"..")
            if is_hidden and name_of(name, self._disk.settings.names) is None:
                path = self._path(name)
                if find(self._disk.files, path + b"/cur") is not None:
                    yield self._finding(Kind.NAMELESS_FOLDER, path)

    def _dead_locks(self) -> Iterator[Finding]:
        for name in LOCKED_FILES:
            path = self._path(name + b".lock")
            status = find(self._disk.files, path)
            if status is not None and abs(self._disk.clock() - status.st_mtime) > LOCK_STALE_AFTER:
                yield self._finding(Kind.DEAD_LOCK, path)

    def _subscriptions(self) -> Iterator[Finding]:
        path = self._path(b"subscriptions")
        content = read_whole(self._disk.files, path, _FILE_MAX)
        for line in subscriptions.nameless(content or b""):
            yield self._finding(Kind.SUBSCRIPTIONS, path, f"the line is {line[:80]!r}")

    def _maildirsize(self) -> Iterator[Finding]:
        path = self._path(b"maildirsize")
        content = read_whole(self._disk.files, path, _FILE_MAX)
        if content is not None and not is_maildirsize(content):
            yield self._finding(Kind.MAILDIRSIZE, path)

    def _path(self, name: bytes) -> bytes:
        return self._place.maildir + b"/" + name

    def _finding(self, kind: Kind, path: bytes, detail: str = "") -> Finding:
        return Finding(kind, self._place.user, "", path, detail)


def is_maildirsize(content: bytes) -> bool:
    """Whether a quota file holds limits and sums that can be: `<limits>`, then lines of octets and messages."""
    limits, *deltas = content.removesuffix(b"\n").split(b"\n")
    if not _LIMITS.fullmatch(limits) or not all(map(_DELTA.fullmatch, deltas)):
        return False
    rows = [row.split(b" ") for row in deltas]
    return sum(int(octets) for octets, _ in rows) >= 0 and sum(int(count) for _, count in rows) >= 0
