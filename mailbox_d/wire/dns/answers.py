"""A DNS server's octets, read into an `Answer` (RFC 1035 section 4, RFC 2308).

The server is not believed in anything that costs: so many records of each section are looked at and no more, a chain of
CNAMEs has a bound, and what is malformed in a single record is that record's own loss.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, TypeVar

import dns.exception
import dns.flags
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.wire

from mailbox_d.wire.dns.questions import Question, RecordType, wire_name
from mailbox_d.wire.dns.record_data import MalformedRecord, name_text, record_value
from mailbox_d.wire.dns.records import Answer, LookupFailed

R = TypeVar("R")

MOST_ALIASES = 8
"""CNAMEs that are followed from a name."""

LONGEST_TTL = 86400
"""Seconds for which an answer may be remembered."""

LONGEST_NEGATIVE_TTL = 900
"""The same of an answer without records: a domain that is just being made is not taken for missing for long."""

LARGEST_REMEMBERED = 4096
"""Octets of an answer, above which it is not to be remembered: ten thousand with more would be too many octets."""

STEPS_PER_RECORD = 50
"""Pieces of a message, such as labels, that are looked at for each record that may be in it: an ordinary one has 20."""

_HEADER_OCTETS = 12
_AUTHORITY_RECORDS = 20
_IN = dns.rdataclass.IN


class NotTheAnswer(Exception):
    """Octets that do not answer this question: another identifier, another name, or no answer at all."""


class Truncated(Exception):
    """The answer does not fit into a datagram, and is to be asked for by TCP (RFC 1035 section 4.2.1)."""


@dataclass(frozen=True, slots=True)
class Reading(Generic[R]):
    """What octets say. `ttl`: seconds for which they may be remembered. `alias`: where they only say what the name
    stands for, the name to ask for next; empty elsewhere."""

    answer: Answer[R]
    ttl: int = 0
    alias: str = ""


class TooCostly(dns.exception.DNSException):
    """A message has more labels than its records are worth."""


class _Parser(dns.wire.Parser):
    """Bounds what a message costs: raises `TooCostly` beyond. Parsers of one message share their steps."""

    def __init__(self, wire: bytes, steps: list[int], start: int = 0, end: int | None = None) -> None:
        """`steps`: how many are left, as the one number in it."""
        super().__init__(wire, start)
        self._steps = steps
        if end is not None:
            self.restrict_end(end)

    def get_bytes(self, size: int) -> bytes:
        self._steps[0] -= 1
        if self._steps[0] < 0:
            raise TooCostly
        return super().get_bytes(size)

    def take(self, size: int) -> _Parser:
        """A parser for the next octets, behind which this one goes on."""
        start = self.current
        self.get_bytes(size)
        return _Parser(self.wire, self._steps, start, self.current)


@dataclass(frozen=True, slots=True)
class _Header:
    identifier: int
    flags: int
    questions: int
    answers: int
    authorities: int

    @property
    def code(self) -> int:
        return self.flags & 0xF


@dataclass(frozen=True, slots=True)
class _Alias:
    target: dns.name.Name
    ttl: int


@dataclass(frozen=True, slots=True)
class _Record:
    """`data` is a parser that stands at the record's data, and ends with them."""

    name: dns.name.Name
    kind: int
    ttl: int
    data: _Parser


def read_answer(octets: bytes, question: Question, identifier: int, most_records: int) -> Reading[Any]:
    """What a server says of a question. `secure` is as it says itself. Raises `NotTheAnswer`, `Truncated`, and
    `LookupFailed` for whatever tells nothing of the name."""
    parser = _Parser(octets, [most_records * STEPS_PER_RECORD])
    header = _header(parser, identifier)
    failed = partial(_failed, question)
    if header.questions == 0 and header.code != dns.rcode.NOERROR:
        raise failed(dns.rcode.to_text(dns.rcode.Rcode(header.code)))
    _check_question(parser, header, question)
    if header.flags & dns.flags.TC:
        raise Truncated
    if header.code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise failed(dns.rcode.to_text(dns.rcode.Rcode(header.code)))
    try:
        answers, authority = _sections(parser, header, most_records)
        reading = _followed(question, header, answers, authority)
    except (dns.exception.DNSException, MalformedRecord) as error:
        raise failed(f"{type(error).__name__} {error}") from error
    return reading if len(octets) <= LARGEST_REMEMBERED else replace(reading, ttl=0)


