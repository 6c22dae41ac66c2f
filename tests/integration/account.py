"""All that a client can find in an account, read by imaplib: to compare what was with what is."""

from __future__ import annotations

import imaplib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count

from tests.integration.reading import checked, mailbox
from tests.integration.site import ALICE, Site

_LISTED = re.compile(rb'\(([^)]*)\) "/" "?(.*?)"?')
_FETCHED = re.compile(
    rb'(?=.*\bUID (\d+))(?=.*\bFLAGS \(([^)]*)\))(?=.*\bINTERNALDATE "([^"]*)")(?=.*\bRFC822.SIZE (\d+)).*', re.DOTALL
)

_NUMBERS = count()
"""No two files ever had one name."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message by its UID; flags without `\\Recent`, the date as IMAP writes it, all its octets (as many as its size
    says)."""

    uid: int
    flags: frozenset[str]
    internal_date: str
    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mailbox:
    validity: int
    attributes: frozenset[str]
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """Mailboxes by their names, in modified UTF-7, and the names that are subscribed to."""

    mailboxes: dict[str, Mailbox]
    subscriptions: frozenset[str]

    def octets(self, name: str = "INBOX") -> list[bytes]:
        return [message.octets for message in self.mailboxes[name].messages]

    def flags(self, name: str = "INBOX") -> list[frozenset[str]]:
        return [message.flags for message in self.mailboxes[name].messages]


def snapshot(site: Site, user: str = ALICE) -> Account:
    with mailbox(site, user) as client:
        return account_of(client)


def account_of(client: imaplib.IMAP4) -> Account:
    """The account of a client that is logged in."""
    listed = dict(_names(client.list()))
    return Account(
        {name: _mailbox(client, name, attributes) for name, attributes in listed.items()},
        frozenset(name for name, _ in _names(client.lsub())),
    )


def put_messages(site: Site, messages: Iterable[bytes], user: str = ALICE) -> None:
    """Lay wire octets into the user's INBOX as another program would: by files."""
    maildir = site.maildir(user)
    for part in ("tmp", "new", "cur"):
        (maildir / part).mkdir(parents=True, exist_ok=True)
    for octets, number in zip(messages, _NUMBERS, strict=False):
        name = f"{1700000000 + number}.M{number}P1.elsewhere"
        (maildir / "tmp" / name).write_bytes(octets.replace(b"\r\n", b"\n"))
        (maildir / "tmp" / name).rename(maildir / "new" / name)


def _names(answer: tuple[str, list[object]]) -> list[tuple[str, frozenset[str]]]:
    found = []
    for line in checked(answer):
        if line is not None:
            assert isinstance(line, bytes)
            matched = _LISTED.fullmatch(line)
            assert matched is not None, line
            found.append((matched[2].decode(), frozenset(matched[1].decode().split())))
    return found


def _mailbox(client: imaplib.IMAP4, name: str, attributes: frozenset[str]) -> Mailbox:
    if r"\Noselect" in attributes:
        return Mailbox(0, attributes, ())
    checked(client.select(f'"{name}"', readonly=True))
    (validity,) = client.untagged_responses["UIDVALIDITY"]
    data = checked(client.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])"))
    return Mailbox(int(validity), attributes, tuple(_messages(data)))


def _messages(data: list[object]) -> list[Message]:
    """imaplib gives a pair for each message, of what stands around its literal and the literal, then the rest."""
    found = []
    for pair, rest in zip(data[::2], data[1::2], strict=False):
        assert isinstance(pair, tuple), pair
        assert isinstance(rest, bytes), rest
        matched = _FETCHED.fullmatch(pair[0] + rest)
        assert matched is not None, pair[0]
        uid, flags, date, size = matched.groups()
        assert int(size) == len(pair[1]), pair[0]
        kept = frozenset(flags.decode().split()) - {r"\Recent"}
        found.append(Message(int(uid), kept, date.decode(), pair[1]))
    return found
