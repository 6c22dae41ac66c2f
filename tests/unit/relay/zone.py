"""A resolver in memory, which knows what a zone file says."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import dns.message

from mailbox_d.wire.dns.answers import read_answer
from mailbox_d.wire.dns.questions import ImpossibleName, Question, RecordType, question_octets, reverse_name
from mailbox_d.wire.dns.records import MX, SRV, TLSA, Answer, IPAddress, LookupFailed
from tests.dns_zone import Records


class Zone:
    """A `Resolver`. `records` is text as in `tests/dns_zone.py` (`example.com MX 10 mx.example.com`).

    Names in `failing` cannot be looked up, names in `insecure` are not signed, while all others are where `secure` is
    true: `example.com`, or of one type `example.com MX`. All three can be changed. `asked` is what was asked for, in
    that form.
    """

    def __init__(
        self, records: str = "", *, secure: bool = False, insecure: Collection[str] = (), failing: Collection[str] = ()
    ) -> None:
        self.records = Records(records)
        self.secure = secure
        self.insecure = set(insecure)
        self.failing = set(failing)
        self.asked: list[str] = []

    def add(self, records: str) -> None:
        """Know these records too."""
        self.records.add(records)

    def forget(self, name: str) -> None:
        """Know nothing of a name any more."""
        self.records.forget(name)

    async def mx(self, name: str) -> Answer[MX]:
        return self._answer(name, RecordType.MX)

    async def a(self, name: str) -> Answer[IPv4Address]:
        return self._answer(name, RecordType.A)

    async def aaaa(self, name: str) -> Answer[IPv6Address]:
        return self._answer(name, RecordType.AAAA)

    async def txt(self, name: str) -> Answer[bytes]:
        return self._answer(name, RecordType.TXT)

    async def tlsa(self, name: str) -> Answer[TLSA]:
        return self._answer(name, RecordType.TLSA)

    async def srv(self, name: str) -> Answer[SRV]:
        return self._answer(name, RecordType.SRV)

    async def cname(self, name: str) -> Answer[str]:
        return self._answer(name, RecordType.CNAME)

    async def ptr(self, address: IPAddress) -> Answer[str]:
        return self._answer(reverse_name(address), RecordType.PTR)

    def _answer(self, name: str, kind: RecordType) -> Answer[Any]:
        question = Question(name, kind)
        self.asked.append(str(question))
        if self.failing & {name, str(question)}:
            raise LookupFailed("DNS gave no answer", cause=f"{question}: SERVFAIL")
        try:
            octets = question_octets(question, 0)
        except ImpossibleName:
            return Answer(exists=False)
        secure = self.secure and not self.insecure & {name, str(question)}
        reply = self.records.reply(dns.message.from_wire(octets), secure=secure)
        return read_answer(reply.to_wire(), question, 0, 1000).answer
