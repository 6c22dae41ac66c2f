"""A message in the queue: its envelope, where it came from, and what became of each recipient so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, Flag, auto

from mailbox_d.address import EmailAddress
from mailbox_d.wire.smtp.commands import Body


class Notify(Flag):
    """When a sender wants to hear of a recipient (RFC 3461 section 4.1)."""

    NEVER = 0
    SUCCESS = auto()
    FAILURE = auto()
    DELAY = auto()


USUAL_NOTIFY = Notify.FAILURE | Notify.DELAY
"""Where the sender says nothing."""


class Return(Enum):
    """What of a message a report of its failure holds (RFC 3461 section 4.3)."""

    FULL = "FULL"
    HEADERS = "HDRS"


class Source(Enum):
    """How a message came to be in the queue."""

    USER = "user"
    """A user of ours submitted it."""
    FORWARDED = "forwarded"
    """It came from elsewhere, for an address of ours that leads elsewhere."""
    REPORT = "report"
    """We wrote it ourselves: a delivery status notification."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """A recipient. `original`: ORCPT as it is said on the wire, `rfc822;` and xtext, if one was given (RFC 3461
    section 4.2). `said_notify`: whether NOTIFY was given, so that it is passed on."""

    address: EmailAddress
    notify: Notify = USUAL_NOTIFY
    said_notify: bool = False
    original: str = ""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What MAIL and RCPT said. `sender` is None for the null reverse-path; `envelope_id` is ENVID in xtext."""

    sender: EmailAddress | None
    recipients: tuple[Recipient, ...]
    envelope_id: str = ""
    returns: Return | None = None
    body: Body = Body.SEVEN_BIT
    smtputf8: bool = False
    require_tls: bool = False


@dataclass(frozen=True, slots=True)
class Queued:
    """A message in the queue, whose octets the spool gives. `arrived`: seconds since 1970; `octets`: its size as on the
    wire, its Received field included; `user`: who submitted it, empty for nobody."""

    identifier: str
    envelope: Envelope
    source: Source
    arrived: float
    octets: int
    user: str = ""


class Fate(Enum):
    """What became of a recipient in an attempt."""

    RELAYED = "relayed"
    """Another server has taken responsibility, and tells of what follows itself (it knows DSN)."""
    DELIVERED = "delivered"
    """Another server that knows no DSN, or a mailbox of ours, has it."""
    DEFERRED = "deferred"
    """Not now: to be tried again."""
    FAILED = "failed"
    """Never."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one recipient at one time. `status`: enhanced status code (RFC 3463); `host`, `address`: the
    server, empty where none was reached; `reply`: what it said, printable, one line; `reason`: our own words where it
    is not the server's word, fit for the sender; `tls`: version and cipher; `security`: `plain`, `encrypted` or
    `authenticated`; `policy`: which rule decided how the connection had to be secured."""

    at: float
    recipient: EmailAddress
    fate: Fate
    status: str
    host: str = ""
    address: str = ""
    reply: str = ""
    reason: str = ""
    tls: str = ""
    security: str = ""
    policy: str = ""

    @property
    def is_final(self) -> bool:
        return self.fate is not Fate.DEFERRED


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message with those of its recipients that still wait, and what happened to them before (the last attempt of
    each, by address) and how often was tried; `warned`: whose sender was told that it is late; `ages`: for how many
    seconds each had waited, as the queue counts them, when it was last tried."""

    message: Queued
    waiting: tuple[Recipient, ...]
    attempts: int = 0
    last: dict[EmailAddress, Attempt] = field(default_factory=dict)
    warned: frozenset[EmailAddress] = frozenset()
    ages: dict[EmailAddress, float] = field(default_factory=dict)
