"""All that a client can find in an account, read by imaplib: to compare what was with what is."""

from __future__ import annotations

import hashlib
import imaplib
import re
from dataclasses import dataclass

from tests.integration.reading import checked, mailbox
from tests.integration.site import ALICE, Site

_LISTED = re.compile(rb'\(([^)]*)\) "." (.+)')
_FETCHED = re.compile(rb'(?=.*\bUID (\d+))(?=.*\bFLAGS \(([^)]*)\))(?=.*\bINTERNALDATE "([^"]*)").*', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Message:
    """A message by its UID; flags without `\\Recent`, the date as IMAP writes it, the SHA-256 of all its octets."""

    uid: int
    flags: frozenset[str]
    internal_date: str
    digest: str


@dataclass(frozen=True, slots=True)
class Mailbox:
    validity: int
    attributes: frozenset[str]
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """Mailboxes by their names as the wire has them, and the names that are subscribed to."""

    mailboxes: dict[str, Mailbox]
    subscriptions: frozenset[str]


def digest(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()


def snapshot(site: Site, user: str = ALICE) -> Account:
    with mailbox(site, user) as client:
        listed = dict(_names(client.list()))
        return Account(
            {name: _mailbox(client, name, attributes) for name, attributes in listed.items()},
            frozenset(name for name, _ in _names(client.lsub())),
        )


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
    checked(client.select(name, readonly=True))
    (validity,) = client.untagged_responses["UIDVALIDITY"]
    answer = client.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])")
    return Mailbox(int(validity), attributes, tuple(_messages(checked(answer))))


def _messages(data: list[object]) -> list[Message]:
    """imaplib gives a pair for each message, of what stands around its literal and the literal, then the rest."""
    found = []
    for pair, rest in zip(data[::2], data[1::2], strict=False):
        assert isinstance(pair, tuple) and isinstance(rest, bytes), (pair, rest)
        matched = _FETCHED.fullmatch(pair[0] + rest)
        assert matched is not None, pair[0]
        uid, flags, date = matched.groups()
        kept = frozenset(flags.decode().split()) - {r"\Recent"}
        found.append(Message(int(uid), kept, date.decode(), digest(pair[1])))
    return found
