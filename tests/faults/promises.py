"""What a store has told its callers, and whether a store that is opened after a fault still keeps it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from mailbox_d.address import EmailAddress
from mailbox_d.errors import MailboxBusy
from mailbox_d.store.maildir_account import MaildirAccount
from mailbox_d.store.maildir_mailbox import MaildirMailbox
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import Flags

T = TypeVar("T")

Place = tuple[EmailAddress, str]
"""An account and the name of one of its mailboxes."""


Name = tuple[EmailAddress, int, int]
"""What a message is called for ever: account, UIDVALIDITY, UID."""

Numbering = tuple[EmailAddress, int]
"""What a mailbox is called for ever: account, UIDVALIDITY."""


@dataclass(frozen=True, slots=True)
class State:
    """What a client keeps of a mailbox (RFC 7162): the highest mod-sequence, and by UID each message's flags."""

    highest: int
    flags: Mapping[int, Flags]


def state_of(mailbox: MaildirMailbox) -> State:
    """What a client is told that selects the mailbox."""
    flags = {message.uid: message.flags for message in mailbox.messages()}
    return State(mailbox.status().highest_mod_sequence, flags)


@dataclass(slots=True)
class Promise:
    """Something told at one moment that holds until an operation that may undo it begins; `about` says of what."""

    about: tuple[object, ...]
    what: str
    holds: Callable[[Found], bool]
    since: int
    until: float = math.inf


@dataclass(frozen=True, slots=True)
class Seen:
    """A message as a session finds it."""

    uid: int
    body: bytes
    flags: Flags
    date: float
    mod_sequence: int


@dataclass(slots=True)
class SeenMailbox:
    """A mailbox as a session finds it."""

    validity: int
    next_uid: int
    messages: list[Seen]
    state: State
    vanished: Callable[[int], Collection[int] | None]

    def missed(self, told: State) -> Iterator[str]:
        """What a client would not hear that comes back with what it was told, and asks for what has changed since."""
        if self.state.highest < told.highest:
            yield f"HIGHESTMODSEQ was {told.highest} and is {self.state.highest}"
        for message in self.messages:
            if message.mod_sequence <= told.highest and told.flags.get(message.uid) != message.flags:
                yield f"UID {message.uid} is not what it was at {told.highest}, and has {message.mod_sequence}"
        vanished = self.vanished(told.highest)
        gone = told.flags.keys() - {message.uid for message in self.messages}
        if vanished is not None and not gone <= set(vanished):
            yield f"UIDs {gone} are gone since {told.highest}, and only {vanished} are told"


@dataclass(slots=True)
class Found:
    """What a store shows after a fault."""

    mailboxes: dict[Place, SeenMailbox] = field(default_factory=dict)
    accounts: dict[EmailAddress, MaildirAccount] = field(default_factory=dict)

    def everywhere(self, address: EmailAddress) -> list[bytes]:
        """The bodies in all mailboxes of an account."""
        return [body for place in self.mailboxes if place[0] == address for body in self.bodies(place)]

    def bodies(self, place: Place) -> list[bytes]:
        mailbox = self.mailboxes.get(place)
        return [message.body for message in mailbox.messages] if mailbox is not None else []

    def message(self, place: Place, uid: int) -> Seen | None:
        mailbox = self.mailboxes.get(place)
        messages = mailbox.messages if mailbox is not None else []
        return next((message for message in messages if message.uid == uid), None)


