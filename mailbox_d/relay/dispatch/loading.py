"""What is to be sent next, taken from the queue in one trip to the disk."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace

from twisted.logger import Logger

from mailbox_d.errors import StorageFault
from mailbox_d.net.lanes import Lane
from mailbox_d.queue.job import Job
from mailbox_d.queue.mail_queue import MailQueue
from mailbox_d.queue.message import Parcel
from mailbox_d.relay.dispatch.admission import Admission
from mailbox_d.relay.dispatch.contents import PackedContent, open_content
from mailbox_d.relay.signing.signatures import Signing

_DOMAINS_AT_ONCE = 50
_DOMAINS_A_LOOK = 500
"""Domains that a look passes at most; the next one goes on behind them."""
_UNREADABLE_SECONDS = 300.0
"""After which a message that the disk does not give, or that we cannot load, is tried again."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A claimed job with all that is needed to do it."""

    job: Job
    parcel: Parcel
    content: PackedContent


class Loading:
    """Takes jobs, going round the domains. Its methods block; one thread at a time."""

    _log = Logger()

    def __init__(self, queue: MailQueue, lane: Lane, signing: Signing, clock: Callable[[], float]) -> None:
        self._queue = queue
        self._lane = lane
        self._signing = signing
        self._clock = clock
        self._after = ""
        self._after_known = ""

    def look(self, admission: Admission) -> tuple[list[Loaded], float | None]:
        """A job of each of the next domains in which something is due and that are admitted; where there is none, when
        something is due: None for never."""
        found = self._some(admission)
        return found, None if found else self._queue.next_due()

    def _some(self, admission: Admission) -> list[Loaded]:
        found: list[Loaded] = []
        if admission.is_for_known:  # they must not wait until the round has passed all others
            self._take_known(admission, found)
        looked_at, begun_at = 0, self._after
        while admission.free and looked_at < _DOMAINS_A_LOOK:
            domains = self._queue.due_domains(self._clock(), _DOMAINS_AT_ONCE, self._after)
            for domain in domains:
                if not admission.free:
                    return found
                self._after = domain
                self._take(domain, admission, found)
            looked_at += len(domains)
            if len(domains) < _DOMAINS_AT_ONCE:
                self._after = ""
                if not begun_at:
                    break
                begun_at = ""
        return found

    def _take_known(self, admission: Admission, found: list[Loaded]) -> None:
        """Go round those domains alone that are known by name."""
        due = self._queue.due_of(admission.known, self._clock())
        begun_at = bisect_right(due, self._after_known)
        for domain in due[begun_at:] + due[:begun_at]:
            if not admission.free:
                return
            self._after_known = domain
            self._take(domain, admission, found)

    def _take(self, domain: str, admission: Admission, found: list[Loaded]) -> None:
        if admission.admits(domain) and (loaded := self.next(domain)) is not None:
            admission.took(domain)
            found.append(loaded)

    def next(self, domain: str) -> Loaded | None:
        """The next job of a domain, None where nothing is due."""
        while (job := self._queue.take(domain, self._clock())) is not None:
            if (loaded := self._load(job)) is not None:
                return loaded
        return None

    def all_of(self, job: Job) -> Loaded | None:
        """A claimed job for all who wait, due or not, held or not; None where there is nothing to be done: it is not
        claimed any more."""
        return self._load(job, everybody=True)

    def _load(self, job: Job, *, everybody: bool = False) -> Loaded | None:
        """What cannot be loaded keeps nothing else waiting."""
        try:
            return self._opened(job, everybody=everybody)
        except StorageFault:
            pass
        except Exception:
            self._log.failure("queue: {id} cannot be loaded by a fault of ours", id=job.identifier)
        self._queue.release(replace(job, due=self._clock() + _UNREADABLE_SECONDS))
        return None

    def _opened(self, job: Job, *, everybody: bool) -> Loaded | None:
        """Raises `StorageFault`: the job is still claimed."""
        parcel = self._queue.load(job, everybody=everybody)
        if parcel is None:
            return None
        file = self._queue.content(job.identifier)
        if file is not None:
            return Loaded(job, parcel, open_content(file, parcel.message, self._lane, self._signing))
        self._queue.forget(job)
        return None
