"""All files of the queue are looked at, in turns, while mail comes and goes: to mend the schedule, and to sweep."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress

from twisted.logger import Logger

from mailbox_d.printable import one_line
from mailbox_d.queue.folders import IDENTIFIER
from mailbox_d.queue.job import jobs_of
from mailbox_d.queue.jobs import Jobs
from mailbox_d.queue.open_messages import OpenMessages
from mailbox_d.queue.outcomes import MessageState
from mailbox_d.queue.spool import Spool

_TURN_SECONDS = 0.005
_NAMES_A_TURN = 200

_SYNC_SECONDS = 1.0
"""After which removals are made durable, also while this goes on."""

_REST_SECONDS, _REST_SECONDS_MOST = 60.0, 3600.0
"""How long after a look that missed something there is no other one; the rest doubles while this is so."""


class Rescan:
    """Wanted after every start, for what is left in `tmp` and in `outcomes`; for `messages` where the schedule is
    wanting. `messages` is how many there are, kept by whoever adds and removes some."""

    _log = Logger()

    def __init__(
        self,
        spool: Spool,
        messages: OpenMessages,
        jobs: Jobs,
        hidden: Collection[str],
        stale_after: float,
        clock: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Of messages that are `hidden` nothing is due yet. `clock` tells which of the files in `tmp` are old."""
        self.messages = 0
        self._spool = spool
        self._open = messages
        self._jobs = jobs
        self._hidden = hidden
        self._stale_after = stale_after
        self._clock = clock
        self._monotonic = monotonic
        self._is_swept = False
        self._rest = 0.0
        self._rests_until = 0.0
        self._syncs_at = 0.0

    @property
    def is_wanted(self) -> bool:
        """Whether there is something to be done, and it is not too soon after a try that came to nothing."""
        return (not self._is_swept or self._jobs.is_wanting) and self._monotonic() >= self._rests_until

    def turns(self) -> Iterator[None]:
        """The work, a turn at a time."""
        self._syncs_at = self._monotonic() + _SYNC_SECONDS
        try:
            if self._jobs.is_wanting:
                yield from self._find_messages()
            if not self._is_swept:
                yield from self._sweep()
                self._is_swept = True
        except OSError as error:
            self._log.warn("The queue's files cannot be looked at now: {why}", why=one_line(error))
        except Exception:
            self._log.failure("The queue's files cannot be looked at by a fault of ours")
        is_done = self._is_swept and not self._jobs.is_wanting
        self._rest = 0.0 if is_done else min(max(self._rest * 2, _REST_SECONDS), _REST_SECONDS_MOST)
        self._rests_until = self._monotonic() + self._rest

    def _find_messages(self) -> Iterator[None]:
        """Find all messages that the schedule does not know. It is whole where none was missed, and only when this has
        come to its end: whoever drives it may stop before."""
        losses, before, seen, missed = self._jobs.losses, self.messages, 0, 0
        for name in self._in_turns(self._spool.names()):
            if name is None:
                yield
                continue
            try:
                seen += self._find(name)
            except Exception as error:
                missed += 1
                self._tell(name, error)
        self.messages = seen + (self.messages - before)
        if not missed:
            self._jobs.note_look(losses)
        self._log.info("{count} messages in the queue were found again", count=seen)

    def _find(self, name: bytes) -> bool:
        """Whether there is a message of that name. Raises `OSError`."""
        if not IDENTIFIER.fullmatch(name):
            self._spool.set_aside(self._spool.folders.messages + b"/" + name, "no message is called so")
            return False
        with self._open.use(name.decode("ascii")) as state:  # nobody changes it before its jobs are known
            if state is None:
                return False
            if not state.waiting():
                self._remove(state)
                return False
            self._jobs.find_again(jobs_of(state), self._hidden)
            return True

    def _tell(self, name: bytes, error: Exception) -> None:
        """A message was missed; the others are looked at all the same."""
        if isinstance(error, OSError):
            self._log.warn("{name} in the queue cannot be read: {why}", name=one_line(name), why=one_line(error))
        else:
            self._log.failure("{name} in the queue cannot be read by a fault of ours", name=one_line(name))

    def _remove(self, state: MessageState) -> None:
        """All have their outcome: only its removal was missing."""
        with suppress(OSError):
            self._spool.remove(state)

    def _sweep(self) -> Iterator[None]:
        """Remove what is left of finished messages, once they cannot come back, and of drafts."""
        folders = self._spool.folders
        for name in self._in_turns(folders.files.each_name(folders.tmp)):
            if name is None:
                yield
            else:
                self._spool.sweep_tmp(name, self._clock() - self._stale_after)
        self._spool.sync_removals()
        folders.directories.sync(folders.messages)  # for what a process before us has removed
        for name in self._in_turns(folders.files.each_name(folders.outcomes)):
            if name is None:
                yield
            else:
                self._spool.sweep_log(name)

    def _in_turns(self, names: Iterator[bytes]) -> Iterator[bytes | None]:
        """Names, and None where a turn ends."""
        ends, left = self._monotonic() + _TURN_SECONDS, _NAMES_A_TURN
        for name in names:
            yield name
            left -= 1
            if not left or self._monotonic() >= ends:
                self._sync_if_due()
                yield None
                ends, left = self._monotonic() + _TURN_SECONDS, _NAMES_A_TURN

    def _sync_if_due(self) -> None:
        """Whoever drives this has no time for removals meanwhile."""
        if self._monotonic() >= self._syncs_at:
            with suppress(OSError):
                self._spool.sync_removals()
            self._syncs_at = self._monotonic() + _SYNC_SECONDS
