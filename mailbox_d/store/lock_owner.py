"""Who holds a lock file, by what it says: `<pid>:<host>`, as Dovecot writes and reads it.

The number alone is not enough: after a power cut, or after many processes, another one may have it, and the lock would
be held for as long as that one lives. So ours say behind a NUL, where Dovecot has ended reading, in which boot of the
machine the process lives and when it started. Dovecot's do not, and are judged as Dovecot judges them.
"""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from functools import cache

from mailbox_d.store.boot import boot_id, process_age, process_start

_OWNER = re.compile(rb"([0-9]{1,19}):([^\0]*)(?:\0(.*))?", re.DOTALL)
_LIFE = re.compile(rb"([0-9a-f-]{16,64}) ([0-9]{1,19})\n")


@dataclass(frozen=True, slots=True)
class Life:
    """By which a process is told from others that had its number: the machine's boot, and the ticks since then."""

    boot: bytes
    start: int


@dataclass(frozen=True, slots=True)
class Owner:
    """A process of this machine; `life` is None where the lock does not tell."""

    process: int
    life: Life | None = None

    def is_dead(self, locked_at: float, now: float) -> bool:
        """Whether the process is gone. The times (seconds since 1970) count where the lock tells of no life and has
        this process's number: then an earlier one had it if the lock is older than this process, or of a time to come.
        """
        if self.life is not None:
            return self._has_ended(self.life)
        if self.process == os.getpid():
            return not now - process_age() <= locked_at <= now
        return not _exists(self.process)

    def _has_ended(self, life: Life) -> bool:
        if life.boot != boot_id() or not _exists(self.process):
            return True
        start = process_start(self.process)
        return start is not None and start != life.start


def own_words() -> bytes:
    """What a lock of this process says."""
    process = os.getpid()
    return b"%d:%b%b" % (process, os.fsencode(socket.gethostname()), _own_life(process))


def owner_in(content: bytes) -> Owner | None:
    """Whom a lock names; None for a process of another machine, and where it was not written whole."""
    words = _OWNER.fullmatch(content)
    if words is None or words[2] != os.fsencode(socket.gethostname()):
        return None
    if words[3] is None:
        return Owner(int(words[1]))
    life = _LIFE.fullmatch(words[3])
    return None if life is None else Owner(int(words[1]), Life(life[1], int(life[2])))


@cache
def _own_life(process: int) -> bytes:
    start = process_start(process)
    return b"" if start is None else b"\0%b %d\n" % (boot_id(), start)


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