def _failed(question: Question, cause: str) -> LookupFailed:
    return LookupFailed("DNS gave no answer", cause=f"{question}: {cause}")


def _header(parser: _Parser, identifier: int) -> _Header:
    if parser.remaining() < _HEADER_OCTETS:
        raise NotTheAnswer
    header = _Header(*parser.get_struct("!5H"))
    parser.get_uint16()
    if header.identifier != identifier or not header.flags & dns.flags.QR:
        raise NotTheAnswer
    return header


def _check_question(parser: _Parser, header: _Header, question: Question) -> None:
    """The question is repeated in its answer; who does not know it has seen nothing of ours."""
    try:
        name = parser.get_name(decompress=True)
        asked = parser.get_struct("!HH")
    except dns.exception.DNSException:
        raise NotTheAnswer from None
    if header.questions != 1 or name != wire_name(question.name) or asked != (question.kind, _IN):
        raise NotTheAnswer


def _sections(parser: _Parser, header: _Header, most: int) -> tuple[list[_Record], list[_Record]]:
    """Answers and authority; of more answers than `most`, as many, and then no authority: it stands behind them."""
    if header.answers > most:
        return list(_records(parser, most)), []
    answers = list(_records(parser, header.answers))
    return answers, list(_records(parser, min(header.authorities, _AUTHORITY_RECORDS)))


def _records(parser: _Parser, count: int) -> Iterator[_Record]:
    """So many records of a section. Raises `DNSException` where the octets are no records."""
    for _ in range(count):
        name = parser.get_name(decompress=True)
        kind, record_class, ttl, length = parser.get_struct("!HHIH")
        data = parser.take(length)
        if record_class == _IN:
            yield _Record(name, kind, ttl if ttl < 1 << 31 else 0, data)  # RFC 2181 section 8


def _followed(question: Question, header: _Header, answers: list[_Record], authority: list[_Record]) -> Reading[Any]:
    """The records of the name, or of what it stands for."""
    chain = _aliases(question, answers)
    name = chain[-1].target if chain else wire_name(question.name)
    wanted = [record for record in answers if record.kind == question.kind and record.name == name]
    exists = bool(wanted) or header.code == dns.rcode.NOERROR
    values = _values(question, wanted)
    answer = Answer(values, exists, bool(header.flags & dns.flags.AD), name_text(name))
    ttls = [LONGEST_TTL, *(alias.ttl for alias in chain), *(record.ttl for record in wanted)]
    if wanted:
        return Reading(answer, min(ttls))
    negative = _negative_ttl(authority)
    if chain and exists and negative is None:
        return Reading(answer, min(ttls), answer.name)
    if exists and negative is None and any(record.kind == dns.rdatatype.NS for record in authority):
        raise _failed(question, "the server only names others to ask")
    return Reading(answer, min(*ttls, LONGEST_NEGATIVE_TTL, negative or 0))


def _aliases(question: Question, answers: list[_Record]) -> list[_Alias]:
    """The CNAMEs from a name on, in order. Raises `LookupFailed` for a loop, and for a chain that is too long."""
    if question.kind is RecordType.CNAME:
        return []
    aliases = {record.name: record for record in reversed(answers) if record.kind == dns.rdatatype.CNAME}
    chain: list[_Alias] = []
    name = wire_name(question.name)
    while record := aliases.get(name):
        name = _target(record)
        chain.append(_Alias(name, record.ttl))
        if len(chain) > MOST_ALIASES:
            raise _failed(question, "its aliases form a loop, or too long a chain")
    return chain


def _target(record: _Record) -> dns.name.Name:
    name: dns.name.Name = copy(record.data).get_name(decompress=True)
    return name


def _values(question: Question, wanted: list[_Record]) -> tuple[Any, ...]:
    """Without those that are malformed. Where no other is left nobody knows what was meant, and that is no answer."""
    values = []
    fault: MalformedRecord | None = None
    for record in wanted:
        try:
            values.append(record_value(question.kind, record.data))
        except MalformedRecord as error:
            fault = error
    if fault and not values:
        raise fault
    return tuple(values)


def _negative_ttl(authority: list[_Record]) -> int | None:
    """How long a zone lets it be remembered that something is not there (RFC 2308 section 5); None: it does not say."""
    for record in authority:
        if record.kind == dns.rdatatype.SOA:
            soa: Any = dns.rdata.from_wire_parser(_IN, dns.rdatatype.SOA, record.data)
            return min(record.ttl, int(soa.minimum))
    return None
