"""What one kind of SMTP service is made of, and what it allows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from mailbox_d.address import EmailAddress
from mailbox_d.net.lanes import Lane
from mailbox_d.net.login import LoginGate
from mailbox_d.policy.content import HeaderLimits
from mailbox_d.policy.mailbox_room import MailboxRoom
from mailbox_d.policy.rate import DailyMessages
from mailbox_d.policy.recipients import Recipients
from mailbox_d.policy.space import FreeSpace
from mailbox_d.record.recorder import NO_RECORD, Record
from mailbox_d.relay.intake.deliveries import Intake
from mailbox_d.smtp.incoming import BatchRoom


class Kind(Enum):
    """The services that speak SMTP's grammar."""

    SMTP = "smtp"
    """From other servers: no relaying, no AUTH."""
    SUBMISSION = "submission"
    """From users: TLS, then AUTH, then mail (RFC 6409)."""
    LMTP = "lmtp"
    """From a local program: a reply for each recipient (RFC 2033)."""


@dataclass(frozen=True, slots=True)
class SMTPLimits:
    """Bounds on what a client may send. Octets, counts, seconds."""

    message_size: int = 50 << 20
    command_line: int = 2048
    auth_line: int = 12288
    recipients: int = 1000
    queue_files: int = 50
    unknown_recipients: int = 20
    unknown_recipient_delay: float = 0.25
    bad_commands: int = 10
    junk_commands: int = 100
    login_failures: int = 3
    data_timeout: float = 600.0
    data_minimum_rate: int = 500
    header: HeaderLimits = field(default_factory=HeaderLimits)


class Rewritten(Protocol):
    """Knows the senders of mail that we forwarded."""

    def original(self, address: EmailAddress) -> EmailAddress | None:
        """The sender that an address of ours was made of; None where we did not make it."""


@dataclass(frozen=True, slots=True)
class Service:
    """One kind of service with everything its sessions use."""

    kind: Kind
    hostname: str
    recipients: Recipients
    intake: Intake
    lane: Lane
    """Where deliveries wait for the disk."""
    space: FreeSpace
    clock: Callable[[], float]
    """Seconds since 1970, for Received."""
    monotonic: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    daily: DailyMessages
    limits: SMTPLimits = field(default_factory=SMTPLimits)
    mailbox_room: MailboxRoom = field(default_factory=MailboxRoom)
    room: BatchRoom = field(default_factory=lambda: BatchRoom(0))
    """Memory that large messages share."""
    record: Record = NO_RECORD
    """Where it is told what becomes of messages."""
    gate: LoginGate | None = None
    """Where users log in, if they can."""
    forwarding: Rewritten | None = None
    """What finds the senders of mail that we forwarded, to whom reports go on."""
