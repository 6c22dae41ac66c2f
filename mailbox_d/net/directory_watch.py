"""What the kernel tells of changes in directories (inotify(7)), for the store.

Each watch tells of one change and is gone: whoever is told looks, and watches again. However much other programs do in
a directory between two looks, it costs one event. Twisted's INotify is not used: one watched directory that is removed
closes all of it, and it does not tell when the kernel's queue ran over.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import threading
from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any
from weakref import WeakMethod

from twisted.application.service import Service
from twisted.internet.abstract import FileDescriptor
from twisted.logger import Logger

from mailbox_d.store.watching import Watcher

_MODIFY_ENTRIES = 0x40 | 0x80 | 0x100 | 0x200
"""IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE."""
_OWN_END = 0x400 | 0x800
"""IN_DELETE_SELF, IN_MOVE_SELF."""
_ONCE_NO_LINK = 0x01000000 | 0x02000000 | 0x80000000
"""IN_ONLYDIR, IN_DONT_FOLLOW, IN_ONESHOT."""
_IGNORED = 0x8000
_OVERFLOW = 0x4000

_AGAIN_SECONDS = 10.0
"""How long to wait for the kernel where it has no instance left for this user: other programs may give theirs back."""

_EVENT = struct.Struct("iIII")
_READ_SIZE = 65536

_Touched = Callable[[], None]


class DirectoryWatch(Service, Watcher):
    """Watches directories while the daemon runs; before that, and while the kernel has no watch left, it declines."""

    log = Logger()

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._guard = threading.Lock()
        self._descriptor = -1
        self._events: Any = None
        self._touched: dict[int, list[WeakMethod[_Touched]]] = {}
        """Whom to tell, by watch: several where one Maildir is reached by several names."""
        self._forgotten: deque[int] = deque()
        """Watches whose listeners may be no more; written without the guard, by whatever thread collects garbage."""
        self._is_short = False
        self._opening: Any = None
        """The next try, while there is no instance."""

    @property
    def watches(self) -> int:
        """How many are under way, two for each mailbox that is open."""
        return len(self._touched)

    def startService(self) -> None:
        Service.startService(self)
        if not self._open():
            self.log.warn("directories are not watched for now: {why}", why=os.strerror(ctypes.get_errno()))

    def stopService(self) -> None:
        Service.stopService(self)
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.cancel()
        events, self._events = self._events, None
        with self._guard:
            descriptor, self._descriptor = self._descriptor, -1
            waiting = self._forget_all()
        if events is not None:
            events.stopReading()
            os.close(descriptor)
        _call(waiting)

    def arm(self, directories: Sequence[bytes], touched: _Touched) -> bool:
        with self._guard:
            self._drop_forgotten()
            return self._descriptor >= 0 and all(self._arm_one(each, touched) for each in directories)

    def settle(self) -> bool:
        if not self._guard.acquire(blocking=False):
            return False  # somebody watches a directory, which may take as long as the disk does
        try:
            fired = self._read() if self._descriptor >= 0 else []
        finally:
            self._guard.release()
        _call(fired)
        return True

    def _open(self) -> bool:
        """Have the kernel give an instance, now or later."""
        self._opening = None
        descriptor = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if descriptor < 0:
            self._opening = self._reactor.callLater(_AGAIN_SECONDS, self._open)
            return False
        self._descriptor = descriptor
        self._events = _Events(self._reactor, descriptor, self.settle)
        self._events.startReading()
        return True

    def _arm_one(self, directory: bytes, touched: _Touched) -> bool:
        watch = _libc.inotify_add_watch(self._descriptor, directory, _MODIFY_ENTRIES | _OWN_END | _ONCE_NO_LINK)
        if watch < 0:
            self._complain(ctypes.get_errno())
            return False
        others = [each for each in self._touched.get(watch, ()) if each() not in (None, touched)]
        self._touched[watch] = [*others, WeakMethod(touched, lambda _: self._forgotten.append(watch))]
        return True

    def _drop_forgotten(self) -> None:
        """End watches without a listener; one that somebody has taken over since goes on."""
        while self._forgotten:
            watch = self._forgotten.popleft()
            references = self._touched.get(watch, ())
            if references and all(each() is None for each in references):
                del self._touched[watch]
                _libc.inotify_rm_watch(self._descriptor, watch)

    def _complain(self, error: int) -> None:
        """Say once that the kernel has no watches left: mail is served all the same."""
        if error in (errno.ENOSPC, errno.ENOMEM) and not self._is_short:
            self._is_short = True
            self.log.warn("not all open mailboxes are watched: fs.inotify.max_user_watches is too low")

    def _read(self) -> list[WeakMethod[_Touched]]:
        """Whom to tell of what the kernel has noted. A watch is gone once it has told; an overflow concerns all."""
        try:
            data = os.read(self._descriptor, _READ_SIZE)
        except BlockingIOError:
            return []
        fired: list[WeakMethod[_Touched]] = []
        at = 0
        while at < len(data):
            watch, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size + length
            if mask & _OVERFLOW:
                fired += self._forget_all()
            elif not mask & _IGNORED and watch in self._touched:
                fired += self._touched.pop(watch)
        return fired

    def _forget_all(self) -> list[WeakMethod[_Touched]]:
        waiting = list(chain.from_iterable(self._touched.values()))
        self._touched.clear()
        return waiting


class _Events(FileDescriptor):
    """The reactor's ear on the kernel's queue."""

    def __init__(self, reactor: Any, descriptor: int, ready: Callable[[], object]) -> None:
        FileDescriptor.__init__(self, reactor)
        self._descriptor = descriptor
        self._ready = ready

    def fileno(self) -> int:
        return self._descriptor

    def doRead(self) -> None:
        self._ready()


def _call(fired: Sequence[WeakMethod[_Touched]]) -> None:
    for reference in fired:
        touched = reference()
        if touched is not None:
            touched()


_libc = ctypes.CDLL(None, use_errno=True)
_libc.inotify_init1.argtypes = [ctypes.c_int]
_libc.inotify_add_watch.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32]
_libc.inotify_rm_watch.argtypes = [ctypes.c_int, ctypes.c_int]
