"""Where mod-sequences come from (RFC 7162 section 3.1): the clock, and a promise on disk for when the clock steps back.

A number is the microseconds since 1970, or one above the last number of its mailbox, whichever is higher. Beside the
mail lies a small file with a number that no number told so far is above: whoever has lost what the mailbox's numbers
were goes on from there. It is kept ahead of the numbers, so that it is written once in ten minutes at most.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from weakref import WeakValueDictionary

from twisted.logger import Logger

from mailbox_d.errors import MailboxBusy, MailError
from mailbox_d.store.files import FileSystem
from mailbox_d.store.locked_file import LockedFile

FILE_NAME = b"mailboxd-modseq"
"""In the account's Maildir, where no program takes it for a folder."""

MOD_SEQUENCE_MAX = (1 << 63) - 1
"""RFC 7162 section 7, `mod-sequence-value`."""

_A_SECOND = 1_000_000
_AHEAD = 600 * _A_SECOND
"""How far the promise is ahead when it is made."""

_TRIES = 4
_PAUSE_SECONDS = 0.01
"""How often a promise is tried while another program has the file, or had it when the power failed: the first try
removes such a lock."""

_PROMISE_MAX = 1 << 62
_PROMISE = re.compile(rb"([0-9]{1,19})\n")
_OCTETS_MAX = 1024


class ModSequences:
    """One account's numbers. For any thread."""

    _log = Logger()

    def __init__(self, files: FileSystem, maildir: bytes, clock: Callable[[], float] = time.time) -> None:
        path = maildir + b"/" + FILE_NAME
        self._file = LockedFile(files, path, busy="The mail store is busy", octets_max=_OCTETS_MAX, clock=clock)
        self._clock = clock
        self._guard = threading.Lock()
        self._promised: int | None = None
        self._unpromised = 0
        """The highest number that was told though no promise could be made."""

    def next(self, above: int) -> int:
        """A number above this one. Raises nothing: a promise that cannot be made is logged, and is tried again with
        each further number."""
        number = min(max(int(self._clock() * _A_SECOND), above, 0) + 1, MOD_SEQUENCE_MAX)
        if self._promised is None or max(number, self._unpromised) > self._promised:
            with self._guard:
                self._promise(max(number, self._unpromised))
        return number

    def leap(self) -> None:
        """Let further numbers be above all that another server made by counting on from what was promised here."""
        self.next(self.promised() + _AHEAD)

    def promised(self) -> int:
        """No number that anybody was told is above this one."""
        with self._guard:
            return max(self._promised or 0, self._unpromised, self._read())

    def _promise(self, number: int) -> None:
        if self._promised is None:
            self._promised = self._read()
        if number <= self._promised:
            return
        wanted = number + _AHEAD
        try:
            self._write(wanted)
            self._promised, self._unpromised = wanted, 0
        except (OSError, MailError) as error:
            if not self._unpromised:
                self._log.warn("Mod-sequences are told that no file speaks of: {error}", error=str(error))
            self._unpromised = number

    def _write(self, wanted: int) -> None:
        """Make the promise durable. Raises `OSError`, `MailError`."""
        for tries_left in reversed(range(_TRIES)):
            try:
                self._file.change(lambda content: b"%d\n" % max(wanted, _parse(content)))
            except MailboxBusy:
                if not tries_left:
                    raise
                time.sleep(_PAUSE_SECONDS)
            else:
                return

    def _read(self) -> int:
        try:
            return _parse(self._file.read())
        except OSError as error:
            self._log.warn("What mod-sequences were told cannot be read: {error}", error=str(error))
            return 0


class AccountModSequences:
    """The numbers of all accounts that are in use."""

    def __init__(self, files: FileSystem, clock: Callable[[], float]) -> None:
        self._files = files
        self._clock = clock
        self._guard = threading.Lock()
        self._known: WeakValueDictionary[bytes, ModSequences] = WeakValueDictionary()

    def of(self, maildir: bytes) -> ModSequences:
        """Those of the account whose Maildir this is."""
        with self._guard:
            found = self._known.get(maildir)
            if found is None:
                found = self._known[maildir] = ModSequences(self._files, maildir, self._clock)
            return found


def _parse(content: bytes | None) -> int:
    """The number in the file; 0 where there is none, or none that was written whole."""
    match = _PROMISE.fullmatch(content or b"")
    return int(match[1]) if match and int(match[1]) <= _PROMISE_MAX else 0
