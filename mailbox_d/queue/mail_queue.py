"""The queue as others see it: messages come in, jobs are taken, and what became of them is noted.

All of it blocks, is for lanes, and safe for threads. What is wrong with the disk is a `StorageFault`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from twisted.logger import Logger

from mailbox_d.address import EmailAddress
from mailbox_d.errors import MailError
from mailbox_d.printable import one_line
from mailbox_d.queue.backoff import Backoff
from mailbox_d.queue.clean_end import MARK_NAME, CleanEnd
from mailbox_d.queue.content import MessageContent
from mailbox_d.queue.draft import QueueDraft, with_octets
from mailbox_d.queue.draft_file import DraftFile
from mailbox_d.queue.folders import Folders, is_identifier
from mailbox_d.queue.job import Job, jobs_of
from mailbox_d.queue.jobs import Jobs
from mailbox_d.queue.message import Attempt, Envelope, Parcel, Queued, Recipient, Source
from mailbox_d.queue.message_file import ENVELOPE_OCTETS_MAX, RECIPIENTS_MAX, Content, envelope_line
from mailbox_d.queue.open_messages import OpenMessages
from mailbox_d.queue.outcomes import Change, MessageState, Progress
from mailbox_d.queue.rescan import Rescan
from mailbox_d.queue.schedule import RowState, Schedule, Selection
from mailbox_d.queue.spool import Spool
from mailbox_d.queue.stats import QueueStats, count_jobs
from mailbox_d.store.files import FileSystem, storage_faults

SCHEDULE_NAME = "schedule.sqlite"


@dataclass(frozen=True, slots=True)
class Settlement:
    """What follows from some attempts: who has a final outcome now, who is tried again and when, and whether the
    message is gone because nobody waits."""

    final: tuple[Recipient, ...]
    again: tuple[tuple[Recipient, float], ...]
    is_removed: bool


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """`hold`: octets of a message that comes which are kept in memory; `messages_max`: with which the queue is full;
    `stale_after`: seconds after which a file in `tmp` is nobody's."""

    hold: int = 64 * 1024
    messages_max: int = 1_000_000
    stale_after: float = 36 * 3600.0


