"""DNS over the reactor: the `Resolver` of a daemon, which asks servers that find answers themselves."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from mailbox_d.net.dns_cache import DnsCache
from mailbox_d.net.dns_exchange import NoReply, exchange
from mailbox_d.net.dns_places import DnsPlaces
from mailbox_d.net.dns_servers import DnsServer
from mailbox_d.net.shared_work import SharedWork
from mailbox_d.wire.dns.answers import MOST_ALIASES, Reading, read_answer
from mailbox_d.wire.dns.questions import ImpossibleName, Question, RecordType, question_octets, reverse_name
from mailbox_d.wire.dns.records import MX, SRV, TLSA, Answer, IPAddress, LookupFailed

TRIES = 3
"""How often a question is asked, of all servers together."""

MOST_AT_ONCE = 100
"""Questions that are out at a time, each with a socket; others wait."""

MOST_OF_DOMAIN = 25
"""The same of those about the names of one domain."""


@dataclass(frozen=True, slots=True)
class DnsLimits:
    """`timeout`: seconds for one server's answer. `records`: of an answer, those looked at. `cache`: answers kept."""

    timeout: float = 5.0
    records: int = 200
    cache: int = 10_000


class DnsClient:
    """A `Resolver`. Every question has a port and an identifier that nobody can guess; those who ask for the same at a
    time share one; a lookup that nobody waits for any more gives its socket back.

    Where some of the servers are believed, they alone are asked: whoever can answer in the name of another one could
    else say what a believed one refuses to say of a name with false signatures (SERVFAIL).
    """

    def __init__(
        self,
        reactor: Any,
        servers: Sequence[DnsServer],
        limits: DnsLimits,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reactor = reactor
        self._servers = tuple(server for server in servers if server.is_believed) or tuple(servers)
        self._limits = limits
        self._cache = DnsCache(limits.cache, monotonic)
        self._asked: dict[Question, SharedWork[Reading[Any]]] = {}
        self._places = DnsPlaces(MOST_AT_ONCE, MOST_OF_DOMAIN)

    async def mx(self, name: str) -> Answer[MX]:
        return await self._answer(name, RecordType.MX)

    async def a(self, name: str) -> Answer[IPv4Address]:
        return await self._answer(name, RecordType.A)

    async def aaaa(self, name: str) -> Answer[IPv6Address]:
        return await self._answer(name, RecordType.AAAA)

    async def txt(self, name: str) -> Answer[bytes]:
        return await self._answer(name, RecordType.TXT)

    async def tlsa(self, name: str) -> Answer[TLSA]:
        return await self._answer(name, RecordType.TLSA)

    async def srv(self, name: str) -> Answer[SRV]:
        return await self._answer(name, RecordType.SRV)

    async def cname(self, name: str) -> Answer[str]:
        return await self._answer(name, RecordType.CNAME)

    async def ptr(self, address: IPAddress) -> Answer[str]:
        return await self._answer(reverse_name(address), RecordType.PTR)

    async def _answer(self, name: str, kind: RecordType) -> Answer[Any]:
        """What is said of the name, or of what it stands for; secure where all that led there is."""
        asked, secure = name.lower(), True
        for _ in range(MOST_ALIASES + 1):
            reading = await self._reading(Question(asked, kind))
            secure = secure and reading.answer.secure
            if not reading.alias:
                return replace(reading.answer, secure=secure)
            asked = reading.alias
        raise LookupFailed(
            "DNS gave no answer", cause=f"{name} {kind.name}: its aliases form a loop, or too long a chain"
        )

    async def _reading(self, question: Question) -> Reading[Any]:
        if (known := self._cache.find(question)) is not None:
            return known
        if asked := self._asked.get(question):
            return await asked.wait()
        asking = self._asked[question] = SharedWork()
        outcome = asking.wait()
        asking.begin(self._look_up(question))
        return await outcome

    async def _look_up(self, question: Question) -> Reading[Any]:
        try:
            reading = await self._ask_servers(question)
        except ImpossibleName:
            reading = Reading(Answer(exists=False))
        except LookupFailed as failure:
            self._cache.keep_failure(question, failure)
            raise
        finally:
            del self._asked[question]
        self._cache.keep(question, reading)
        return reading

    async def _ask_servers(self, question: Question) -> Reading[Any]:
        """The first server that knows. One that refused is not asked again, one that was silent is."""
        servers = list(self._servers)
        failure = LookupFailed("DNS gave no answer", cause=f"{question}: there is nobody to ask")
        for _ in range(TRIES):
            if not servers:
                break
            server = servers.pop(0)
            try:
                return await self._ask(server, question)
            except NoReply as silence:
                servers.append(server)
                failure = silence
            except LookupFailed as refusal:
                failure = refusal
        raise failure

    async def _ask(self, server: DnsServer, question: Question) -> Reading[Any]:
        """Ask one server, once there is a place; whoever asks again waits for one again."""
        identifier = secrets.randbelow(1 << 16)
        read = partial(read_answer, question=question, identifier=identifier, most_records=self._limits.records)
        octets = question_octets(question, identifier)
        await self._places.take(question.name)
        try:
            reading = await exchange(self._reactor, server, octets, read, seconds=self._limits.timeout)
        finally:
            self._places.give_back(question.name)
        secure = reading.answer.secure and server.is_believed
        return replace(reading, answer=replace(reading.answer, secure=secure))
