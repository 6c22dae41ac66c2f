"""One message on its way in, from MAIL to the reply to its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    is_split: bool = False
    """Whether each of its mailboxes is queued as a recipient of its own, with an outcome of its own."""

    @property
    def is_forwarded(self) -> bool:
        """Whether mail for an address of ours goes elsewhere."""
        return bool(self.via)

    @property
    def is_queued_whole(self) -> bool:
        """Whether it goes through the queue though it is for mailboxes here: from there success is reported."""
        return bool(self.mailboxes) and bool(self.wishes.notify & Notify.SUCCESS)

    @property
    def entry(self) -> tuple[str, str]:
        """What names where it leads, whatever a sender writes: its address without a suffix, or the domain alone whose
        catch-all takes it."""
        return "" if self.by_catch_all else self.envelope.without_suffix().key, self.envelope.domain

    def leads_as(self, other: Delivered) -> bool:
        """Whether both lead to the same addresses."""
        return self.mailboxes == other.mailboxes and self.remote == other.remote

    @property
    def elsewhere(self) -> tuple[EmailAddress, ...]:
        """What of it stands in the queue."""
        if self.is_queued_whole:
            return (self.envelope,)
        return self.mailboxes + self.remote if self.is_split else self.remote


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
    """Each once, as it was named first."""
    accepted: list[Delivered] = field(default_factory=list)
    """One for each RCPT that was taken, a repeated one again: LMTP answers for each (RFC 2033 section 4.2)."""
    copies: dict[EmailAddress, EmailAddress] = field(default_factory=dict)
    """Each mailbox once, with the envelope's address that led to it; its own address goes before others."""

    elsewhere: dict[tuple[str, str], EmailAddress] = field(default_factory=dict)
    """Every address that is for the queue once, by how it is written: other sites may tell `Bob` from `bob` (RFC 5321
    section 2.4)."""
    ways: set[EmailAddress] = field(default_factory=set)
    """The addresses of ours by which it goes elsewhere."""
    queue_files: int = 1
    """Into how many files of the queue it goes at most: one, one for each way, and one for each address that only its
    case or the like tells from another one."""
    _named: dict[tuple[str, str], Delivered] = field(default_factory=dict)
    _folded: set[EmailAddress] = field(default_factory=set)
    _by_entry: dict[tuple[str, str], Delivered] = field(default_factory=dict)
    _leads: dict[tuple[str, str], Delivered] = field(default_factory=dict)

    @property
    def goes_elsewhere(self) -> bool:
        """Whether some of it is for the queue."""
        return bool(self.elsewhere)

    def known(self, address: EmailAddress) -> Delivered | None:
        """The recipient that was named so before."""
        return self._named.get(address.written)

    def lead(self, recipient: Delivered) -> Delivered:
        """The first recipient with the same entry that leads where this one does; itself where there is none before it.

        Who looks through all that recipients lead to looks at these: an alias of a thousand can be named a thousand
        times.
        """
        return self._leads.get(recipient.envelope.written, recipient)

    def queue_files_with(self, more: Delivered) -> int:
        """How many `queue_files` there are with one more recipient."""
        ways = len(self.ways) + len(set(more.via.values()) - self.ways)
        written = len(self.elsewhere) + len(_by_writing(more.elsewhere).keys() - self.elsewhere.keys())
        folded = len(self._folded) + len(set(more.elsewhere) - self._folded)
        return 1 + ways + written - folded

    def part(self, recipients: Iterable[Delivered]) -> Transaction:
        """The same message to these of its recipients."""
        part = Transaction(
            self.client,
            self.sender,
            self.smtputf8,
            announced=self.announced,
            body=self.body,
            envelope_id=self.envelope_id,
            returns=self.returns,
            require_tls=self.require_tls,
        )
        for recipient in recipients:
            part.add(recipient)
        return part

    def add(self, recipient: Delivered) -> None:
        """Take one more recipient."""
        self.accepted.append(recipient)
        if recipient.envelope.written in self._named:
            return
        self._named[recipient.envelope.written] = recipient
        self.recipients.append(recipient)
        lead = self._by_entry.setdefault(recipient.entry, recipient)
        if lead is not recipient and lead.leads_as(recipient):
            self._leads[recipient.envelope.written] = lead
        self.queue_files = self.queue_files_with(recipient)
        self.elsewhere.update(_by_writing(recipient.elsewhere))
        self.ways.update(recipient.via.values())
        self._folded.update(recipient.elsewhere)
        for mailbox in () if recipient.is_queued_whole or recipient.is_split else recipient.mailboxes:
            if mailbox not in self.copies or recipient.envelope == mailbox:
                self.copies[mailbox] = recipient.envelope


def _by_writing(addresses: Iterable[EmailAddress]) -> dict[tuple[str, str], EmailAddress]:
    return {address.written: address for address in addresses}
