"""The lock that guards a folder, shared with Dovecot: `dovecot-uidlist.lock`.

It is taken without waiting: whoever finds it held raises `MailboxBusy` and comes back later. It says who holds it
(`lock_owner`); a lock whose process is dead is broken, one whose process lives never is. Inside this process a table of
mutexes comes first, since the process number is the same for all of its threads.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol, TypeAlias
from weakref import WeakValueDictionary

from twisted.logger import Logger

from mailbox_d.errors import MailboxBusy
from mailbox_d.store.files import FileSystem, find, forget, read_whole
from mailbox_d.store.folder import Folder, require_folder
from mailbox_d.store.lock_owner import own_words, owner_in

_OWNER_MAX = 1024
_TRIES = 5
"""How often a lock is looked for that another program's renames have taken along; later holdings look again."""


Identity: TypeAlias = tuple[int, int]
"""Device and inode of a lock file."""


@dataclass(frozen=True, slots=True)
class LockTimes:
    """Seconds: after which a dead process's lock is broken; one of an owner that cannot be asked; how often a long
    holder says that it lives; how long a thread waits for another one of this process."""

    dead_owner: float = 2.0
    silent_owner: float = 120.0
    touch: float = 10.0
    patience: float = 0.05


class Held(Protocol):
    """What guards the folders that a change is made in."""

    def check(self) -> None:
        """See that it is still held, and say that its holder lives. Raises `MailboxBusy`."""


class Dotlock(Held):
    """One holding of a folder's lock file. Changes of its uidlist show that a silent owner lives."""

    _log = Logger()

    def __init__(self, files: FileSystem, folder: Folder, times: LockTimes, clock: Callable[[], float]) -> None:
        self._files = files
        self._folder = folder
        self._path = folder.lock
        self._watched = folder.uidlist
        self._claim = folder.tmp + f"/lock.{os.getpid()}.{threading.get_ident()}.{socket.gethostname()}".encode()
        self._times = times
        self._clock = clock
        self._identity: Identity | None = None
        self._descriptor: int | None = None
        self._is_lost = False
        self._touched = 0.0

    def acquire(self, left_behind: Container[Identity] = ()) -> None:
        """Take the lock. Raises `MailboxBusy` where another one holds it, `OSError` where none can be made, or where
        one that nobody holds any more (the process has `left_behind` it, or is dead) cannot be removed.
        """
        if find(self._files, self._path) is None and self._link():
            self._touched = self._clock()
            self.check()
            return
        self._break_if_stale(left_behind)
        raise MailboxBusy("The mailbox is in use by another program")

    def _link(self) -> bool:
        """Make the lock with its owner's name in it from the first moment; false if another one was faster.

        A lock made empty and then written would, after a crash in between, be a silent owner's: two minutes for all.
        """
        self._descriptor = descriptor = self._open_claim()
        try:
            self._write_owner(descriptor)
            status = self._files.fstat(descriptor)
            self._files.link(self._claim, self._path)
            self._identity = (status.st_dev, status.st_ino)
        except FileExistsError:
            return False
        finally:
            forget(self._files, self._claim)
        return True

    def _open_claim(self) -> int:
        """The file that is to become the lock; one of that name was left behind by a process that is dead."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            return self._files.open(self._claim, flags)
        except FileExistsError:
            forget(self._files, self._claim)
            return self._files.open(self._claim, flags)

    def check(self) -> None:
        """See that the lock is still ours, before anything counts on it. Raises `MailboxBusy`."""
        if self._is_lost or self._identity is None or not self._is_at(self._path, self._identity):
            self._is_lost = True
            raise MailboxBusy("The mailbox is in use by another program", cause="lost the lock")
        if self._clock() - self._touched > self._times.touch:
            self._touched = self._clock()
            self._files.utime(self._path, self._touched)

    def release(self) -> Identity | None:
        """Give the lock back, if it is ours still. Returns its identity where the disk would not have it removed."""
        identity, self._identity = self._identity, None
        if identity is not None and not any(self.remove(identity) for _ in range(_TRIES)):
            return identity
        self.close()
        return None

    def remove(self, identity: Identity) -> bool:
        """Remove the lock file if it is the one meant; false where the disk would not have it, or it was not found."""
        try:
            if not self._is_lost and self._is_at(self._path, identity):
                return forget(self._files, self._path)
            return self._remove_elsewhere(identity)
        except OSError:
            return False

    def _remove_elsewhere(self, identity: Identity) -> bool:
        """Another program may have renamed the folder and our lock with it, where it would keep everybody out for as
        long as this process lives. It may go on renaming meanwhile, so that only the file knows that it is gone.
        """
        if not self._is_gone():
            for path in self._where_folders_take_it():
                if self._is_at(path, identity):
                    forget(self._files, path)
        return self._is_gone()

    def _where_folders_take_it(self) -> Iterator[bytes]:
        names = self._files.directories(self._folder.maildir) if self._folder.name else []
        return (Folder(self._folder.maildir, name).lock for name in dict.fromkeys([self._folder.name, *names]))

    def _is_gone(self) -> bool:
        return self._descriptor is None or not self._files.fstat(self._descriptor).st_nlink

    def close(self) -> None:
        """Keep an eye on the lock file no more."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                self._files.close(descriptor)

    def _is_at(self, path: bytes, identity: Identity) -> bool:
        status = find(self._files, path)
        return status is not None and (status.st_dev, status.st_ino) == identity

    def _write_owner(self, descriptor: int) -> None:
        """Say who holds it. On a full disk the empty file has to do: it locks, but counts as a silent owner's."""
        try:
            self._files.write(descriptor, own_words())
        except OSError as error:
            self._log.warn("No room for the owner's name in {lock}: {error}", lock=self._path, error=str(error))

    def is_stale(self) -> bool:
        """Whether somebody holds the lock who will never give it back. Raises `OSError`."""
        status = find(self._files, self._path)
        return status is not None and self._is_stale(status)

    def _break_if_stale(self, left_behind: Container[Identity]) -> None:
        status = find(self._files, self._path)
        if status is None or not ((status.st_dev, status.st_ino) in left_behind or self._is_stale(status)):
            return
        with suppress(FileNotFoundError), self._breaking() as is_alone:
            again = self._files.lstat(self._path)
            if is_alone and again.st_ino == status.st_ino and again.st_mtime_ns == status.st_mtime_ns:
                idle = abs(self._clock() - status.st_mtime)
                self._log.warn("Breaking a stale lock: {lock}", lock=self._path, idle=idle)
                self._files.unlink(self._path)

    @contextmanager
    def _breaking(self) -> Iterator[bool]:
        """Whether nobody else is just breaking this lock file. Of two at once the second would remove the lock that the
        first has made since: its inode is another one as long as the old one's is open here."""
        descriptor = self._files.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            yield self._files.try_lock(descriptor)
        finally:
            self._files.close(descriptor)

    def _is_stale(self, status: os.stat_result) -> bool:
        idle = abs(self._clock() - status.st_mtime)  # a time to come is of a clock that was set back since
        stale = self._is_dead(status.st_mtime) if idle > self._times.dead_owner else False
        if stale is not None:
            return stale
        watched = find(self._files, self._watched)
        quiet = watched is None or abs(self._clock() - watched.st_mtime) > self._times.silent_owner
        return quiet and idle > self._times.silent_owner

    def _is_dead(self, locked_at: float) -> bool | None:
        """Whether the owner's process is gone; None where that cannot be known."""
        owner = owner_in(read_whole(self._files, self._path, _OWNER_MAX) or b"")
        return None if owner is None else owner.is_dead(locked_at, self._clock())


