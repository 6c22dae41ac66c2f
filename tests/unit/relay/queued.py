"""A queue on disk for tests, with messages in it, whose lane does the work where it stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mailbox_d.address import EmailAddress
from mailbox_d.net.lanes import InlineLane
from mailbox_d.queue.backoff import Backoff
from mailbox_d.queue.mail_queue import MailQueue
from mailbox_d.queue.message import Envelope, Notify, Recipient, Source
from mailbox_d.relay.dispatch.loading import Loaded, Loading
from mailbox_d.relay.signing.dkim import Signer
from mailbox_d.relay.signing.dkim_keys import KeyFolder
from mailbox_d.relay.signing.signatures import Signing
from mailbox_d.store.files import FileSystem

ALICE = EmailAddress.parse("alice@example.org")
USUAL = Notify.FAILURE | Notify.DELAY


@dataclass
class Queued:
    """The queue below a folder; `now` is its clock."""

    folder: Path
    files: FileSystem = field(default_factory=FileSystem)
    now: float = 1_700_000_000.0

    def __post_init__(self) -> None:
        backoff = Backoff(retry_after=300.0, warn_after=4 * 3600.0, give_up_after=2 * 86400.0, chance=lambda: 0.5)
        self.queue = MailQueue(self.folder / "queue", backoff, files=self.files, clock=lambda: self.now)
        self.queue.open()
        signing = Signing(Signer(KeyFolder(self.folder / "dkim")), "mail.example.org", lambda: self.now)
        self.loading = Loading(self.queue, InlineLane(), signing, lambda: self.now)

    def add(
        self,
        identifier: str,
        *recipients: str,
        sender: EmailAddress | None = ALICE,
        notify: Notify = USUAL,
        octets: bytes = b"Subject: x\r\n\r\nHello\r\n",
    ) -> None:
        """Put a message into the queue."""
        found = tuple(Recipient(EmailAddress.parse(each), notify) for each in recipients)
        draft = self.queue.begin(identifier, Envelope(sender, found), Source.USER, str(sender or ""), b"")
        draft.write(octets)
        draft.publish()
        draft.schedule()

    def load(self, domain: str = "example.com") -> Loaded:
        """The next job of a domain."""
        loaded = self.loading.next(domain)
        assert loaded is not None
        return loaded

    @property
    def messages(self) -> list[str]:
        """What is in the queue."""
        return sorted(path.name for path in (self.folder / "queue/messages").iterdir())
