"""Messages and queues for tests of the queue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mailbox_d.address import EmailAddress
from mailbox_d.queue.backoff import Backoff
from mailbox_d.queue.draft import QueueDraft
from mailbox_d.queue.job import Job
from mailbox_d.queue.mail_queue import MailQueue, QueueSettings
from mailbox_d.queue.message import Attempt, Envelope, Fate, Recipient, Source
from mailbox_d.queue.schedule import Schedule
from mailbox_d.store.files import FileSystem

NOON = 1_800_000_000.0
HOLD = 300
SENDER = EmailAddress.parse("alice@example.org")
RECEIVED = b"Received: from here\r\n"
BACKOFF = Backoff(retry_after=100.0, retry_most=1000.0, warn_after=2000.0, give_up_after=9000.0, chance=lambda: 0.5)


def recipients(*addresses: str) -> tuple[Recipient, ...]:
    return tuple(Recipient(EmailAddress.parse(address)) for address in addresses)


def envelope(*addresses: str) -> Envelope:
    return Envelope(SENDER, recipients(*addresses))


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: float = NOON

    def __call__(self) -> float:
        return self.now


@dataclass
class Site:
    """A queue in a folder, which can be opened again as if the process had ended."""

    root: Path
    files: FileSystem = field(default_factory=FileSystem)
    clock: Clock = field(default_factory=Clock)
    backoff: Backoff = BACKOFF
    messages_max: int = 1000
    make_schedule: Callable[[Path], Schedule | None] = lambda _: None

    def __post_init__(self) -> None:
        self.queue = self.opened()

    def opened(self) -> MailQueue:
        settings = QueueSettings(hold=HOLD, messages_max=self.messages_max)
        queue = MailQueue(self.root, self.backoff, settings, self.files, self.clock, self.make_schedule(self.root))
        queue.open()
        return queue

    def restart(self, *, is_clean: bool) -> None:
        """Another process has it now."""
        if is_clean:
            self.queue.close()
        else:
            self.queue.jobs._schedule._close()
        self.queue = self.opened()

    def keep_up(self) -> None:
        for _ in self.queue.upkeep():
            pass

    def draft(self, identifier: str, *addresses: str, body: bytes = b"hello\r\n") -> QueueDraft:
        draft = self.queue.begin(identifier, envelope(*addresses), Source.USER, "alice@example.org", RECEIVED)
        draft.write(b"Subject: " + identifier.encode() + b"\r\n\r\n")
        draft.write(body)
        return draft

    def send(self, identifier: str, *addresses: str, body: bytes = b"hello\r\n") -> None:
        draft = self.draft(identifier, *addresses, body=body)
        draft.publish()
        draft.schedule()

    def take(self, domain: str) -> Job:
        job = self.queue.take(domain, self.clock())
        assert job is not None
        return job

    def attempts(self, job: Job, fate: Fate) -> list[Attempt]:
        """The same became of all recipients of a job that are due."""
        parcel = self.queue.load(job)
        assert parcel is not None
        now = self.clock()
        return [Attempt(now, one.address, fate, "2.0.0", "mx.example", reply="so be it") for one in parcel.waiting]

    def settle(self, job: Job, fate: Fate) -> None:
        self.queue.settle(job, self.attempts(job, fate), self.clock())

    def octets(self, identifier: str) -> bytes:
        content = self.queue.content(identifier)
        assert content is not None
        with content:
            return content.read(0, content.octets)

    def due(self) -> dict[str, list[str]]:
        """What is due, by domain; it is given back."""
        found: dict[str, list[str]] = {}
        jobs = []
        for domain in self.queue.due_domains(self.clock(), 100):
            while job := self.queue.take(domain, self.clock()):
                jobs.append(job)
                if self.queue.load(job) is not None:
                    found.setdefault(domain, []).append(job.identifier)
        for job in jobs:
            self.queue.release(job)
        return {domain: sorted(names) for domain, names in found.items()}