@dataclass(slots=True)
class Promises:
    """All that was told, by the moment (whatever number `now` gives) at which it was."""

    now: Callable[[], int]
    made: list[Promise] = field(default_factory=list)
    uids: list[tuple[int, Name, bytes]] = field(default_factory=list)
    """Moment, name and body of each message whose UID was told: these hold for ever."""
    states: list[tuple[int, Numbering, State]] = field(default_factory=list)
    """Moment, mailbox and state of each one that was told: these hold for ever."""
    begun: Counter[tuple[Place, bytes]] = field(default_factory=Counter)
    """How many attempts there were to put a body into a mailbox."""
    flags: dict[bytes, set[Flags]] = field(default_factory=dict)
    """Sets of flags that a message may have."""

    def make(self, *about: object, what: str, holds: Callable[[Found], bool]) -> None:
        """From now on this holds."""
        self.made.append(Promise(about, what, holds, self.now()))

    def end(self, *about: object) -> None:
        """What was promised about this, and about parts of it, may be undone from now on."""
        for promise in self.made:
            if promise.until == math.inf and promise.about[: len(about)] == about:
                promise.until = self.now()

    def tell_state(self, place: Place, mailbox: MaildirMailbox) -> None:
        """A client has been told how a mailbox is now."""
        self.states.append((self.now(), (place[0], mailbox.uid_validity), state_of(mailbox)))

    def broken(self, found: Found, moment: int) -> Iterator[str]:
        """Which promises of that moment are not kept by what is found."""
        for promise in self.made:
            if promise.since <= moment <= promise.until and not promise.holds(found):
                yield f"{promise.about}: not {promise.what}"
        yield from self._broken_uids(found, moment)
        yield from self.missed(found, moment)
        yield from self._strange(found)

    def missed(self, found: Found, moment: int) -> Iterator[str]:
        """What clients would not hear that were told of a mailbox by that moment."""
        for since, numbering, told in self.states:
            for place, mailbox in found.mailboxes.items():
                if since <= moment and numbering == (place[0], mailbox.validity):
                    yield from (f"{place}: {fault}" for fault in mailbox.missed(told))

    def told(self, moment: int) -> dict[Name, bytes]:
        """The messages whose names were told by that moment."""
        return {name: body for since, name, body in self.uids if since <= moment}

    def _broken_uids(self, found: Found, moment: int) -> Iterator[str]:
        told = self.told(moment)
        for place, mailbox in found.mailboxes.items():
            numbers = [message.uid for message in mailbox.messages]
            if len(set(numbers)) < len(numbers):
                yield f"{place}: a UID stands for two messages"
            for message in mailbox.messages:
                if told.get((place[0], mailbox.validity, message.uid), message.body) != message.body:
                    yield f"{place}: UID {message.uid} stands for another message"
            highest = max((uid for *where, uid in told if where == [place[0], mailbox.validity]), default=0)
            if mailbox.next_uid <= highest:
                yield f"{place}: UID {highest} was told, and {mailbox.next_uid} would be the next"

    def _strange(self, found: Found) -> Iterator[str]:
        """Messages that nobody sent, or sent less often than they are there."""
        for place, mailbox in found.mailboxes.items():
            for body, count in Counter(message.body for message in mailbox.messages).items():
                if count > self.begun[place, body]:
                    yield f"{place}: {body[:40]!r} of {len(body)} octets is there {count} times"
            for message in mailbox.messages:
                if message.flags not in self.flags.get(message.body, {frozenset[str]()}):
                    yield f"{place}: {message.body[:40]!r} has the flags {set(message.flags)}"


TRIES = 5
"""How often a mailbox may be locked by a program that is no more: one look per lock to break it."""


def look(store: MaildirStore, *addresses: EmailAddress) -> Found:
    """Read all mailboxes of these users, as sessions of another process do."""
    found = Found()
    for address in addresses:
        account = found.accounts[address] = store.account(address)
        for listed in account.mailboxes():
            if listed.selectable:
                found.mailboxes[address, listed.name] = _read(opened(account, listed.name))
    return found


def opened(account: MaildirAccount, name: str) -> MaildirMailbox:
    return patiently(lambda: account.open(name))


def patiently(work: Callable[[], T]) -> T:
    """Do what finds a lock, as the server's lanes do, until it is not locked any more."""
    for _ in range(TRIES):
        try:
            return work()
        except MailboxBusy:
            continue
    raise AssertionError("it stays locked")


def _read(mailbox: MaildirMailbox) -> SeenMailbox:
    messages = []
    for message in mailbox.messages():
        reader = mailbox.read(message.uid)
        body = reader.read(0, reader.size)
        assert len(body) == reader.size == message.size, "another size was told than is read"
        reader.close()
        date = mailbox.internal_date(message.uid)
        messages.append(Seen(message.uid, body, message.flags, date, message.mod_sequence))
    status = mailbox.status()
    return SeenMailbox(status.uid_validity, status.uid_next, messages, state_of(mailbox), mailbox.vanished)
