"""The store's interface: what every kind of store offers, and the values that pass through it.

All of it is blocking code, safe to call from several threads; servers call it through a lane of threads. An operation
that finds a mailbox locked by another program raises `MailboxBusy` at once, having changed nothing: the caller repeats
it later, so no thread is ever kept waiting for a foreign lock. Sizes and offsets are octets on the wire (CRLF line
ends), whatever the file holds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Literal, NamedTuple, Protocol, TypeAlias

from mailbox_d.address import EmailAddress
from mailbox_d.errors import MailError

INBOX = "INBOX"
SEEN = r"\Seen"
DELETED = r"\Deleted"
SEPARATOR = "/"
"""Between the levels of a mailbox name as the store's callers write it; on disk it is Maildir++'s dot."""

Flags: TypeAlias = frozenset[str]
"""System flags as IMAP writes them (`\\Seen`, `\\Answered`, `\\Flagged`, `\\Deleted`, `\\Draft`) and keywords.

`\\Recent` is no flag of a message but of a session's view, and never among these.
"""


class Message(NamedTuple):
    """One message of a mailbox: its UID, its flags, its size in octets on the wire.

    A tuple: mailboxes have tens of thousands of them, and are opened in a tenth of a second.
    """

    uid: int
    flags: Flags
    size: int
    mod_sequence: int = 0
    """The number of the change that gave it its flags (RFC 7162)."""


class Snapshot(tuple[Message, ...]):
    """A mailbox's messages at one moment, UIDs ascending, shared by all who look at it until something changes.

    What follows from them is worked out at most once, whoever asks.
    """

    @cached_property
    def uids(self) -> tuple[int, ...]:
        return tuple([message.uid for message in self])

    @cached_property
    def flags(self) -> Flags:
        """Every flag that some message has."""
        return frozenset().union(*{message.flags for message in self})

    @cached_property
    def first_unseen(self) -> int | None:
        """The index of the first message without `\\Seen`."""
        return next((index for index, message in enumerate(self) if SEEN not in message.flags), None)

    @cached_property
    def unseen(self) -> int:
        """How many messages are without `\\Seen`."""
        return sum([SEEN not in message.flags for message in self])

    @cached_property
    def deleted(self) -> Sequence[Message]:
        """The messages with `\\Deleted`."""
        return [message for message in self if DELETED in message.flags]

    @cached_property
    def size(self) -> int:
        """Octets of all messages on the wire."""
        return sum([message.size for message in self])


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message that came; its UID is above every UID announced before."""

    message: Message


@dataclass(frozen=True, slots=True)
class Flagged:
    """A message whose flags are now these."""

    uid: int
    flags: Flags
    mod_sequence: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Expunged:
    """A message that is gone."""

    uid: int
    mod_sequence: int = field(default=0, compare=False)


Change: TypeAlias = Arrived | Flagged | Expunged


class FlagAction(Enum):
    """How STORE combines the given flags with those that a message has (RFC 3501 section 6.4.6)."""

    REPLACE = "FLAGS"
    ADD = "+FLAGS"
    REMOVE = "-FLAGS"


@dataclass(frozen=True, slots=True)
class Status:
    """A mailbox's figures: counts of messages, the next UID, the validity of its UIDs, and its last change."""

    messages: int
    unseen: int
    recent: int
    uid_next: int
    uid_validity: int
    size: int
    highest_mod_sequence: int = 0


@dataclass(frozen=True, slots=True)
class Target:
    """One copy that a delivery makes: whose account, which mailbox."""

    address: EmailAddress
    mailbox: str = INBOX


@dataclass(frozen=True, slots=True)
class Block:
    """Recipients that need the same header in front of the message, and that header.

    Their copies are one file, linked into each Maildir. `header` holds whole fields with CRLF line ends.
    """

    header: bytes
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where one copy of a delivered message lies. `uid` is None where the UID is given at the next look."""

    target: Target
    name: str
    uid: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one copy of a message was not delivered."""

    target: Target
    error: MailError


Outcome: TypeAlias = Receipt | Refusal


