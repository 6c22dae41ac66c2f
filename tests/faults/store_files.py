"""File systems for tests: one that records what is done, one that fails at a given step, one that ends the process."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mailbox_d.store.files import FileSystem

LOOKING = ["read", "fstat", "lstat", "attribute", "names", "directories", "free_octets"]
MAKING = [
    *("open", "close", "write", "rename", "rename_new", "link", "symlink", "unlink", "mkdir", "rmdir"),
    *("chmod", "chown", "set_attribute", "utime"),
]
SYNCING = ["fsync", "fsync_directory"]
OPERATIONS = [*LOOKING, *MAKING, *SYNCING]
CHANGING = frozenset([*MAKING, *SYNCING])


@dataclass(frozen=True)
class Call:
    """One file operation: what, on which path (of a descriptor, the path that it was opened by), and where to."""

    operation: str
    path: str
    destination: str = ""


class WatchedFiles(FileSystem):
    """Tells `before` of each operation that is about to be done, `after` or `after_fault` of each that was tried."""

    def __init__(self) -> None:
        self.paths: dict[int, str] = {}
        self.guard = threading.Lock()

    def before(self, call: Call) -> None:
        """For subclasses."""

    def after(self, call: Call) -> None:
        """For subclasses."""

    def after_fault(self, call: Call) -> None:
        """For subclasses."""

    def watched(self, operation: str, args: tuple[Any, ...]) -> Any:
        first = self.paths.get(args[0], "?") if isinstance(args[0], int) else os.fsdecode(args[0])
        destination = os.fsdecode(args[1]) if operation in ("rename", "rename_new", "link", "symlink") else ""
        call = Call(operation.removesuffix("_new"), first, destination)
        self.before(call)
        try:
            result = getattr(FileSystem, operation)(self, *args)
        except OSError:
            self.after_fault(call)
            raise
        if operation == "open":
            self.paths[result] = first
        self.after(call)
        return result


def _watch(operation: str) -> Callable[..., Any]:
    return lambda self, *args: self.watched(operation, args)


for _operation in OPERATIONS:
    setattr(WatchedFiles, _operation, _watch(_operation))


class RecordingFiles(WatchedFiles):
    """Keeps the calls that succeeded, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def after(self, call: Call) -> None:
        with self.guard:
            self.calls.append(call)


class FailingFiles(WatchedFiles):
    """Fails the call of a given number among those that change something, or for which `matches` holds."""

    def __init__(
        self, number: int, code: int, matches: Callable[[Call], bool] | None = None, *, always: bool = False
    ) -> None:
        super().__init__()
        self.number = number
        self.code = code
        self.matches = matches or (lambda call: call.operation in CHANGING - {"close"})
        self.always = always
        self.seen = 0
        self.failed: Call | None = None
        self.armed = False

    def before(self, call: Call) -> None:
        if not self.armed or not self.matches(call):
            return
        self.seen += 1
        if self.seen == self.number or (self.always and self.seen > self.number):
            self.failed = call
            raise OSError(self.code, os.strerror(self.code), call.path)


class MortalFiles(WatchedFiles):
    """Ends the process at once before or after the call of a given number among those that change something."""

    def __init__(self, number: int, *, before: bool) -> None:
        super().__init__()
        self.number = number
        self.dies_before = before
        self.seen = 0
        self.armed = False

    def before(self, call: Call) -> None:
        if self.armed and call.operation in CHANGING:
            self.seen += 1
            self._die_if(self.dies_before)

    def after(self, call: Call) -> None:
        if self.armed and call.operation in CHANGING:
            self._die_if(not self.dies_before)

    after_fault = after

    def _die_if(self, here: bool) -> None:
        if here and self.seen == self.number:
            os._exit(9)


ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.EROFS, errno.EACCES)
