"""What a DNS server is asked, as octets, and the names that can be asked for (RFC 1035 section 4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.reversename

from mailbox_d.errors import MailError
from mailbox_d.wire.dns.records import IPAddress

LARGEST_DATAGRAM = 1232
"""Octets of an answer by UDP that we say we take: no network on the way splits that (RFC 9715)."""


class ImpossibleName(MailError):
    """No such name can be in DNS: a label is empty, or over 63 octets, or the whole is over 255."""


class RecordType(IntEnum):
    """The types that mail asks for."""

    A = 1
    CNAME = 5
    PTR = 12
    MX = 15
    TXT = 16
    AAAA = 28
    SRV = 33
    TLSA = 52


@dataclass(frozen=True, slots=True)
class Question:
    """A name, in lower-case A-labels without its last dot, and the type of records wanted."""

    name: str
    kind: RecordType

    def __str__(self) -> str:
        return f"{self.name} {self.kind.name}"


def wire_name(text: str) -> dns.name.Name:
    """A name without its last dot. Nothing in it is an escape. Raises `ImpossibleName`."""
    try:
        return dns.name.Name([*(label.encode("ascii") for label in text.split(".")), b""])
    except (dns.exception.DNSException, UnicodeError) as error:
        raise ImpossibleName("There can be no such name in DNS", cause=str(error)) from error


def question_octets(question: Question, identifier: int) -> bytes:
    """A question for a server that finds the answer itself (RD). It is asked to say whether it has checked the
    signatures (AD, RFC 6840 section 5.7). Raises `ImpossibleName`."""
    asked = dns.message.make_query(
        wire_name(question.name),
        question.kind.name,
        use_edns=0,
        payload=LARGEST_DATAGRAM,
        flags=dns.flags.RD | dns.flags.AD,
        id=identifier,
    )
    return asked.to_wire()


def reverse_name(address: IPAddress) -> str:
    """The name under which DNS keeps the names of an address (RFC 1035 section 3.5, RFC 3596 section 2.5)."""
    return dns.reversename.from_address(str(address)).to_text(omit_final_dot=True)