class MailQueue:
    """The queue in one folder. Only one process at a time may have it open; others read with `offline`."""

    _log = Logger()

    def __init__(
        self,
        root: Path,
        backoff: Backoff,
        settings: QueueSettings = QueueSettings(),
        files: FileSystem | None = None,
        clock: Callable[[], float] = time.time,
        schedule: Schedule | None = None,
    ) -> None:
        self.backoff = backoff
        self.folders = Folders(root, files or FileSystem())
        self.spool = Spool(self.folders)
        self.jobs = Jobs(schedule or Schedule(str(root / SCHEDULE_NAME)), backoff)
        self._settings = settings
        self._clock = clock
        self._mark = CleanEnd(self.folders, str(root / SCHEDULE_NAME).encode("utf-8", "surrogateescape"))
        self._open = OpenMessages(self.spool)
        self._pinned: set[tuple[str, str]] = set()
        self._published: set[str] = set()
        self._rescan = Rescan(self.spool, self._open, self.jobs, self._published, settings.stale_after, clock)

    @storage_faults
    def open(self) -> None:
        """Be ready for all that follows, whatever lies there; `upkeep` looks at that."""
        self.folders.make()
        for name in (SCHEDULE_NAME, SCHEDULE_NAME + "-journal", MARK_NAME):
            self.spool.set_aside_unless_file(self.folders.root + b"/" + name.encode())
        count = self._mark.take()
        self.jobs.open(is_clean=count is not None)
        self._rescan.messages = count or 0

    def close(self) -> None:
        """Write down what would otherwise have to be found again. Nothing may follow but `open` of another one. Raises
        nothing: where the disk refuses, or a message is just coming, all files are looked at after the next start."""
        is_whole = not self._published
        is_whole = self.jobs.close() and is_whole
        try:
            self.spool.sync_removals()
            if is_whole:
                self._mark.make(self.messages)
            if self._published or self.jobs.is_wanting:  # a message came meanwhile
                self._mark.take()
        except OSError as error:
            self._log.warn("The queue is not closed well: {why}", why=one_line(error))

    # Messages come

    @storage_faults
    def begin(self, identifier: str, envelope: Envelope, source: Source, user: str, header: bytes) -> QueueDraft:
        """A message that begins with `header` and is then written. Nothing else may ever be called the same."""
        if not is_identifier(identifier):
            raise MailError("The message cannot be kept", cause=f"{identifier!r} is no name for a message")
        message = Queued(identifier, envelope, source, self._clock(), 0, user)
        line = envelope_line(message)
        if len(envelope.recipients) > RECIPIENTS_MAX or len(line) > ENVELOPE_OCTETS_MAX:
            raise MailError("Too many recipients", cause="no file of the queue may have such an envelope")
        file = DraftFile(self.folders, identifier, line, header, self._settings.hold)
        return QueueDraft(self.folders, file, identifier, self._published, partial(self._arrived, message))

    def _arrived(self, message: Queued, content: Content) -> None:
        state = MessageState(with_octets(message, content))
        self._rescan.messages += 1
        self._open.remember(state)
        self.jobs.add(jobs_of(state), max(self._clock(), message.arrived))

    @property
    def messages(self) -> int:
        """How many there are; while all are looked at, those that were seen."""
        return self._rescan.messages

    def is_full(self) -> bool:
        """Whether no further message is to be taken."""
        return self.messages >= self._settings.messages_max

    # Messages go

    def due_domains(self, now: float, limit: int, after: str = "") -> list[str]:
        """Domains in which something is due, by name, behind one: for whoever goes round them."""
        return self.jobs.due_domains(now, limit, after)

    def due_of(self, domains: Iterable[str], now: float) -> list[str]:
        """In which of these something is due, by name."""
        return self.jobs.due_of(domains, now)

    def next_due(self) -> float | None:
        """When the first thing is due, or before that; None where nothing waits."""
        return self.jobs.next_due()

    def take(self, domain: str, now: float) -> Job | None:
        """Claim what has been due for longest in a domain: for `settle`, `release` or `forget`; claims die with
        the process."""
        return self.jobs.take(domain, now)

    def load(self, job: Job, *, everybody: bool = False) -> Parcel | None:
        """The message of a claimed job, for those who are due now, or for all who wait. None where there is nothing to
        be sent, or the disk does not give it now: then the job is not claimed any more."""
        if job.key not in self._pinned:
            self._pinned.add(job.key)
            self._open.pin(job.identifier)
        try:
            with self._open.use(job.identifier) as state:
                return self._loaded(job, state, everybody)
        except OSError as error:
            self._log.warn("{id} in the queue cannot be read: {why}", id=job.identifier, why=one_line(error))
        except Exception:
            self._log.failure("{id} in the queue cannot be loaded by a fault of ours", id=job.identifier)
        self._put(replace(job, due=job.taken + self.backoff.retry_after))
        return None

    def _loaded(self, job: Job, state: MessageState | None, everybody: bool) -> Parcel | None:
        waiting = state.waiting(job.domain) if state is not None else ()
        if state is None or not waiting:
            self.forget(job)
            return None
        if not everybody:
            found = [one for one in waiting if self._is_due(state.of(one.address), job.taken)]
            if state.is_held or not found:  # the schedule was wrong
                self._put_as_known(job, state)
                return None
            waiting = tuple(found)
        return state.parcel(waiting)

    def _is_due(self, progress: Progress, now: float) -> bool:
        return self.backoff.is_due(progress.due, now)

    @storage_faults
    def content(self, identifier: str) -> MessageContent | None:
        """A message's octets, to be closed; None where it is gone or damaged, and its jobs are to be forgotten."""
        return self.spool.content(identifier)

    @storage_faults
    def settle(
        self, job: Job, attempts: Sequence[Attempt], now: float, warned: Collection[EmailAddress] = ()
    ) -> Settlement:
        """Note, durably, what became of recipients of a loaded job, and whose sender was told that it is late.

        Where `StorageFault` is raised nothing of it holds, and the job stays claimed: it is to be settled again, for
        what another server has taken must not be sent again. Recipients without an attempt wait as before."""
        with self._open.use(job.identifier) as state:
            if state is None:
                self.forget(job)
                return Settlement((), (), is_removed=True)
            change = self._change(state, attempts, now, warned)
            waiting = [one for one in state.waiting() if not _after(state, change, one).is_final]
            settlement = _settlement(state, change, job.domain, is_removed=not waiting)
            if not waiting:
                self._remove(state)
                self.forget(job)
            else:
                self.spool.append(state, change)
                self._put_as_known(job, state)
            return settlement

    def _change(
        self, state: MessageState, attempts: Sequence[Attempt], now: float, warned: Collection[EmailAddress]
    ) -> Change:
        change = Change()
        for attempt in attempts:
            before = state.of(attempt.recipient)
            change.progress[attempt.recipient] = self.backoff.after(attempt, state.message, before, now)
        for address in warned:
            change.progress[address] = replace(change.progress.get(address) or state.of(address), is_warned=True)
        return change

    def _put_as_known(self, job: Job, state: MessageState) -> None:
        """Give back a job as the message's state has it."""
        for known in jobs_of(state):
            if known.domain == job.domain:
                self._put(replace(known, row=job.row))
                return
        self.forget(job)

    def release(self, job: Job) -> None:
        """Give back a claimed job as it was: nothing was tried."""
        self._put(job)

    def forget(self, job: Job) -> None:
        """Of a claimed job there is nothing to be done any more."""
        self.jobs.drop(job)
        self._unpin(job)

    def _put(self, job: Job) -> None:
        self.jobs.put(job)
        self._unpin(job)

    def _unpin(self, job: Job) -> None:
        if job.key in self._pinned:
            self._pinned.discard(job.key)
            self._open.unpin(job.identifier)

    @storage_faults
    def note_warned(self, job: Job, addresses: Collection[EmailAddress]) -> None:
        """The senders of these recipients of a loaded job were told that it is late; noted durably."""
        with self._open.use(job.identifier) as state:
            if state is not None:
                progress = {address: replace(state.of(address), is_warned=True) for address in addresses}
                self.spool.append(state, Change(progress))

    def expired(self, parcel: Parcel, now: float) -> frozenset[EmailAddress]:
        """Whom an attempt that has just come to nothing was the last one for."""
        return self.backoff.expired(parcel, now)

    def late(self, parcel: Parcel, now: float) -> frozenset[EmailAddress]:
        """Whose sender is to be told that it is late, after an attempt that has just come to nothing."""
        return self.backoff.late(parcel, now)

    @storage_faults
    def sync_removals(self) -> None:
        """Make the end of what was removed durable; to be done within a second or so."""
        self.spool.sync_removals()

    # Operators

    def page(self, selection: Selection, after: int = 0, limit: int = 100) -> tuple[list[Job], int | None]:
        """Some of the jobs that are meant, and behind which row to go on; None at the end. A page may be empty."""
        return self.jobs.page(selection, after, limit)

    def identifiers(self, selection: Selection) -> Iterator[str]:
        """The messages of which some jobs are meant, each once for a page that it is on; for turns."""
        after: int | None = 0
        while after is not None:
            jobs, after = self.page(selection, after)
            yield from dict.fromkeys(job.identifier for job in jobs)

    def stats(self, now: float) -> QueueStats:
        """What is in the queue, in figures."""
        *_, stats = self.counting(now)
        return stats

    def counting(self, now: float) -> Iterator[QueueStats]:
        """The same in turns: the figures grow, and the last ones are whole."""
        for stats in count_jobs(self.jobs, now):
            stats.messages, stats.set_aside = self.messages, self.spool.set_aside_count
            stats.is_complete = not self.jobs.is_wanting
            yield stats

    def being_sent(self) -> tuple[str, ...]:
        """The messages that somebody is sending: of what has just come, `page` knows nothing meanwhile."""
        return self.jobs.being_sent()

    @storage_faults
    def show(self, identifier: str) -> MessageState | None:
        """All that is known of a message; it is not to be changed."""
        with self._known(identifier) as state:
            return replace(state, progress=dict(state.progress)) if state is not None else None

    @storage_faults
    def hold(self, identifier: str) -> bool:
        """Send nothing of a message until `unhold`; what is being sent is not stopped. False where there is none."""
        return self._hold(identifier, is_held=True)

    @storage_faults
    def unhold(self, identifier: str) -> bool:
        """Send a message again that was held."""
        return self._hold(identifier, is_held=False)

    def _hold(self, identifier: str, *, is_held: bool) -> bool:
        with self._known(identifier) as state:
            if state is None:
                return False
            if state.is_held != is_held:
                self.spool.append(state, Change(is_held=is_held))
            self.jobs.change(identifier, state=RowState.HELD if is_held else RowState.WAITING)
            return True

    @storage_faults
    def retry(self, identifier: str, now: float) -> bool:
        """Let a message be due now, for all who wait. A loss of power may undo it. False where there is none."""
        with self._known(identifier) as state:
            if state is None:
                return False
            later = [(one.address, state.of(one.address)) for one in state.waiting()]
            progress = {address: replace(known, due=0.0) for address, known in later if known.due}
            if progress:
                self.spool.append(state, Change(progress), durable=False)
            self.jobs.change(identifier, due=now)
            return True

    def claim(self, identifier: str, now: float) -> list[Job]:
        """Claim all of a message that nobody is sending, held or not due as it may be: to settle it with a report."""
        return self.jobs.take_message(identifier, now) if is_identifier(identifier) else []

    @storage_faults
    def remove(self, identifier: str, now: float) -> bool:
        """Remove a message without telling anybody. False where there is none, or it is being sent just now."""
        jobs = self.claim(identifier, now)
        try:
            with self._known(identifier) as state:
                if state is None or self.jobs.is_claimed(identifier, beside=jobs):
                    return False
                self._remove(state)
                while jobs:
                    self.forget(jobs.pop())
                return True
        finally:
            for job in jobs:
                self.release(job)

    def _remove(self, state: MessageState) -> None:
        self.spool.remove(state)
        self._rescan.messages -= 1

    @contextmanager
    def _known(self, identifier: str) -> Iterator[MessageState | None]:
        """A message that an operator names."""
        if not is_identifier(identifier):
            yield None
            return
        with self._open.use(identifier) as state:
            yield state

    # What goes on in the background

    @property
    def wants_upkeep(self) -> bool:
        """Whether `upkeep` has something to do: after the start, and when the schedule lost something."""
        return self._rescan.is_wanted

    def upkeep(self) -> Iterator[None]:
        """Look at all files, in turns of some milliseconds: what is not known is due again, what is nobody's goes. Mail
        comes and goes meanwhile. Raises nothing; where something went wrong, more upkeep is wanted, some time later."""
        return self._rescan.turns()


def _after(state: MessageState, change: Change, recipient: Recipient) -> Progress:
    return change.progress.get(recipient.address) or state.of(recipient.address)


def _settlement(state: MessageState, change: Change, domain: str, *, is_removed: bool) -> Settlement:
    final, again = [], []
    for recipient in state.waiting(domain):
        progress = _after(state, change, recipient)
        if progress.is_final:
            final.append(recipient)
        else:
            again.append((recipient, progress.due or state.message.arrived))
    return Settlement(tuple(final), tuple(again), is_removed)


def offline(root: Path, files: FileSystem | None = None) -> Iterator[MessageState]:
    """All messages of a queue that no daemon has open, as the disk has them; nothing is changed."""
    return Spool(Folders(root, files or FileSystem()), changes=False).states()