class WireReader(Protocol):
    """A message as it goes over the wire, read by offset; line ends are CRLF whatever the file holds."""

    size: int

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` octets from `offset`; fewer only at the end."""

    def chunks(self, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield the octets from `offset` in pieces of at most about 128 kB."""

    def close(self) -> None:
        """Give back the file; reading after this is an error."""


class Delivery(Protocol):
    """A message on its way in: `write` its octets as they come, then `commit` or `abort`, once.

    The octets are what was on the wire (CRLF line ends, dots unstuffed).
    """

    def write(self, data: bytes) -> None:
        """Take the next piece. Raises `StorageFull` or `StorageFault`; the delivery is then only good for abort."""

    def commit(self, *, all_or_nothing: bool) -> tuple[Outcome, ...]:
        """Make every copy durable, file and directory, and visible; one outcome per target, in the blocks' order.

        With `all_or_nothing`, whatever fails takes back all of them and raises. Without it each copy stands for itself.
        After `MailboxBusy` (only from a delivery that `Mailbox.append` began) it may be called again.
        """

    def abort(self) -> None:
        """Leave nothing behind. Harmless after commit and when called twice."""


class Feed(Protocol):
    """What changed in a mailbox since this feed last told: one per session that has the mailbox open."""

    messages: Snapshot
    """As they were in the moment from which on it tells, UIDs ascending."""
    highest: int
    """The mod-sequence of the last change before that moment."""

    def take(self) -> Sequence[Change]:
        """Return and forget what changed: expunges, then new flags, then arrivals in ascending UID order."""

    def may_tell(self) -> bool:
        """Whether there may be something to take after a `refresh`; not so only where that is certain. Never waits."""

    def hush(self) -> None:
        """The session is about to take what changed, or to ask: until then it need not be told that there is news."""

    def close(self) -> None:
        """Stop collecting."""


class Index(Protocol):
    """What was worked out about a mailbox's messages, so that it need not be worked out again: a cache.

    It raises nothing. What `attribute` stands for, and what the octets mean, is the asker's business.
    """

    def remembered(self, attribute: bytes, uids: Sequence[int]) -> Mapping[int, bytes]:
        """What was said under this name of these messages; those of which nothing is known are left out."""

    def remember(self, attribute: bytes, said: Mapping[int, bytes]) -> None:
        """Keep what was said under this name of messages, by UID."""

    def attributes(self) -> Sequence[bytes]:
        """The names under which something was said of this account's messages, the last one first."""

    def unknown(self, attribute: bytes) -> Sequence[int]:
        """The messages of which nothing was said under this name."""

    def paths(self, uids: Sequence[int]) -> Mapping[int, bytes]:
        """Where another process finds messages now, for as long as nobody moves them."""

    def tidy(self) -> None:
        """Give back what is kept of messages that went since the last time."""


COLUMNS = 7
"""How many columns there are in which what messages say is kept."""
FINAL = 1 << COLUMNS
"""In a message's mark, beside a bit for each column that is kept: there is no more to be had of it."""
PIECE = b"\xfe"
"""Stands before each piece of what a message says. Neither this octet nor 0xFF stands in UTF-8."""


@dataclass(frozen=True, slots=True)
class Row:
    """What can be searched of one message: in each column pieces of UTF-8, each behind `PIECE`; None for a column that
    nobody looked at. A number of 32 bits can be compared. `final`: there is no more to be had of the message.
    """

    columns: tuple[bytes | None, ...]
    number: int = 0
    final: bool = True


@dataclass(frozen=True, slots=True)
class Holding:
    """Messages that hold these octets within one piece of one of these columns, behind `start` if the piece begins with
    that. All whose columns are known for no octets and no start; all that have such a piece for no octets.
    """

    columns: tuple[int, ...]
    octets: bytes
    start: bytes = b""


@dataclass(frozen=True, slots=True)
class Numbered:
    """Messages whose number is one of these; those that have the column are known."""

    numbers: range
    column: int


Wanted: TypeAlias = Holding | Numbered


class Looked(NamedTuple):
    """An octet for each message that was asked about, `0` or `1`: whether anything is known of it, and is so."""

    known: bytes
    found: bytes


class Texts(Protocol):
    """What a mailbox's messages say, kept in order to be searched: a cache.

    It raises nothing. What is in a column is the asker's business; what was kept under one name is not found under
    another.
    """

    def known(self, name: bytes, uids: Sequence[int]) -> bytes:
        """A mark for each message, an octet: a bit for each column that is kept, and `FINAL`."""

    def look(self, name: bytes, uids: Sequence[int], wanted: Sequence[Wanted]) -> Iterator[Sequence[Looked]]:
        """Look for these. Nothing (an empty sequence) is said at every step of some milliseconds, which wait in C; the
        outcome for each is said at last.
        """

    def remember(self, name: bytes, rows: Mapping[int, Row]) -> None:
        """Keep what messages say, by UID."""

    def tidy(self) -> None:
        """Give back what is kept of messages that are gone, where that is much or long ago."""


class Mailbox(Protocol):
    """One mailbox of one account. Sessions in one process share the object; each has a feed of its own."""

    name: str
    index: Index
    texts: Texts

    @property
    def uid_validity(self) -> int:
        """With which UID names a message for ever (RFC 3501 section 2.3.1.1)."""

    def refresh(self) -> None:
        """Look at the disk, if it may have changed: list new messages, notice what other programs did.

        Raises `MailboxBusy`, `StorageFault`; `NoSuchMailbox` when the mailbox was removed, renamed or replaced.
        """

    def messages(self) -> Snapshot:
        """The messages as of the last refresh or change, UIDs ascending."""

    def status(self) -> Status:
        """The figures as of the last refresh or change."""

    def recent(self, *, claim: bool) -> Collection[int]:
        """UIDs that no session has been told of as recent; with `claim` this caller is the one that was told."""

    def keywords_full(self) -> bool:
        """Whether no further keyword can be made here (the mailbox has its 26)."""

    def feed(self, changed: Callable[[], None] | None = None) -> Feed:
        """A new feed, which tells all that happens from now on, the changes of its own session included.

        `changed` is called when there may be something to tell, after a `refresh`: at most once until the feed is
        taken, from whichever thread made the change, which it must not keep waiting. Raises `MailboxBusy`.
        """

    def vanished(self, since: int) -> Collection[int] | None:
        """The UIDs of messages that went after the change of this mod-sequence; None where that is not known."""

    def read(self, uid: int) -> WireReader:
        """Open a message. Raises `MessageGone`, `StorageFault`."""

    def internal_date(self, uid: int) -> float:
        """When the message came, in seconds since 1970 (RFC 3501 section 2.3.3). Raises `MessageGone`."""

    def unique_ids(self) -> Mapping[int, bytes]:
        """By UID, what POP3 clients call messages that another program named for them, as of the last refresh."""

    def change_flags(
        self, uids: Collection[int], action: FlagAction, flags: Flags, *, unchanged_since: int | None = None
    ) -> Mapping[int, Message]:
        """Change flags in one go and return what each message that is still there is now.

        Messages that changed after the change `unchanged_since` are let be, and left out of what is returned.
        Raises `TooManyKeywords` (nothing changed), `MailboxBusy`, `StorageFault`, `MailError` for what is no keyword.
        System flags other than the five are passed over.
        """

    def expunge(self, uids: Collection[int]) -> Collection[int]:
        """Remove these messages for good; returns those that this call removed. Raises `MailboxBusy`."""

    def copy(self, uids: Collection[int], destination: Mailbox, *, strict: bool = False) -> Mapping[int, int]:
        """Copy messages with flags and date into a mailbox of the same store; the UID of each copy, both ascending.

        All of them are copied or, where anything is raised, none. Messages that are gone are left out; with `strict`
        they raise `MessageGone`. A keyword that the destination cannot hold is lost. Raises `OverQuota`, `MailboxBusy`,
        `StorageFault`, `NoSuchMailbox`.
        """

    def move(self, uids: Collection[int], destination: Mailbox, *, strict: bool = False) -> Mapping[int, int]:
        """As `copy`, with the flags that the messages have by then, and they are removed here (RFC 6851).

        Of all who move or expunge a message at a time, one does; to the others it is gone, and left out of what is
        returned. It is in one of the mailboxes at any moment, and in both only after a crash, or where `StorageFault`
        says so. After another `StorageFault` some may have been moved, after any other error none.
        """

    def append(self, *, flags: Flags = frozenset(), internal_date: float | None = None, size: int = 0) -> Delivery:
        """A delivery into this mailbox with flags and date, whose receipt has the UID (RFC 4315).

        Raises `OverQuota` where a message of `size` octets would not fit into the account; so does its `commit`.
        """


class Usage(NamedTuple):
    """What an account holds: octets on the disk, and messages. A message counts as often as it is there."""

    octets: int
    messages: int


@dataclass(frozen=True, slots=True)
class QuotaLimits:
    """What an account may hold: octets on the disk, and messages; None where there is no limit."""

    octets: int | None = None
    messages: int | None = None


@dataclass(frozen=True, slots=True)
class Quota:
    """What an account may hold, and what it holds."""

    limits: QuotaLimits
    usage: Usage


@dataclass(frozen=True, slots=True)
class Listed:
    """One name of an account's mailbox tree; `selectable` is false for a parent that exists only by its children."""

    name: str
    selectable: bool = True
    children: bool = field(default=False)


class SpecialUse(Enum):
    """What a mailbox is for (RFC 6154 section 2), as IMAP writes it."""

    DRAFTS = r"\Drafts"
    SENT = r"\Sent"
    TRASH = r"\Trash"
    JUNK = r"\Junk"
    ARCHIVE = r"\Archive"


class Account(Protocol):
    """One user's mailboxes. INBOX always exists."""

    address: EmailAddress

    def quota(self) -> Quota | None:
        """What the account may hold and what it holds; None where there is no limit. Raises `StorageFault`."""

    def mailboxes(self) -> Sequence[Listed]:
        """Every mailbox, INBOX first, the others in order of their names."""

    def open(self, name: str, *, look: bool = True) -> Mailbox:
        """The mailbox of that name, shared with every other session that has it open. Raises `NoSuchMailbox`.

        Without a look at it nothing is known of it before it is changed or refreshed; that may turn out to be another
        mailbox than the one that was there, and raise `NoSuchMailbox` once.
        """

    def create(self, name: str) -> None:
        """Make a mailbox. Raises `MailboxExists`, `MailboxNameError`."""

    def delete(self, name: str) -> None:
        """Remove a mailbox with its messages. Raises `NoSuchMailbox`, `MailboxNameError` for INBOX."""

    def rename(self, old: str, new: str) -> None:
        """Rename a mailbox and all below it. Raises `NoSuchMailbox`, `MailboxExists`, `MailboxNameError`."""

    def subscriptions(self) -> Sequence[str]:
        """The names subscribed to, which need not exist (RFC 3501 section 6.3.6)."""

    def subscribe(self, name: str, subscribed: Literal[True, False] = True) -> None:
        """Add a name to the subscriptions, or take it out."""

    def special_uses(self) -> Mapping[str, SpecialUse] | None:
        """What some mailboxes are for, by name, whether or not they exist; None before the first assignment."""

    def assign_special_uses(self, uses: Mapping[str, SpecialUse]) -> None:
        """Assign these, in place of all before, durable; none is an assignment too. A rename takes its use along."""

    def assign_special_use(self, name: str, use: SpecialUse) -> None:
        """Say what one mailbox is for, durable; the others stay as they are. Raises `MailboxNameError`."""


class Store(Protocol):
    """All accounts of a site."""

    def account(self, address: EmailAddress) -> Account:
        """The account of a user's own address, made at need. Raises `StorageFault`."""

    def deliver(self, blocks: Sequence[Block]) -> Delivery:
        """Begin the delivery of one message. Raises `StorageFault`."""

    def has_room(self, address: EmailAddress, octets: int) -> bool:
        """Whether a message fits into the account of a user's own address, as its quota is. Raises `StorageFault`."""

    def free_octets(self) -> int:
        """How many octets the file system of the store has left for us."""
