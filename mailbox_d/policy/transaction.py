"""One message on its way in, from MAIL to the reply to its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mailbox_d.address import EmailAddress
from mailbox_d.auth.realm import User
from mailbox_d.queue.message import USUAL_NOTIFY, Notify, Return
from mailbox_d.wire.smtp.commands import Body

LOCAL_PEER = "local"
"""What a peer on a unix socket is called where others have an IP address."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who hands over a message: how it calls itself, where from, over what, and logged in as whom."""

    host: str
    """The peer's IP address, or `local`."""
    name: str
    """As given in EHLO, HELO or LHLO."""
    protocol: str
    """For Received: SMTP, ESMTP, ESMTPS, ESMTPSA, LMTP … (RFC 3848)."""
    tls: str = ""
    """TLS version and cipher, empty without TLS."""
    user: User | None = None


@dataclass(frozen=True, slots=True)
class Wishes:
    """When the sender wants to hear of a recipient, and under which name: as `queue.message.Recipient` has it."""

    notify: Notify = USUAL_NOTIFY
    said_notify: bool = False
    original: str = ""


NO_WISHES = Wishes()


@dataclass(frozen=True, slots=True)
class Delivered:
    """An accepted recipient: the envelope's address, the users' own addresses and those elsewhere that it stands for.

    `via`: of each address elsewhere the address of ours that names it as where its mail goes; one that the envelope
    itself names is not in it.
    """

    envelope: EmailAddress
    mailboxes: tuple[EmailAddress, ...]
    remote: tuple[EmailAddress, ...] = ()
    via: Mapping[EmailAddress, EmailAddress] = field(default_factory=dict)
    wishes: Wishes = NO_WISHES
    by_catch_all: bool = False

    @property
    def is_forwarded(self) -> bool:
        """Whether mail for an address of ours goes elsewhere."""
        return bool(self.via)

    @property
    def is_queued_whole(self) -> bool:
        """Whether it goes through the queue though it is for mailboxes here: from there success is reported."""
        return bool(self.mailboxes) and bool(self.wishes.notify & Notify.SUCCESS)


@dataclass(slots=True)
class Transaction:
    """The envelope as it grows, thrown away whole after the message and after each refusal of it."""

    client: Client
    sender: EmailAddress | None
    smtputf8: bool = False
    announced: int = 0
    """The message's octets as its sender says (RFC 1870); 0 where nothing was said."""
    body: Body = Body.SEVEN_BIT
    envelope_id: str = ""
    """ENVID, in xtext."""
    returns: Return | None = None
    require_tls: bool = False
    recipients: list[Delivered] = field(default_factory=list)
    copies: dict[EmailAddress, EmailAddress] = field(default_factory=dict)
    """Each mailbox once, with the envelope's address that led to it; its own address goes before others."""

    @property
    def goes_elsewhere(self) -> bool:
        """Whether some of it is for the queue."""
        return any(recipient.remote or recipient.is_queued_whole for recipient in self.recipients)

    def add(self, recipient: Delivered) -> None:
        """Take one more recipient."""
        self.recipients.append(recipient)
        for mailbox in () if recipient.is_queued_whole else recipient.mailboxes:
            if mailbox not in self.copies or recipient.envelope == mailbox:
                self.copies[mailbox] = recipient.envelope
