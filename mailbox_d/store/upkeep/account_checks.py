"""What is wrong with an account as a whole: its folders' names, its subscriptions, its quota file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mailbox_d.store import maildirsize, mod_sequences, special_use, subscriptions
from mailbox_d.store.disk import Disk
from mailbox_d.store.files import find
from mailbox_d.store.names import name_of
from mailbox_d.store.upkeep.accounts import AccountPlace
from mailbox_d.store.upkeep.findings import Finding, Kind
from mailbox_d.store.upkeep.inspection import content_of

LOCKED_FILES = (b"subscriptions", special_use.FILE_NAME, mod_sequences.FILE_NAME)
"""Files whose lock is the new content; the lock says nothing of its owner, and is nobody's after half a minute."""

LOCK_STALE_AFTER = 30.0

_FILE_MAX = 4 * 1024 * 1024
_SETTLED_SECONDS = 10.0


class AccountChecks:
    """The checks of one account. All of them only look."""

    def __init__(self, disk: Disk, place: AccountPlace) -> None:
        self._disk = disk
        self._place = place

    def all(self) -> Sequence[Callable[[], Iterator[Finding]]]:
        """Everything that concerns no mailbox alone. Each may raise `OSError`, and is to be done all the same."""
        return self._nameless_folders, self._dead_locks, self._subscriptions, self._maildirsize

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
        content = content_of(self._disk, path, _FILE_MAX)
        for line in subscriptions.nameless(content or b""):
            yield self._finding(Kind.SUBSCRIPTIONS, path, f"the line is {line[:80]!r}")

    def _maildirsize(self) -> Iterator[Finding]:
        """One that is too long, or was changed just now, is about to be counted anew by whoever needs it."""
        path = self._path(maildirsize.FILE_NAME)
        status = find(self._disk.files, path)
        content = content_of(self._disk, path, _FILE_MAX)
        if status is None or content is None or abs(self._disk.clock() - status.st_mtime) < _SETTLED_SECONDS:
            return
        if len(content) <= maildirsize.OCTETS_MAX and maildirsize.parse(content) is None:
            yield self._finding(Kind.MAILDIRSIZE, path)

    def _path(self, name: bytes) -> bytes:
        return self._place.maildir + b"/" + name

    def _finding(self, kind: Kind, path: bytes, detail: str = "") -> Finding:
        return Finding(kind, self._place.user, "", path, detail)
