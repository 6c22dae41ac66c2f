"""Whether a folder can have changed since the last look at it, told without touching the disk.

The kernel tells whoever watches a directory that something happens in it. The store takes that as a hint alone: it says
when a look can be spared, never what is on the disk. A network's file system tells nothing of what other machines do,
so a look is spared for a short time only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from mailbox_d.store.folder import Folder


class Watcher(Protocol):
    """Watches directories for the store; safe to call from any thread, and never waits."""

    def arm(self, directories: Sequence[bytes], touched: Callable[[], None]) -> bool:
        """Call `touched` at the next change in one of these directories: once, perhaps once for each of them.

        False where there is nobody to watch. `touched` is called from whichever thread takes in the kernel's news and
        must not keep it waiting; it is held weakly.
        """

    def settle(self) -> bool:
        """Take in what the kernel has to tell of changes that have been made already; false where that would wait."""


class NobodyWatches(Watcher):
    """For a system that tells nothing: every look goes to the disk."""

    def arm(self, directories: Sequence[bytes], touched: Callable[[], None]) -> bool:
        return False

    def settle(self) -> bool:
        return True


class Watched:
    """A folder's directories under watch. `begin` and `done` are called under the mailbox's own lock.

    `spared` is for how many seconds a look may be spared; `changed` is called at once when something happens.
    """

    def __init__(
        self,
        watcher: Watcher,
        folder: Folder,
        spared: float,
        changed: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watcher = watcher
        self._directories = (folder.new, folder.cur)
        self._spared = spared
        self._monotonic = monotonic
        self._changed = changed
        self._is_armed = False
        self._is_touched = False
        self._quiet_until = 0.0

    def is_quiet(self) -> bool:
        """Whether it is certain that a look at the disk would find nothing new. Waits for nothing."""
        if self._monotonic() >= self._quiet_until:
            return False
        return self._watcher.settle() and not self._is_touched

    def begin(self, *, is_wanted: bool) -> None:
        """A look at the disk begins: what happens from now on may be missed by it. Watch, if anybody wants to know."""
        self._quiet_until = 0.0
        self._is_touched = False
        self._is_armed = is_wanted and self._watcher.arm(self._directories, self.touched)

    def done(self) -> None:
        """Everything that was there when the look began is known now."""
        if self._is_armed:
            self._quiet_until = self._monotonic() + self._spared

    def touched(self) -> None:
        """Something happened in one of the directories."""
        if not self._is_touched:
            self._is_touched = True
            self._changed()