@dataclass(frozen=True, slots=True)
class Dotlocks(Held):
    """Those of several folders, held at once."""

    locks: tuple[Dotlock, ...]

    def check(self) -> None:
        for lock in self.locks:
            lock.check()


class _Mutex:
    __slots__ = ("__weakref__", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()


class FolderLocks:
    """The locks of all folders: this process's mutexes, then the lock files."""

    def __init__(
        self, files: FileSystem, times: LockTimes = LockTimes(), clock: Callable[[], float] = time.time
    ) -> None:
        self._files = files
        self._times = times
        self._clock = clock
        self._guard = threading.Lock()
        self._mutexes: WeakValueDictionary[bytes, _Mutex] = WeakValueDictionary()
        self._left_behind: dict[Identity, Dotlock] = {}

    @contextmanager
    def hold(self, folder: Folder) -> Iterator[Dotlock]:
        """Hold a folder's lock for some milliseconds.

        Raises `MailboxBusy`; `NoSuchMailbox` where the folder is gone; `StorageFault`, `OSError` where no lock can be
        made.
        """
        with self.hold_inside(folder.lock):
            require_folder(self._files, folder)
            lock = Dotlock(self._files, folder, self._times, self._clock)
            self._remove_left_behind()
            try:
                lock.acquire(self._left_behind)
                yield lock
            finally:
                identity = lock.release()
                if identity is not None:
                    self._left_behind[identity] = lock

    @contextmanager
    def hold_inside(self, key: bytes) -> Iterator[None]:
        """Hold something against the other threads of this process alone. Raises `MailboxBusy`."""
        mutex = self._mutex(key)
        if not mutex.lock.acquire(timeout=self._times.patience):
            raise MailboxBusy("The mailbox is in use")
        try:
            yield
        finally:
            mutex.lock.release()

    def _remove_left_behind(self) -> None:
        """A lock of ours that the disk would not have removed would keep everybody out while this process lives."""
        for identity, lock in list(self._left_behind.items()):
            if lock.remove(identity) and self._left_behind.pop(identity, None) is not None:
                lock.close()

    def _mutex(self, key: bytes) -> _Mutex:
        with self._guard:
            mutex = self._mutexes.get(key)
            if mutex is None:
                mutex = self._mutexes[key] = _Mutex()
            return mutex
